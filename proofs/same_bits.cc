// The same bits on every instruction set, and whatever the layout, the threads and the caller's floating-point mode.
//
// `hash NAME VALUE` is printed per format and result, for `all_logits` / SAMPLE logits each.

#include <cfenv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness.h"
#include "hashed_inputs.h"

namespace {

using namespace proof;
using logitloss::Task;
using logitloss::Type;

constexpr unsigned all_logits = 625000;  // times four formats and four results: 10^7

constexpr const char* results[] = {"loss", "gradient", "hessian", "weighted"};

// The bytes of each result, and the exact total of the losses.
struct Outputs {
  std::vector<char> bytes[4];
  logitloss::ExactSum total;
};

// Where elements lie: bytes past a multiple of 64, the step in elements, and what is between two of them.
struct Layout {
  int offset = 0, step = 1, threads = 1;
  std::size_t gap = 0;  // bytes between two elements
};

class Placed {  // a contiguous array laid out, and back
 public:
  Placed(const char* data, std::size_t n, int bytes, Layout l)
      : n_(n),
        bytes_(bytes),
        stride_((bytes + std::ptrdiff_t(l.gap)) * l.step),
        room_(n * std::abs(stride_) + 192, 0x5a) {
    first_ = room_.data() + 64 + (l.offset - (reinterpret_cast<std::uintptr_t>(room_.data()) & 63)) % 64;
    if (stride_ < 0 && n > 0) first_ -= static_cast<std::ptrdiff_t>(n - 1) * stride_;
    for (std::size_t i = 0; data && i < n; ++i) std::memcpy(at(i), data + i * bytes, bytes);
  }
  logitloss::Array array() { return {first_, stride_}; }
  std::vector<char> back() {
    std::vector<char> out(n_ * bytes_);
    for (std::size_t i = 0; i < n_; ++i) {
      std::memcpy(out.data() + i * bytes_, at(i), bytes_);
      std::memset(at(i), 0x5a, bytes_);
    }
    for (const char c : room_)
      if (c != 0x5a) return {};  // something was written between or beside the elements
    return out;
  }

