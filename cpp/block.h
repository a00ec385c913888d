// Doubles -> results: a block of logits and labels is computed and rounded in loops that a compiler can vectorise.
//
// Each loop is a function, so that its coefficients stay in registers. They are several, because a processor looks ahead
// a few hundred instructions only: one chain from logit to loss would leave it no second element to work on.
#pragma once

#include "math/quick_tail.h"
#include "math/sigmoid_cross_entropy.h"
#include "math/sigmoid_cross_entropy_exact.h"

namespace XENT_NAMESPACE {

constexpr int block = 512;  // the doubles of a float32 loss and gradient take 24 KiB of a first-level cache

enum Wanted : unsigned { loss_wanted = 1, gradient_wanted = 2, hessian_wanted = 4, total_wanted = 8, weighted = 16 };
constexpr unsigned losses_wanted = loss_wanted | total_wanted, derivatives_wanted = gradient_wanted | hessian_wanted;

// Pairs, whose low parts the narrow formats do not need.
template <bool low, int size = block>
struct Pairs {
  double hi[size], lo[size];

  XENT_INLINE void put(Pairs& to, int i, Pair a) {
    to.hi[i] = a.hi;
    if constexpr (low) to.lo[i] = a.lo;
  }
  XENT_INLINE Pair get(const Pairs& from, int i) { return {from.hi[i], low ? from.lo[i] : 0}; }
};

template <class Format>
struct Block {
  using Result = typename Format::Result;
  using Open = typename Unsigned<Result>::type;
  using P = Pairs<!Format::narrow>;
  double x[block], z[block], w[block];
  P u, s;  // u, and then the sigmoid in its place; s, and then the losses to be summed
  Result loss[block], gradient[block], hessian[block];
  Open open[block];
};

// How the elements of a block are computed: by the quick tail or by the full one; there, logits that are `near` need no
// care for infinities and subnormal numbers, and give the same bits without it.
enum class Way { quick, near, any };

template <class Format, Way way>
constexpr bool subnormal = !Format::narrow && way == Way::any;

// The top bit of what it returns is set if a logit is not near.
template <class Format, Way way>
XENT_NOINLINE uint64_t powers(Block<Format>& b, int n) {
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

template <class Format, unsigned wanted, Way way>
XENT_NOINLINE void tails(Block<Format>& b, int n) {
  using P = typename Block<Format>::P;
  for (int i = 0; i < n; ++i) {
    const Quotients q = quotients<subnormal<Format, way>>(b.x[i], P::get(b.u, i));
    if constexpr (wanted & losses_wanted) P::put(b.s, i, q.s);
    if constexpr (wanted & derivatives_wanted) P::put(b.u, i, q.sigmoid);
  }
}

// What the quick way meets: in the top bit whether a logit is beyond the limit; not 0 if a label is not 0 or 1.
struct Seen {
  uint64_t far, soft;
};

// Both by the quick way.
template <class Format, unsigned wanted>
XENT_NOINLINE Seen quick_tails(Block<Format>& b, double limit, int n) {
  Seen seen{0, 0};
  for (int i = 0; i < n; ++i) {
    const double size = absolute(b.x[i]), u = quick_power(size);
    seen.far |= bit_cast<uint64_t>(limit) - bit_cast<uint64_t>(size);
    if constexpr (wanted & losses_wanted) b.s.hi[i] = quick_s(u);
    if constexpr (wanted & derivatives_wanted) b.u.hi[i] = quick_sigmoid(u);
    if constexpr (wanted & gradient_wanted) seen.soft |= bit_cast<uint64_t>(fma(b.z[i], b.z[i], -b.z[i]));
  }
  return seen;
}

// The wanted values of n elements by the quick way, where the terms of none of them cancel: those of a loss have one sign
// while its label is in [0, 1], the size of a gradient's is at most three times its own for a label of 0 or 1. True if one
// is open.
template <class Format, unsigned wanted>
XENT_NOINLINE bool plain_results(Block<Format>& b, double divisor, int n) {
  uint64_t open = 0;
  for (int i = 0; i < n; ++i) {
    const Element e{b.x[i], b.z[i], 1, divisor};
    if constexpr (wanted & losses_wanted) {
      const double xa = line(e);
      const Nearest loss = Format::template nearest<1>(xa + quick_softplus(b.s.hi[i]));
      open |= loss.open | bit_cast<uint64_t>(xa);
      if constexpr (wanted & loss_wanted) b.loss[i] = loss.result;
      if constexpr (wanted & total_wanted) b.s.hi[i] = loss.value;
    }
    const Tail t{{0, 0}, {b.u.hi[i], 0}};
    if constexpr (wanted & gradient_wanted) {
      const Nearest value = Format::template nearest<3>(gradient<Format>(e, t).value);
      open |= value.open;
      b.gradient[i] = value.result;
    }
    if constexpr (wanted & hessian_wanted) {
      const Nearest value = Format::template nearest<1>(hessian<Format>(t).value);
      open |= value.open;
      b.hessian[i] = value.result;
    }
  }
  return open >> 63;
}

// The wanted values of n elements; true if one of them is open.
template <class Format, unsigned wanted, Way way>
XENT_NOINLINE bool results(Block<Format>& b, double divisor, int n) {
  using P = typename Block<Format>::P;
  constexpr bool w = (wanted & weighted) != 0, near = way != Way::any;
  constexpr double error = way == Way::quick ? quick_error : Format::narrow ? narrow_error : wide_error;
  typename Block<Format>::Open any = 0;
  for (int i = 0; i < n; ++i) {
    const Element e{b.x[i], b.z[i], w ? b.w[i] : 1, divisor};
    const Pair s = P::get(b.s, i);
    const Tail t{way == Way::quick ? Pair{quick_softplus(s.hi), 0} : softplus<subnormal<Format, way>>(e.x, s),
                 P::get(b.u, i)};
    typename Block<Format>::Open open = 0;
    const auto keep = [&](Estimate estimate, typename Format::Result* to) {
      const auto d = decide<Format, way == Way::quick>(estimate, error);
      to[i] = d.value;
      open |= d.open;
    };
    if constexpr (wanted & losses_wanted) keep(loss<Format, w, near>(e, t), b.loss);
    if constexpr (wanted & gradient_wanted) keep(gradient<Format>(e, t), b.gradient);
    if constexpr (wanted & hessian_wanted) keep(hessian<Format>(t), b.hessian);
    if constexpr (way != Way::quick) b.open[i] = open;
    any |= open;
  }
  return any != 0;
}

// Decides the open ones.
template <class Format, unsigned wanted>
XENT_NOINLINE void settle(Block<Format>& b, double divisor, int n) {
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
XENT_INLINE int padded(Block<Format>& b, int n) {
  constexpr int most_lanes = 16;
  const int full = (n + most_lanes - 1) / most_lanes * most_lanes;
  for (int i = n; i < full; ++i) b.x[i] = b.z[i] = b.w[i] = 0;
  return full;
}

template <class Format>
XENT_NOINLINE void losses_to_sum(Block<Format>& b, int n) {
  for (int i = 0; i < n; ++i) b.s.hi[i] = b.loss[i];
}

// By the full tail; false, and nothing done, if the logits are not near as they should be.
template <class Format, unsigned wanted, Way way>
XENT_INLINE bool compute_fully(Block<Format>& b, double divisor, int n, int full) {
  const bool far = powers<Format, way>(b, full) >> 63;
  if (way == Way::near && far) return false;
  tails<Format, wanted, way>(b, full);
  if (results<Format, wanted, way>(b, divisor, full)) settle<Format, wanted>(b, divisor, n);
  if constexpr (wanted & total_wanted) losses_to_sum(b, n);
  return true;
}

// The logits up to which quick values are normal numbers of the format, also divided.
template <class Format>
XENT_INLINE double quick_limit(double divisor) {
  const int exponent = static_cast<int>(bit_cast<uint64_t>(divisor) >> 52 & 0x7ff) - 1022;  // divisor < 2^exponent
  return Format::quick_limit - (exponent > 0 ? 0.7 * exponent : 0);                         // ln 2 < 0.7
}

// By the quick way; false if it leaves an element open.
template <class Format, unsigned wanted>
XENT_INLINE bool compute_quickly(Block<Format>& b, double divisor, int n, int full) {
  const double limit = quick_limit<Format>(divisor);
  if (!(limit > 0)) return false;
  const Seen seen = quick_tails<Format, wanted>(b, limit, full);
  if (seen.far >> 63) return false;
  if constexpr (!(wanted & weighted))
    if (!seen.soft) return !plain_results<Format, wanted>(b, divisor, full);
  if (results<Format, wanted, Way::quick>(b, divisor, full)) return false;
  if constexpr (wanted & total_wanted) losses_to_sum(b, n);
  return true;
}

// Of a narrow block with an open element all are computed again: which one it is was not kept.
template <class Format, unsigned wanted>
XENT_INLINE void compute(Block<Format>& b, double divisor, int n) {
  const int full = padded(b, n);
  if constexpr (Format::narrow) {
    if (compute_quickly<Format, wanted>(b, divisor, n, full)) return;
  } else if (compute_fully<Format, wanted, Way::near>(b, divisor, n, full)) {
    return;
  }
  compute_fully<Format, wanted, Way::any>(b, divisor, n, full);
}

}  // namespace XENT_NAMESPACE
