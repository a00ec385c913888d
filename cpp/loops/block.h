// Doubles -> results: a block of logits and labels is computed and rounded in loops that a compiler can vectorise.
//
// Each loop is a function, so that its coefficients stay in registers. They are several, because a processor looks
// ahead a few hundred instructions only: one chain from logit to loss would leave it no second element to work on.
#pragma once

#include "math/quick_tail.h"
#include "math/sigmoid_cross_entropy.h"
#include "math/sigmoid_cross_entropy_exact.h"

namespace LOGITLOSS_NAMESPACE {

constexpr int block = 512;  // the doubles of a float32 loss and gradient take 24 KiB of a first-level cache

enum Wanted : unsigned { loss_wanted = 1, gradient_wanted = 2, hessian_wanted = 4, total_wanted = 8, weighted = 16 };
constexpr unsigned losses_wanted = loss_wanted | total_wanted, derivatives_wanted = gradient_wanted | hessian_wanted;

// Pairs, whose low parts the narrow formats do not need.
template <bool low, int size = block>
struct Pairs {
  double hi[size], lo[size];

  LOGITLOSS_INLINE void put(Pairs& to, int i, Pair a) {
    to.hi[i] = a.hi;
    if constexpr (low) to.lo[i] = a.lo;
  }
  LOGITLOSS_INLINE Pair get(const Pairs& from, int i) { return {from.hi[i], low ? from.lo[i] : 0}; }
};

template <class Format>
struct alignas(64) Block {
  using Result = typename Format::Result;
  using Open = typename Unsigned<Result>::type;
  using P = Pairs<!Format::narrow>;
  double x[block], z[block], w[block];
  P u, s;  // u, and then the sigmoid in its place; s, and then narrow losses to be summed
  Result loss[block], gradient[block], hessian[block];
  Open open[block];
};

// How the elements of a block are computed: by the quick tail or by the full one; there, elements that are `hard` or
// `near` (see sigmoid_cross_entropy.h) need less care, and give the same bits without it.
enum class Way { quick, hard, near, any };

template <class Format, Way way>
constexpr bool subnormal = !Format::narrow && way == Way::any;

// The top bit of what it returns is set if a logit is not near.
template <class Format, Way way>
LOGITLOSS_NOINLINE uint64_t powers(Block<Format>& b, int n) {
  uint64_t far = 0;
  for (int i = 0; i < n; ++i) {
    const double size = absolute(b.x[i]);
    far |= bit_cast<uint64_t>(near_limit) - bit_cast<uint64_t>(size);
    if constexpr (way == Way::near)
      Block<Format>::P::put(b.u, i, exp(-size, 0));
    else
      Block<Format>::P::put(b.u, i, power<subnormal<Format, way>>(size));
  }
  return far;
}

// Returns the way that the labels allow.
template <class Format, unsigned wanted, Way way>
LOGITLOSS_NOINLINE Way tails(Block<Format>& b, int n) {
  using P = typename Block<Format>::P;
  uint64_t far = 0, soft = 0;
  for (int i = 0; i < n; ++i) {
    const Quotients q = quotients<subnormal<Format, way>>(b.x[i], P::get(b.u, i));
    if constexpr (wanted & losses_wanted) P::put(b.s, i, q.s);
    if constexpr (wanted & derivatives_wanted) P::put(b.u, i, q.sigmoid);
    if constexpr (way == Way::near) {
      const auto label = bit_cast<uint64_t>(b.z[i]);
      far |= label | (bit_cast<uint64_t>(1.0) - label);
      soft |= bit_cast<uint64_t>(fma(b.z[i], b.z[i], -b.z[i]));
    }
  }
  return way == Way::any || far >> 63 ? Way::any : soft ? Way::near : Way::hard;
}

// Where loss and derivative are wanted, the quick way divides once in each of its loops: a division is done beside
// other operations, but not beside a second one.
template <unsigned wanted>
constexpr bool sigmoid_waits = (wanted & losses_wanted) && (wanted & derivatives_wanted);

// The wanted values of n elements; true if one of them is open.
template <class Format, unsigned wanted, Way way>
LOGITLOSS_NOINLINE bool results(Block<Format>& b, double divisor, int n) {
  using P = typename Block<Format>::P;
  constexpr bool w = (wanted & weighted) != 0, near = way != Way::any, hard = way == Way::hard;
  constexpr bool may_be_open = Format::narrow || !near || (wanted & weighted) || (!hard && (wanted & gradient_wanted));
  constexpr double error = way == Way::quick ? quick_error : Format::narrow ? narrow_error : wide_error;
  typename Block<Format>::Open any = 0;
  for (int i = 0; i < n; ++i) {
    const Element e{b.x[i], b.z[i], w ? b.w[i] : 1, divisor};
    const Pair u = P::get(b.u, i), s = P::get(b.s, i);
    Tail t;
    if constexpr (way == Way::quick)
      t = {{quick_softplus(s.hi), 0}, {sigmoid_waits<wanted> ? quick_sigmoid(u.hi) : u.hi, 0}};
    else
      t = {softplus<subnormal<Format, way>>(e.x, s), u};
    typename Block<Format>::Open open = 0;
    const auto keep = [&](auto estimate, typename Format::Result* to) {
      const auto d = decide<Format, way == Way::quick>(estimate, error);
      to[i] = d.value;
      open |= d.open;
    };
    if constexpr (wanted & losses_wanted) keep(loss<Format, w, near, hard>(e, t), b.loss);
    if constexpr (wanted & gradient_wanted) keep(gradient<Format, near, hard>(e, t), b.gradient);
    if constexpr (wanted & hessian_wanted) keep(hessian<Format>(t), b.hessian);
    if constexpr (may_be_open && way != Way::quick) b.open[i] = open;
    any |= open;
  }
  return any != 0;
}

// Decides the open ones.
template <class Format, unsigned wanted>
LOGITLOSS_NOINLINE void settle(Block<Format>& b, double divisor, int n) {
  using Result = typename Format::Result;
  for (int i = 0; i < n; ++i) {
    if (!b.open[i]) continue;
    const Element e{b.x[i], b.z[i], wanted & weighted ? b.w[i] : 1, divisor};
    const Tail t = tail<!Format::narrow>(e.x);
    constexpr bool w = (wanted & weighted) != 0;
    const auto put = [&](Result& to, Decision<Result> d, auto exact) {
      to = d.open ? static_cast<Result>(exact()) : d.value;
    };
    if constexpr (wanted & losses_wanted)
      put(b.loss[i], decide<Format>(loss<Format, w, false>(e, t)), [&] { return exact_loss<Format, w>(e); });
    if constexpr (wanted & gradient_wanted)
      put(b.gradient[i], decide<Format>(gradient<Format>(e, t)), [&] { return exact_gradient<Format>(e); });
    if constexpr (wanted & hessian_wanted)
      put(b.hessian[i], decide<Format>(hessian<Format>(t)), [&] { return exact_hessian<Format>(e); });
  }
}

// Fills the last vector with zeros, so that a short block takes no scalar loop; what is computed there is not read.
template <class Format>
LOGITLOSS_INLINE int padded(Block<Format>& b, int n) {
  const int full = (n + side_by_side - 1) / side_by_side * side_by_side;
  for (int i = n; i < full; ++i) b.x[i] = b.z[i] = b.w[i] = 0;
  return full;
}

template <class Format>
LOGITLOSS_NOINLINE void losses_to_sum(Block<Format>& b, int n) {
  for (int i = 0; i < n; ++i) b.s.hi[i] = b.loss[i];
}

// By the full tail; false, and nothing done, if the elements are not near as they should be.
template <class Format, unsigned wanted, Way way>
LOGITLOSS_INLINE bool compute_fully(Block<Format>& b, double divisor, int n, int full) {
  if (way == Way::near && !(divisor >= 1 && divisor <= 0x1p64)) return false;
  const bool far = powers<Format, way>(b, full) >> 63;
  if (way == Way::near && far) return false;
  const Way allowed = tails<Format, wanted, way>(b, full);
  if (way == Way::near && allowed == Way::any) return false;
  if constexpr (way == Way::near && !(wanted & weighted)) {
    if (allowed == Way::hard) {
      results<Format, wanted, Way::hard>(b, divisor, full);
      return true;
    }
  }
  if (results<Format, wanted, way>(b, divisor, full)) settle<Format, wanted>(b, divisor, n);
  if constexpr (Format::narrow && (wanted & total_wanted)) losses_to_sum(b, n);
  return true;
}

}  // namespace LOGITLOSS_NAMESPACE