 private:
  char* at(std::size_t i) { return first_ + static_cast<std::ptrdiff_t>(i) * stride_; }
  std::size_t n_;
  int bytes_;
  std::ptrdiff_t stride_;
  std::vector<char> room_;
  char* first_;
};

Outputs compute(const Format& f, const Inputs& in, std::size_t n, Layout l = {}) {
  Placed x(in.logits.data(), n, f.bytes, l), z(in.labels.data(), n, f.bytes, l), w(in.weights.data(), n, 8, l);
  Placed loss(nullptr, n, f.bytes, l), gradient(nullptr, n, f.bytes, l), hessian(nullptr, n, f.bytes, l);
  Placed weighted(nullptr, n, f.bytes, l);
  logitloss::set_num_threads(l.threads);
  Outputs out;
  Task task{};
  task.logits_type = task.labels_type = f.type;
  task.logits = x.array();
  task.labels = z.array();
  Task first = task, second = task, third = task, fourth = task;
  first.loss = loss.array();
  first.gradient = gradient.array();
  logitloss::run(first, n);
  const std::vector<char> with_loss = gradient.back();
  second.total = &out.total;
  second.gradient = gradient.array();
  logitloss::run(second, n);
  const std::vector<char> with_total = gradient.back();
  third.gradient = gradient.array();
  third.hessian = hessian.array();
  logitloss::run(third, n);
  fourth.pos_weight = w.array();
  fourth.loss = weighted.array();
  logitloss::run(fourth, n);
  out.total.carry();
  out.bytes[0] = loss.back();
  out.bytes[1] = gradient.back();
  out.bytes[2] = hessian.back();
  out.bytes[3] = weighted.back();
  if (with_loss != out.bytes[1] || with_total != out.bytes[1]) out.bytes[1].clear();
  return out;
}

bool same(const Outputs& a, const Outputs& b) {
  for (int k = 0; k < 4; ++k)
    if (a.bytes[k] != b.bytes[k]) return false;
  return std::memcmp(a.total.limb, b.total.limb, sizeof a.total.limb) == 0;
}

// The caller's mode: a rounding, subnormals flushed or kept.
void set_mode(int rounding, bool flush) {
  std::fenv_t mode;
  std::fesetenv(FE_DFL_ENV);
  std::fesetround(rounding);
  std::fegetenv(&mode);
#if defined(__GLIBC__) && defined(__x86_64__)
  if (flush) mode.__mxcsr |= 0x8040;  // flush to zero, denormals are zero
#elif defined(__GLIBC__) && defined(__aarch64__)
  if (flush) mode.__fpcr |= 1u << 24;
#else
  (void)flush;
#endif
  std::fesetenv(&mode);
}

bool same_mode(const std::fenv_t& a, const std::fenv_t& b) {
#if defined(__GLIBC__) && defined(__x86_64__)
  return a.__mxcsr == b.__mxcsr;
#elif defined(__GLIBC__) && defined(__aarch64__)
  return a.__fpcr == b.__fpcr && a.__fpsr == b.__fpsr;
#else
  return std::memcmp(&a, &b, sizeof a) == 0;
#endif
}

void layouts(const Format& f, const std::string& isa, unsigned sample, Report& report) {
  const std::size_t many = (std::size_t{1} << 16) * 8 / sample + 777, few = 1031;
  const Inputs in(f, many);
  const auto expect = [&](const Outputs& reference, const Outputs& got, const std::string& what) {
    report.count("layouts");
    if (!same(reference, got)) report.wrong(isa + " " + f.name + ": " + what);
  };
  const Outputs all = compute(f, in, many), some = compute(f, in, few);
  for (int k = 0; k < 4; ++k)
    if (all.bytes[k].size() < some.bytes[k].size() ||
        std::memcmp(all.bytes[k].data(), some.bytes[k].data(), some.bytes[k].size()) != 0)
      report.wrong(isa + " " + f.name + ": a longer array");
  for (int threads = 2; threads <= 8; ++threads)
    expect(all, compute(f, in, many, {0, 1, threads, 0}), text("%d threads", threads));
  for (int offset = 1; offset < 64; ++offset)
    expect(some, compute(f, in, few, {offset, 1, 1, 0}), text("offset %d", offset));
  for (const std::size_t gap : {0, 1, 3, 8, 61})
    for (const int step : {1, -1, 2, -3})
      expect(some, compute(f, in, few, {1, step, 1, gap}), text("stride %d, gap %zu", step, gap));
  for (std::size_t n = 0; n <= 257; ++n) {
    const Outputs got = compute(f, in, n);
    report.count("layouts");
    for (int k = 0; k < 4; ++k)
      if (got.bytes[k].size() != n * f.bytes ||
          (n && std::memcmp(got.bytes[k].data(), all.bytes[k].data(), n * f.bytes) != 0))
        report.wrong(isa + " " + f.name + text(": length %zu", n));
  }
  for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO})
    for (const bool flush : {false, true})
      for (const int threads : {1, 3}) {
        std::fenv_t before, after;
        set_mode(rounding, flush);
        std::fegetenv(&before);
        const Outputs got = compute(f, in, threads == 1 ? few : many, {0, 1, threads, 0});
        std::fegetenv(&after);
        std::fesetenv(FE_DFL_ENV);
        expect(threads == 1 ? some : all, got, text("rounding %d, flush %d, %d threads", rounding, flush, threads));
        if (!same_mode(before, after)) report.wrong(isa + " " + f.name + ": the caller's mode or flags were changed");
      }
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = options(argc, argv);
  Report report;
  for (std::size_t i = o.part; i < o.isas.size(); i += o.parts) {
    const std::string& isa = o.isas[i].name;
    choose(isa);
    for (const Format& f : formats) {
      const std::size_t n = all_logits / o.sample;
      const Outputs out = compute(f, Inputs(f, n), n);
      for (int k = 0; k < 4; ++k) {
        report.count("results-" + isa, n);
        std::printf("hash %s-%s-%zu %016llx\n", f.name, results[k], n,
                    static_cast<unsigned long long>(hash(out.bytes[k], f.bytes)));
      }
      layouts(f, isa, o.sample, report);
    }
  }
  report.print();
}
