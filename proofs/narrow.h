// Correct rounding of a batch of results in a narrow format, and the kernels' own bounds.
//
// Every result is held against the oracle; what lies within the oracle's bound (plus `margin` of the value) of a
// midpoint, and whatever differs, is decided by MPFR.
#pragma once

#define XENT_NAMESPACE premise
#include "math/quick_tail.h"
#include "math/sigmoid_cross_entropy.h"
#undef XENT_NAMESPACE

#include <cstring>
#include <type_traits>

#include "harness.h"
#include "narrow_formats.h"
#include "truth.h"

namespace proof {

template <class Format>
struct KernelFormat;
template <>
struct KernelFormat<Float32> : premise::Float32 {};
template <>
struct KernelFormat<Float16> : premise::Float16 {};
template <>
struct KernelFormat<BFloat16> : premise::BFloat16 {};

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
xent::Array array(T* data) {
  return {reinterpret_cast<char*>(data), sizeof(T)};
}

template <class Format>
class Narrow {
 public:
  // hard_margin: how near to a midpoint, relative to the value, an input must be to be listed among the hardest.
  Narrow(const Options& options, Report& report, double hard_margin)
      : report_(report), kernels_(options, report), margin_(hard_margin) {}

  // Runs the kernels on the batch, checks loss and gradient (and the hessian), and empties it.
  void run(Batch<Format>& b, bool with_hessian) {
    if (b.size == 0) return;
    compute(b, with_hessian);
    check(b, with_hessian);
    b.size = 0;
  }

  void compute(Batch<Format>& b, bool with_hessian) {
    xent::Task task{};
    task.logits_type = task.labels_type = Format::type;
    task.logits = array(b.x);
    task.labels = array(b.z);
    task.loss = array(b.loss);
    task.gradient = array(b.gradient);
    task.divisor = b.n;
    kernels_(task, b.size, block_);
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
    std::uint64_t look;  // MPFR must decide, or the result is wrong
    std::uint64_t open;  // the quick estimate left it open
    double ratio;        // |estimate - truth| / bound of the estimate
  };

  // For one of the two estimates, that of the quick tail or that of the full one.
  template <bool quick>
  Verdict verdict(double x, Truth t, double got, premise::Estimate e) const {
    constexpr double error = quick ? premise::quick_error : premise::narrow_error;
    const double doubt = t.error + std::fabs(t.value.hi) * margin_;
    const double low = rounded<Format>(t.value.hi, t.value.lo - doubt);
    const double high = rounded<Format>(t.value.hi, t.value.lo + doubt);
    const double off = std::fabs((e.value - t.value.hi) - t.value.lo);
    const double nothing = std::fabs(x) >= negligible ? 0x1p-180 : 0, ratio = off / (e.size * error);
    return {(bits(low) ^ bits(high)) | (bits(low) ^ bits(got)),
            premise::decide<KernelFormat<Format>, quick>(e, error).open ? std::uint64_t{1} : std::uint64_t{0},
            off <= nothing ? 0
            : ratio >= 0   ? ratio
                           : INFINITY};
  }

  static premise::Tail quick_tail(double size) {
    const double u = premise::quick_power(size);
    return {{premise::quick_softplus(premise::quick_s(u)), 0}, {premise::quick_sigmoid(u), 0}};
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
      const double x = b.x_value[i], z = b.z_value[i];
      const premise::Element e{x, z, 1, b.n};
      const Two a = slope(x, z);
      const Truth loss_truth = loss(x, a, b.tails[i].softplus),
                  gradient_truth = gradient(x, a, b.tails[i].sigmoid, b.n);
      const auto both = [&](int f, Truth truth, const auto& estimate) {
        const Verdict full = verdict<false>(x, truth, got[f][i], estimate(premise::tail<false>(x), std::false_type{}));
        const Verdict quick =
            std::fabs(x) <= premise::near_limit
                ? verdict<true>(x, truth, got[f][i], estimate(quick_tail(std::fabs(x)), std::true_type{}))
                : full;
        verdicts[f][i] = {full.look, quick.open, std::max(full.ratio, quick.ratio)};
      };
      both(0, loss_truth, [&](const premise::Tail& t, auto near) { return premise::loss<Kernel, false, near>(e, t); });
      both(1, gradient_truth, [&](const premise::Tail& t, auto) { return premise::gradient<Kernel>(e, t); });
      if (with_hessian)
        both(2, hessian(b.tails[i].sigmoid), [](const premise::Tail& t, auto) { return premise::hessian<Kernel>(t); });
    }
    for (int f = 0; f < (with_hessian ? 3 : 2); ++f) settle(static_cast<Function>(f), b, got[f], verdicts[f]);
  }

  void settle(Function f, const Batch<Format>& b, const double* got, const Verdict* verdicts) {
    static const char* const names[] = {"loss", "gradient", "hessian"};
    const std::string name = names[static_cast<int>(f)];
    std::uint64_t look = 0, open = 0;
    double ratio = 0;
    for (int i = 0; i < b.size; ++i) {
      look |= verdicts[i].look;
      open += verdicts[i].open;
      ratio = std::max(ratio, verdicts[i].ratio);
    }
    report_.count(name, b.size);
    report_.count(name + "-open", open);
    const bool record = report_.is_largest(name + "-of-bound", ratio);
    for (int i = 0; (look || record) && i < b.size; ++i) {
      const auto where = [&] { return text("x=%a z=%a n=%g", b.x_value[i], b.z_value[i], b.n); };
      if (record && verdicts[i].ratio == ratio) report_.largest(name + "-of-bound", ratio, where());
      if (!verdicts[i].look) continue;
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
