// Correct rounding of a batch of results in float32, float16 or bfloat16, and the kernels' own error bounds.
//
// Every result is held against the oracle; what lies within the oracle's bound (plus `margin` of the value) of a
// midpoint, and whatever differs, is decided by MPFR.
#pragma once

#define LOGITLOSS_NAMESPACE kernel_bound
#include "math/fast_softplus_sigmoid.h"
#include "math/sigmoid_cross_entropy.h"
#undef LOGITLOSS_NAMESPACE

#include <cstring>
#include <type_traits>

#include "formats.h"
#include "harness.h"
#include "truth.h"

namespace proof {

template <class Format>
struct KernelFormat;
template <>
struct KernelFormat<Float32> : kernel_bound::Float32 {};
template <>
struct KernelFormat<Float16> : kernel_bound::Float16 {};
template <>
struct KernelFormat<BFloat16> : kernel_bound::BFloat16 {};

// Inputs, what the kernels made of them, and the oracle's functions of |x|.
template <class Format>
struct Batch {
  static constexpr int capacity = 8192;
  using Storage = typename Format::Storage;
  Storage x[capacity], z[capacity], loss[capacity], gradient[capacity], again[capacity], hessian[capacity];
  double x_value[capacity], z_value[capacity];
  Tails tails[capacity];
  double n = 1;  // divisor of the gradient
  int size = 0;

  void add(Storage logit, Storage label, const Tails& t) {
    x[size] = logit;
    z[size] = label;
    x_value[size] = Format::decode(logit);
    z_value[size] = Format::decode(label);
    tails[size++] = t;
  }
};

template <class T>
logitloss::Array array(T* data) {
  return {reinterpret_cast<char*>(data), sizeof(T)};
}

template <class Format>
class CorrectlyRounded {
 public:
  // hard_margin: how near to a midpoint, relative to the value, an input must be to be listed among the hardest.
  CorrectlyRounded(const Options& options, Report& report, double hard_margin)
      : report_(report), kernels_(options, report), margin_(hard_margin) {}

  // Runs the kernels on the batch, checks loss and gradient (and the hessian), and empties it.
  void run(Batch<Format>& b, bool with_hessian) {
    if (b.size == 0) return;
    compute(b, with_hessian);
    check(b, with_hessian);
    b.size = 0;
  }

  void compute(Batch<Format>& b, bool with_hessian) {
    logitloss::Task task{};
    task.logits_type = task.labels_type = Format::type;
    task.logits = array(b.x);
    task.labels = array(b.z);
    task.loss = array(b.loss);
    task.gradient = array(b.gradient);
    task.divisor = b.n;
    kernels_(task, b.size, block_);
    // A loss by itself is rounded in another way than one beside the gradient of a soft label.
    task.loss = array(b.again);
    task.gradient = {};
    kernels_(task, b.size, block_);
    if (std::memcmp(b.loss, b.again, b.size * sizeof *b.again) != 0) report_.wrong("two losses");
    if (with_hessian) {
      task.loss = {};
      task.gradient = array(b.again);
      task.hessian = array(b.hessian);
      kernels_(task, b.size, block_);
      if (std::memcmp(b.gradient, b.again, b.size * sizeof *b.again) != 0) report_.wrong("two gradients");
    }
    ++block_;
  }

 private:
  struct Verdict {
    std::uint64_t unresolved;  // MPFR must decide, or the result is wrong
    std::uint64_t undecided;   // the fast path left it undecided
    double ratio;              // |estimate - truth| / bound of the estimate
  };

  Verdict verdict(double x, Truth t, double got, double value, double bound, bool undecided) const {
    const double doubt = t.error + std::fabs(t.value.hi) * margin_;
    const double low = rounded<Format>(t.value.hi, t.value.lo - doubt);
    const double high = rounded<Format>(t.value.hi, t.value.lo + doubt);
    const double off = std::fabs((value - t.value.hi) - t.value.lo);
    const double nothing = std::fabs(x) >= negligible ? 0x1p-180 : 0, ratio = off / bound;
    return {(bits(low) ^ bits(high)) | (bits(low) ^ bits(got)), undecided ? std::uint64_t{1} : std::uint64_t{0},
            off <= nothing ? 0
            : ratio >= 0   ? ratio
                           : INFINITY};
  }

  // The estimate of the accurate path.
  Verdict accurate_path(double x, Truth t, double got, kernel_bound::Estimate e) const {
    const bool undecided = kernel_bound::rounding_test<KernelFormat<Format>>(e).undecided;
    return verdict(x, t, got, e.value, e.size * kernel_bound::accurate_path_error, undecided);
  }

  // The estimate of the fast path, tested as the kernel does: by the value alone where its terms do not cancel (`plain`).
  Verdict fast_path(double x, Truth t, double got, kernel_bound::Estimate e, bool plain, double divisor) const {
    const bool undecided =
        plain
            ? fast_path_undecided(kernel_bound::fast_result_range<KernelFormat<Format>>(std::fabs(x), divisor), e.value)
            : kernel_bound::rounding_test<KernelFormat<Format>, true>(e, kernel_bound::fast_path_error).undecided != 0;
    const double size = plain ? std::fabs(e.value) : e.size;
    return verdict(x, t, got, e.value, size * kernel_bound::fast_path_error, undecided);
  }

