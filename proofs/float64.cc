// float64: loss, gradient (hard and soft labels, and divided) and hessian, in units in the last place of the truth.

#include "float64_inputs.h"
#include "harness.h"
#include "truth.h"

namespace {

using namespace proof;

constexpr int segments = 1 << 15, points = 2048, labels = 4;  // two hard ones

struct Batch {
  static constexpr int capacity = points * labels;
  double x[capacity], z[capacity], loss[capacity], gradient[capacity], again[capacity], hessian[capacity];
  double near[capacity];  // |x| less the segment's centre
  double n = 1;
};

class Checker {
 public:
  Checker(const Options& o, Report& report) : report_(report), kernels_(o, report) {}

  void run(Batch& b, const Segment& s, bool follow) {
    logitloss::Task task{};
    task.logits_type = task.labels_type = logitloss::Type::f64;
    const auto array = [](double* data) { return logitloss::Array{reinterpret_cast<char*>(data), sizeof(double)}; };
    task.logits = array(b.x);
    task.labels = array(b.z);
    task.loss = array(b.loss);
    task.gradient = array(b.gradient);
    task.divisor = b.n;
    kernels_(task, Batch::capacity, block_);
    task.loss = {};
    task.gradient = array(b.again);
    task.hessian = array(b.hessian);
    kernels_(task, Batch::capacity, block_++);
    for (int i = 0; i < Batch::capacity; ++i)
      if (bits(b.gradient[i]) != bits(b.again[i])) report_.wrong("two gradients");
    check(b, s, follow);
  }

 private:
  struct Error {
    double ulp, less;                // |got - truth| in ulp, and the same less the soft gradient's allowance
    std::uint64_t unresolved, sign;  // not 0: the oracle cannot say; the sign is wrong
    std::uint64_t subnormal;         // the truth is below 2^-1019: its low part underflows
  };

  // `unit`: 2^scale, by which truth and terms are multiplied.
  static Error error(Truth t, double got, double unit, double terms) {
    const DoubleDouble v = t.value;
    const std::uint64_t below = v.lo != 0 && (v.lo < 0) != (v.hi < 0) ? 1 : 0;  // a power of two less a little
    const double power = as<double>((bits(v.hi) - below) & 0x7ff0000000000000);
    const double ulp = std::max(power * 0x1p-52, 0x1p-1074 * unit), allowed = terms * 0x1p-56;
    const double off = std::fabs((got * unit - v.hi) - v.lo);
    const bool boundary_distance =
        std::fabs(v.hi) >= 0x1p-960;  // else the low part of an unscaled product is lost: MPFR decides
    const bool sure = (boundary_distance || v.hi == 0) && t.error <= std::max(ulp, allowed) * 0x1p-20 &&
                      (t.error < std::fabs(v.hi) || t.error == 0);
    const std::uint64_t sign = v.hi == 0 ? 0 : (bits(got) ^ bits(v.hi)) >> 63;
    return {off / ulp, (off - allowed) / ulp, sure ? 0 : std::uint64_t{1}, sign,
            std::fabs(v.hi) < 0x1p-1019 * unit ? std::uint64_t{1} : std::uint64_t{0}};
  }

