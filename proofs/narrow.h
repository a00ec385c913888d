// Correct rounding of a batch of results in a narrow format, and the kernels' own bounds.
//
// Every result is held against the oracle; what lies within the oracle's bound (plus `margin` of the value) of a
// midpoint, and whatever differs, is decided by MPFR.
#pragma once

#define LOGITLOSS_NAMESPACE premise
#include "math/quick_tail.h"
#include "math/sigmoid_cross_entropy.h"
#undef LOGITLOSS_NAMESPACE

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
logitloss::Array array(T* data) {
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
    std::uint64_t look;  // MPFR must decide, or the result is wrong
    std::uint64_t open;  // the quick estimate left it open
    double ratio;        // |estimate - truth| / bound of the estimate
  };

  Verdict verdict(double x, Truth t, double got, double value, double bound, bool open) const {
    const double doubt = t.error + std::fabs(t.value.hi) * margin_;
    const double low = rounded<Format>(t.value.hi, t.value.lo - doubt);
    const double high = rounded<Format>(t.value.hi, t.value.lo + doubt);
    const double off = std::fabs((value - t.value.hi) - t.value.lo);
    const double nothing = std::fabs(x) >= negligible ? 0x1p-180 : 0, ratio = off / bound;
    return {(bits(low) ^ bits(high)) | (bits(low) ^ bits(got)), open ? std::uint64_t{1} : std::uint64_t{0},
            off <= nothing ? 0
            : ratio >= 0   ? ratio
                           : INFINITY};
  }

  // The estimate of the full tail.
  Verdict full(double x, Truth t, double got, premise::Estimate e) const {
    const bool open = premise::decide<KernelFormat<Format>>(e).open;
    return verdict(x, t, got, e.value, e.size * premise::narrow_error, open);
  }

  // That of the quick tail, decided as the kernel does: by the value alone where its terms do not cancel (`plain`).
  Verdict quick(double x, Truth t, double got, premise::Estimate e, bool plain, double divisor) const {
    const bool open = plain ? plainly_open(premise::quick_numbers<KernelFormat<Format>>(std::fabs(x), divisor), e.value)
                            : premise::decide<KernelFormat<Format>, true>(e, premise::quick_error).open != 0;
    const double size = plain ? std::fabs(e.value) : e.size;
    return verdict(x, t, got, e.value, size * premise::quick_error, open);
  }

  static bool plainly_open(premise::Numbers numbers, double value) {
    using premise::Numbers;
    using Kernel = KernelFormat<Format>;
    const std::uint64_t room = numbers == Numbers::normal ? Kernel::template nearest<Numbers::normal>(value).room
                               : numbers == Numbers::subnormal
                                   ? Kernel::template nearest<Numbers::subnormal>(value).room
                                   : Kernel::template nearest<Numbers::any>(value).room;
    return static_cast<std::uint32_t>(room) < Kernel::open_room;
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
      const double x = b.x_value[i], z = b.z_value[i], xa = premise::narrow_line(x, z);
      const premise::Element e{x, z, 1, b.n};
      const Two a = slope(x, z);
      const Truth loss_truth = loss(x, a, b.tails[i].softplus),
                  gradient_truth = gradient(x, a, b.tails[i].sigmoid, b.n);
      const auto both = [&](int f, Truth truth, bool plain, double n, const auto& estimate) {
        const Verdict slow = full(x, truth, got[f][i], estimate(premise::tail<false>(x), std::false_type{}));
        const Verdict fast =
            std::fabs(x) <= Kernel::quick_limit
                ? quick(x, truth, got[f][i], estimate(quick_tail(std::fabs(x)), std::true_type{}), plain, n)
                : slow;
        verdicts[f][i] = {slow.look, fast.open, std::max(slow.ratio, fast.ratio)};
      };
      both(0, loss_truth, xa >= 0 && xa < Kernel::most, 1,
           [&](const premise::Tail& t, auto near) { return premise::loss<Kernel, false, near>(e, t); });
      both(1, gradient_truth, z == 0 || z == 1, b.n,
           [&](const premise::Tail& t, auto) { return premise::gradient<Kernel>(e, t); });
      if (with_hessian)
        both(2, hessian(b.tails[i].sigmoid), true, 1,
             [](const premise::Tail& t, auto) { return premise::hessian<Kernel>(t); });
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
