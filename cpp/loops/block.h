// Doubles -> results: a block of logits and labels is computed and rounded in loops that a compiler can vectorise.
//
// Each loop is a function of its own, so that its coefficients stay in registers. There are several of them because a
// processor looks ahead only a few hundred instructions: in one chain from logit to loss it would never reach a second
// element.
#pragma once

#include "math/fast_softplus_sigmoid.h"
#include "math/sigmoid_cross_entropy.h"
#include "math/sigmoid_cross_entropy_double_double.h"

namespace LOGITLOSS_NAMESPACE {

constexpr int block = 512;  // the doubles of a float32 loss and gradient take 24 KiB of a first-level cache

enum Wanted : unsigned { loss_wanted = 1, gradient_wanted = 2, hessian_wanted = 4, total_wanted = 8, weighted = 16 };
constexpr unsigned losses_wanted = loss_wanted | total_wanted, derivatives_wanted = gradient_wanted | hessian_wanted;

// Double-double values of a block; only float64 needs the low parts.
template <bool low, int size = block>
struct DoubleDoubleArray {
  double hi[size], lo[size];

  LOGITLOSS_INLINE void put(DoubleDoubleArray& to, int i, DoubleDouble a) {
    to.hi[i] = a.hi;
    if constexpr (low) to.lo[i] = a.lo;
  }
  LOGITLOSS_INLINE DoubleDouble get(const DoubleDoubleArray& from, int i) { return {from.hi[i], low ? from.lo[i] : 0}; }
};

template <class Format>
struct alignas(64) Block {
  using Result = typename Format::Result;
  using Mask = typename Unsigned<Result>::type;
  using P = DoubleDoubleArray<!Format::correctly_rounded>;
  double x[block], z[block], w[block];
  P u, s;  // u, replaced by the sigmoid; s, replaced by the losses to be summed
  Result loss[block], gradient[block], hessian[block];
  Mask undecided[block];
};

// How the elements of a block are computed: on the fast path, or on the accurate path, where elements that are `binary`
// or `in_range` (see sigmoid_cross_entropy.h) skip the treatment of special cases and give the same bits.
enum class Path { fast, binary, in_range, any };

template <class Format, Path way>
constexpr bool subnormal = !Format::correctly_rounded && way == Path::any;

// Computes u = exp(-|x|). The top bit of the result is set if a logit is out of range.
template <class Format, Path way>
LOGITLOSS_NOINLINE uint64_t exponentiate_block(Block<Format>& b, int n) {
  uint64_t far = 0;
  for (int i = 0; i < n; ++i) {
    const double size = abs(b.x[i]);
    far |= bit_cast<uint64_t>(in_range_limit) - bit_cast<uint64_t>(size);
    if constexpr (way == Path::in_range)
      Block<Format>::P::put(b.u, i, exp(-size, 0));
    else
      Block<Format>::P::put(b.u, i, exp_neg_abs<subnormal<Format, way>>(size));
  }
  return far;
}

// Divides: u becomes the sigmoid, and s = u / (2 + u). Returns the path that the labels allow.
template <class Format, unsigned wanted, Path way>
LOGITLOSS_NOINLINE Path divide_block(Block<Format>& b, int n) {
  using P = typename Block<Format>::P;
  uint64_t far = 0, soft = 0;
  for (int i = 0; i < n; ++i) {
    const Quotients q = quotients<subnormal<Format, way>>(b.x[i], P::get(b.u, i));
    if constexpr (wanted & losses_wanted) P::put(b.s, i, q.s);
    if constexpr (wanted & derivatives_wanted) P::put(b.u, i, q.sigmoid);
    if constexpr (way == Path::in_range) {
      const auto label = bit_cast<uint64_t>(b.z[i]);
      far |= label | (bit_cast<uint64_t>(1.0) - label);
      soft |= bit_cast<uint64_t>(fma(b.z[i], b.z[i], -b.z[i]));
    }
  }
  return way == Path::any || far >> 63 ? Path::any : soft ? Path::in_range : Path::binary;
}

// If losses and derivatives are wanted, each loop of the fast path divides once: a division overlaps with other
// operations, but not with a second division.
template <unsigned wanted>
constexpr bool sigmoid_in_result_loop = (wanted & losses_wanted) && (wanted & derivatives_wanted);

// Computes and rounds the wanted values of n elements; true if one of them is undecided.
template <class Format, unsigned wanted, Path way>
LOGITLOSS_NOINLINE bool result_loop(Block<Format>& b, double divisor, int n) {
  using P = typename Block<Format>::P;
  constexpr bool w = (wanted & weighted) != 0, in_range = way != Path::any, binary = way == Path::binary;
  constexpr bool may_be_open =
      Format::correctly_rounded || !in_range || (wanted & weighted) || (!binary && (wanted & gradient_wanted));
  constexpr double error = way == Path::fast           ? fast_path_error
                           : Format::correctly_rounded ? accurate_path_error
                                                       : float64_error;
  typename Block<Format>::Mask any = 0;
  for (int i = 0; i < n; ++i) {
    const Element e{b.x[i], b.z[i], w ? b.w[i] : 1, divisor};
    const DoubleDouble u = P::get(b.u, i), s = P::get(b.s, i);
    SoftplusSigmoid t;
    if constexpr (way == Path::fast)
      t = {{fast_softplus(s.hi), 0}, {sigmoid_in_result_loop<wanted> ? fast_sigmoid(u.hi) : u.hi, 0}};
    else
      t = {softplus<subnormal<Format, way>>(e.x, s), u};
    typename Block<Format>::Mask undecided = 0;
    const auto keep = [&](auto estimate, typename Format::Result* to) {
      const auto d = rounding_test<Format, way == Path::fast>(estimate, error);
      to[i] = d.value;
      undecided |= d.undecided;
    };
    if constexpr (wanted & losses_wanted) keep(loss<Format, w, in_range, binary>(e, t), b.loss);
    if constexpr (wanted & gradient_wanted) keep(gradient<Format, in_range, binary>(e, t), b.gradient);
    if constexpr (wanted & hessian_wanted) keep(hessian<Format>(t), b.hessian);
    if constexpr (may_be_open && way != Path::fast) b.undecided[i] = undecided;
    any |= undecided;
  }
  return any != 0;
}

// Recomputes the undecided elements: on the accurate path, and in double-double arithmetic where that leaves one
// undecided.
template <class Format, unsigned wanted>
LOGITLOSS_NOINLINE void recompute_undecided(Block<Format>& b, double divisor, int n) {
  using Result = typename Format::Result;
  for (int i = 0; i < n; ++i) {
    if (!b.undecided[i]) continue;
    const Element e{b.x[i], b.z[i], wanted & weighted ? b.w[i] : 1, divisor};
    const SoftplusSigmoid t = softplus_sigmoid<!Format::correctly_rounded>(e.x);
    constexpr bool w = (wanted & weighted) != 0;
    const auto put = [&](Result& to, Rounding<Result> d, auto exact) {
      to = d.undecided ? static_cast<Result>(exact()) : d.value;
    };
    if constexpr (wanted & losses_wanted)
      put(b.loss[i], rounding_test<Format>(loss<Format, w, false>(e, t)), [&] { return fallback_loss<Format, w>(e); });
    if constexpr (wanted & gradient_wanted)
      put(b.gradient[i], rounding_test<Format>(gradient<Format>(e, t)), [&] { return fallback_gradient<Format>(e); });
    if constexpr (wanted & hessian_wanted)
      put(b.hessian[i], rounding_test<Format>(hessian<Format>(t)), [&] { return fallback_hessian<Format>(e); });
  }
}

// Pads the last vector with zeros, so that a partial block needs no scalar loop; results in the padding are not
// read.
template <class Format>
LOGITLOSS_INLINE int pad_block(Block<Format>& b, int n) {
  const int full = (n + interleaved - 1) / interleaved * interleaved;
  for (int i = n; i < full; ++i) b.x[i] = b.z[i] = b.w[i] = 0;
  return full;
}

template <class Format>
LOGITLOSS_NOINLINE void copy_losses_for_sum(Block<Format>& b, int n) {
  for (int i = 0; i < n; ++i) b.s.hi[i] = b.loss[i];
}

// Computes on the accurate path; false, with no result written, if an element is not in range although it should be.
template <class Format, unsigned wanted, Path way>
LOGITLOSS_INLINE bool compute_accurately(Block<Format>& b, double divisor, int n, int full) {
  if (way == Path::in_range && !(divisor >= 1 && divisor <= 0x1p64)) return false;
  const bool far = exponentiate_block<Format, way>(b, full) >> 63;
  if (way == Path::in_range && far) return false;
  const Path allowed = divide_block<Format, wanted, way>(b, full);
  if (way == Path::in_range && allowed == Path::any) return false;
  if constexpr (way == Path::in_range && !(wanted & weighted)) {
    if (allowed == Path::binary) {
      result_loop<Format, wanted, Path::binary>(b, divisor, full);
      return true;
    }
  }
  if (result_loop<Format, wanted, way>(b, divisor, full)) recompute_undecided<Format, wanted>(b, divisor, n);
  if constexpr (Format::correctly_rounded && (wanted & total_wanted)) copy_losses_for_sum(b, n);
  return true;
}

}  // namespace LOGITLOSS_NAMESPACE