  static bool fast_path_undecided(kernel_bound::ResultRange numbers, double value) {
    using kernel_bound::ResultRange;
    using Kernel = KernelFormat<Format>;
    const std::uint64_t boundary_distance =
        numbers == ResultRange::normal      ? Kernel::template nearest<ResultRange::normal>(value).boundary_distance
        : numbers == ResultRange::subnormal ? Kernel::template nearest<ResultRange::subnormal>(value).boundary_distance
                                            : Kernel::template nearest<ResultRange::mixed>(value).boundary_distance;
    return static_cast<std::uint32_t>(boundary_distance) < Kernel::undecided_distance;
  }

  static kernel_bound::SoftplusSigmoid fast_softplus_sigmoid(double size) {
    const double u = kernel_bound::fast_exp_neg(size);
    return {{kernel_bound::fast_softplus(kernel_bound::fast_s(u)), 0}, {kernel_bound::fast_sigmoid(u), 0}};
  }

  void check(const Batch<Format>& b, bool with_hessian) {
    static thread_local double got[3][Batch<Format>::capacity];
    static thread_local Verdict verdicts[3][Batch<Format>::capacity];
    for (int i = 0; i < b.size; ++i) {
      got[0][i] = Format::decode(b.loss[i]);
      got[1][i] = Format::decode(b.gradient[i]);
      got[2][i] = with_hessian ? Format::decode(b.hessian[i]) : 0;
    }
    using Kernel = KernelFormat<Format>;
    for (int i = 0; i < b.size; ++i) {
      const double x = b.x_value[i], z = b.z_value[i], xa = kernel_bound::linear_term(x, z);
      const kernel_bound::Element e{x, z, 1, b.n};
      const DoubleDouble a = slope(x, z);
      const Truth loss_truth = loss(x, a, b.tails[i].softplus),
                  gradient_truth = gradient(x, a, b.tails[i].sigmoid, b.n);
      const auto both = [&](int f, Truth truth, bool plain, double n, const auto& estimate) {
        const Verdict slow =
            accurate_path(x, truth, got[f][i], estimate(kernel_bound::softplus_sigmoid<false>(x), std::false_type{}));
        const Verdict fast = std::fabs(x) <= Kernel::fast_path_limit
                                 ? fast_path(x, truth, got[f][i],
                                             estimate(fast_softplus_sigmoid(std::fabs(x)), std::true_type{}), plain, n)
                                 : slow;
        verdicts[f][i] = {slow.unresolved, fast.undecided, std::max(slow.ratio, fast.ratio)};
      };
      both(0, loss_truth, xa >= 0 && xa < Kernel::term_limit, 1,
           [&](const kernel_bound::SoftplusSigmoid& t, auto near) {
             return kernel_bound::loss<Kernel, false, near>(e, t);
           });
      both(1, gradient_truth, z == 0 || z == 1, b.n,
           [&](const kernel_bound::SoftplusSigmoid& t, auto) { return kernel_bound::gradient<Kernel>(e, t); });
      if (with_hessian)
        both(2, hessian(b.tails[i].sigmoid), true, 1,
             [](const kernel_bound::SoftplusSigmoid& t, auto) { return kernel_bound::hessian<Kernel>(t); });
    }
    for (int f = 0; f < (with_hessian ? 3 : 2); ++f) judge(static_cast<Function>(f), b, got[f], verdicts[f]);
  }

  void judge(Function f, const Batch<Format>& b, const double* got, const Verdict* verdicts) {
    static const char* const names[] = {"loss", "gradient", "hessian"};
    const std::string name = names[static_cast<int>(f)];
    std::uint64_t unresolved = 0, undecided = 0;
    double ratio = 0;
    for (int i = 0; i < b.size; ++i) {
      unresolved |= verdicts[i].unresolved;
      undecided += verdicts[i].undecided;
      ratio = std::max(ratio, verdicts[i].ratio);
    }
    report_.count(name, b.size);
    report_.count(name + "-undecided", undecided);
    const bool record = report_.is_largest(name + "-of-bound", ratio);
    for (int i = 0; (unresolved || record) && i < b.size; ++i) {
      const auto where = [&] { return text("x=%a z=%a n=%g", b.x_value[i], b.z_value[i], b.n); };
      if (record && verdicts[i].ratio == ratio) report_.largest(name + "-of-bound", ratio, where());
      if (!verdicts[i].unresolved) continue;
      const Answer a = answer(f, b.x_value[i], b.z_value[i], b.n, {Format::digits, Format::least});
      report_.count("mpfr");
      if (a.distance > 0 && a.distance < 0.25)
        report_.hard(
            name, a.distance,
            text("%s %s %a %a %a", Format::name, names[static_cast<int>(f)], b.x_value[i], b.z_value[i], a.rounded));
      if (bits(a.rounded) != bits(got[i]))
        report_.wrong(
            text("%s %s: got %a, expected %a at %s", Format::name, name.c_str(), got[i], a.rounded, where().c_str()));
    }
  }

  Report& report_;
  Kernels kernels_;
  double margin_;
  unsigned long long block_ = 0;
};

}  // namespace proof
