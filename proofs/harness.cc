#include "harness.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace proof {

namespace {

constexpr std::size_t hard_kept = 6;
constexpr int wrong_printed = 10;

bool is_nan(logitloss::Type type, const char* element) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, element, logitloss::size_of(type));
  switch (type) {
    case logitloss::Type::f16: return (bits & 0x7fff) > 0x7c00;
    case logitloss::Type::bf16: return (bits & 0x7fff) > 0x7f80;
    case logitloss::Type::f32: return (bits & 0x7fffffff) > 0x7f800000;
    default: return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000;
  }
}

// The same bits; a nan is a nan, for the processor chooses its sign and payload.
bool same(logitloss::Type type, const char* a, const char* b, std::size_t n) {
  const std::size_t size = logitloss::size_of(type);
  if (std::memcmp(a, b, n * size) == 0) return true;
  for (std::size_t i = 0; i < n * size; i += size)
    if (std::memcmp(a + i, b + i, size) != 0 && !(is_nan(type, a + i) && is_nan(type, b + i))) return false;
  return true;
}

}  // namespace

void choose(const std::string& isa) {
  setenv("LOGITLOSS_ISA", isa.c_str(), 1);
  if (const char* message = logitloss::initialise()) {
    std::fprintf(stderr, "%s\n", message);
    std::exit(2);
  }
  logitloss::set_num_threads(1);
}

Options options(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: %s PART PARTS SAMPLE ISA[/EVERY]...\n", argv[0]);
    std::exit(2);
  }
  const auto number = [](const char* s) { return static_cast<unsigned>(std::strtoul(s, nullptr, 10)); };
  Options o{number(argv[1]), number(argv[2]), number(argv[3]), {}};
  for (int i = 4; i < argc; ++i) {
    const std::string isa = argv[i];
    const std::size_t slash = isa.find('/');
    o.isas.push_back({isa.substr(0, slash), slash == isa.npos ? 1 : number(isa.c_str() + slash + 1)});
  }
  return o;
}

void Report::largest(const std::string& name, double value, const std::string& witness) {
  if (is_largest(name, value)) largest_[name] = {value, witness};
}

bool Report::is_largest(const std::string& name, double value) const {
  const auto found = largest_.find(name);
  return found == largest_.end() || !(value <= found->second.first);  // a nan is the largest
}

void Report::hard(const std::string& name, double distance, const std::string& text) {
  auto& kept = hard_[name];
  kept.emplace(distance, text);
  if (kept.size() > hard_kept) kept.erase(std::prev(kept.end()));
}

void Report::wrong(const std::string& text) {
  if (++wrong_ <= wrong_printed) std::printf("wrong %s\n", text.c_str());
}

void Report::print(const std::string& prefix) const {
  const char* p = prefix.c_str();
  for (const auto& [name, n] : counts_) std::printf("count %s%s %lld\n", p, name.c_str(), n);
  for (const auto& [name, found] : largest_)
    std::printf("largest %s%s %.6g %s\n", p, name.c_str(), found.first, found.second.c_str());
  for (const auto& [name, kept] : hard_)
    for (const auto& [distance, text] : kept)
      std::printf("hard %s%s %.6g %s\n", p, name.c_str(), distance, text.c_str());
  std::printf("count %swrong %lld\n", p, wrong_);
}

std::string text(const char* format, ...) {
  char buffer[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

Kernels::Kernels(const Options& options, Report& report) : isas_(options.isas), report_(report) {
  choose(isas_[0].name);
}

void Kernels::operator()(const logitloss::Task& task, std::size_t n, unsigned long long block) {
  logitloss::run(task, n);
  report_.count("results-" + isas_[0].name,
                static_cast<long long>(n) * (!!task.loss.data + !!task.gradient.data + !!task.hessian.data));
  if (isas_.size() == 1) return;
  const std::size_t bytes = n * logitloss::size_of(task.logits_type);
  static thread_local std::vector<char> other;
  other.resize(3 * bytes);
  for (std::size_t i = 1; i < isas_.size(); ++i) {
    if (block % isas_[i].every != 0) continue;
    choose(isas_[i].name);
    logitloss::Task second = task;
    logitloss::Array logitloss::Task::*outputs[] = {&logitloss::Task::loss, &logitloss::Task::gradient,
                                                    &logitloss::Task::hessian};
    int wanted = 0;
    for (int k = 0; k < 3; ++k) {
      if (!(task.*outputs[k]).data) continue;
      (second.*outputs[k]).data = other.data() + k * bytes;
      ++wanted;
    }
    logitloss::run(second, n);
    report_.count("results-" + isas_[i].name, static_cast<long long>(n) * wanted);
    for (int k = 0; k < 3; ++k)
      if ((task.*outputs[k]).data && !same(task.logits_type, (task.*outputs[k]).data, (second.*outputs[k]).data, n))
        report_.wrong("other bits on " + isas_[i].name + ": block " + std::to_string(block));
  }
  choose(isas_[0].name);
}

}  // namespace proof