  void check(const Batch& b, const Segment& s, bool follow) {
    static thread_local Error errors[3][Batch::capacity];
    const double unit = std::ldexp(1, s.scale);
    for (int i = 0; i < Batch::capacity; ++i) {
      const double x = b.x[i], z = b.z[i], t = b.near[i];
      const DoubleDouble softplus = follow ? s.softplus(t) : DoubleDouble{0, 0},
                         sigmoid = follow ? s.sigmoid(t) : DoubleDouble{0, 0};
      const DoubleDouble a = slope(x, z), scaled{a.hi * unit, a.lo * unit};
      const DoubleDouble other = sum(DoubleDouble{1, 0}, DoubleDouble{-sigmoid.hi / unit, -sigmoid.lo / unit}),
                         h = product(sigmoid, other);
      const double terms = z == 0 || z == 1 ? 0 : (scaled.hi + sigmoid.hi) / b.n;
      errors[0][i] = error(loss(x, scaled, softplus), b.loss[i], unit, 0);
      errors[1][i] = error(gradient(x, scaled, sigmoid, b.n), b.gradient[i], unit, terms);
      errors[2][i] = error({h, h.hi * (4 * oracle_error)}, b.hessian[i], unit, 0);
    }
    const std::string divided = b.n == 1 ? "" : "-divided";
    report("loss", Function::loss, errors[0], b, b.loss);
    report("gradient" + divided, Function::gradient, errors[1], b, b.gradient);
    report("hessian", Function::hessian, errors[2], b, b.hessian);
  }

  // Largest errors apart: of the labels 0 and 1, of the others, of results below 2^-1019.
  void report(const std::string& name, Function f, const Error* errors, const Batch& b, const double* got) {
    const std::string names[] = {name + "-hard", name + "-soft", name + "-subnormal"};
    const auto kind = [&](int i) { return errors[i].subnormal ? 2 : i % labels > 1 ? 1 : 0; };
    double largest[3] = {};
    std::uint64_t unresolved = 0;
    for (int i = 0; i < Batch::capacity; ++i) {
      unresolved |= errors[i].unresolved | errors[i].sign | (errors[i].ulp < INFINITY ? 0 : 1);
      for (int k = 0; k < 3; ++k) largest[k] = std::max(largest[k], kind(i) == k ? errors[i].less : 0);
    }
    report_.count(name, Batch::capacity);
    bool record = unresolved != 0;
    for (int k = 0; k < 3; ++k) record |= report_.is_largest(names[k], largest[k]);
    if (!record) return;
    for (int i = 0; i < Batch::capacity; ++i) {
      double ulp = errors[i].less;
      const std::string where = text("x=%a z=%a n=%g", b.x[i], b.z[i], b.n);
      if (errors[i].unresolved || errors[i].sign || !(errors[i].ulp < INFINITY)) {
        const bool soft = f == Function::gradient && b.z[i] != 0 && b.z[i] != 1;
        const Distance d = distance(f, b.x[i], b.z[i], b.n, got[i]);
        report_.count("mpfr");
        ulp = d.ulp - (soft ? d.terms_ulp * 0x1p-56 : 0);
        if (d.sign != 0 && std::signbit(got[i]) != (d.sign < 0))
          report_.wrong(text("%s: sign of %a at %s", name.c_str(), got[i], where.c_str()));
      }
      report_.largest(names[kind(i)], ulp, where);
    }
  }

  Report& report_;
  Kernels kernels_;
  unsigned long long block_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Options o = options(argc, argv);
  Report report;
  Checker checker(o, report);
  static Batch b;
  for (unsigned number = o.part * o.sample; number < segments; number += o.parts * o.sample) {
    Random random(number);
    const Sizes sizes(random);
    const Segment s = segment(sizes.centre, sizes.centre > 300 ? 900 : 0);
    const bool follow = sizes.kind != Sizes::huge;
    const double unit = std::ldexp(1, s.scale);
    for (int i = 0; i < Batch::capacity; i += labels) {
      const double size = sizes(random), near = follow ? size - s.centre : 0;
      const double sigmoid = follow ? s.sigmoid(near).hi / unit : 0;
      const double x = random() & 1 ? size : -size;
      for (int k = 0; k < labels; ++k) {
        b.x[i + k] = x;
        b.z[i + k] = label(random, k, x, sigmoid);
        b.near[i + k] = near;
      }
    }
    const std::uint64_t r = random();
    b.n = r & 3 ? 1 : 1 + static_cast<double>(r >> (11 + random.below(50)));
    checker.run(b, s, follow);
  }
  report.print();
}
