// The quick way through a block of a narrow format: in plain vectors and with few digits, while that decides every
// rounding.
#pragma once

#include "block.h"

namespace LOGITLOSS_NAMESPACE {

// What the quick way meets: a bound of all |x|, nearly as small as the largest; not 0 if a label is not 0 or 1.
struct Seen {
  double largest;
  uint64_t soft;
};

template <class Format, unsigned wanted>
LOGITLOSS_NOINLINE Seen quick_tails(Block<Format>& b, int n) {
  VectorBits largest{}, soft{};
  for (int i = 0; i < n; i += side_by_side) {
    const Doubles size = each([](Vector x) { return absolute(x); }, load(b.x + i)), u = quick_power(size);
    for (Vector v : size.v) largest = larger_high(largest, bit_cast<VectorBits>(v));
    if constexpr (wanted & losses_wanted) store(quick_s(u), b.s.hi + i);
    if constexpr (wanted & derivatives_wanted) store(sigmoid_waits<wanted> ? u : quick_sigmoid(u), b.u.hi + i);
    if constexpr (wanted & gradient_wanted)
      for (Vector z : load(b.z + i).v) soft |= bit_cast<VectorBits>(fma(z, z, -z));
  }
  return {bit_cast<double>(uint64_t{largest_high(largest)} << 32 | 0xffffffffu), any(soft)};
}

// Values rounded to the format.
struct Rounded {
  Doubles value, same;
};

template <class Format, Numbers numbers>
LOGITLOSS_INLINE Rounded nearest(const Doubles& y, VectorBits& room) {
  Rounded to;
  LOGITLOSS_EACH_CHAIN {
    const auto one = Format::template nearest<numbers>(y.v[j]);
    to.value.v[j] = one.value;
    to.same.v[j] = one.same;
    room = smaller_low(room, one.room);
  }
  return to;
}

// The wanted values of n elements by the quick way, where their relative error is that of a quick value: the terms of a
// loss have one sign while its label is in [0, 1]; for a label of 0 or 1 one term of a gradient is exact, and the other
// no larger than the gradient. True if one is open, or a label far outside: then a loss may be negative, infinite or
// nan.
//
// soft: for any label, in float32. Its gradient is rounded with all of its error added and subtracted.
template <class Format, unsigned wanted, Numbers undivided, Numbers divided, bool soft = false>
LOGITLOSS_NOINLINE bool plain_results(Block<Format>& b, double divisor, int n) {
  const double inverse = 1 / divisor;
  VectorBits room = ~VectorBits{}, most{};
  VectorFloatBits differ{};
  for (int i = 0; i < n; i += side_by_side) {
    Doubles sigmoid;
    if constexpr (wanted & derivatives_wanted) sigmoid = load(b.u.hi + i);
    if constexpr (sigmoid_waits<wanted>) sigmoid = quick_sigmoid(sigmoid);
    if constexpr (wanted & losses_wanted) {
      const Doubles softplus = quick_softplus(load(b.s.hi + i));
      const Doubles xa = each([](Vector x, Vector z) { return narrow_line(x, z); }, load(b.x + i), load(b.z + i));
      const Rounded loss = nearest<Format, undivided>(xa + softplus, room);
      for (Vector v : xa.v) most = larger_high(most, bit_cast<VectorBits>(v));  // a sign or a nan is more, too
      if constexpr (wanted & loss_wanted) store(loss.same, b.loss + i);
      if constexpr (wanted & total_wanted) store(loss.value, b.s.hi + i);
    }
    if constexpr (wanted & gradient_wanted) {
      const auto gradient = [=](Vector x, Vector z, Vector sigmoid) {
        return narrow_gradient(x, narrow_side(x, z), sigmoid) * inverse;
      };
      const Doubles x = load(b.x + i), z = load(b.z + i), y = each(gradient, x, z, sigmoid);
      if constexpr (soft) {
        const auto size = [](Vector x, Vector z, Vector sigmoid) { return absolute(narrow_side(x, z)) + sigmoid; };
        const Doubles error = each(size, x, z, sigmoid) * (quick_error * inverse), low = y - error, high = y + error;
        LOGITLOSS_EACH_CHAIN {
          differ |= bit_cast<VectorFloatBits>(to_floats(low.v[j])) ^ bit_cast<VectorFloatBits>(to_floats(high.v[j]));
        }
        store(low, b.gradient + i);
      } else {
        store(nearest<Format, divided>(y, room).same, b.gradient + i);
      }
    }
    if constexpr (wanted & hessian_wanted) {
      const auto hessian = [](Vector sigmoid) { return narrow_hessian(sigmoid); };
      store(nearest<Format, undivided>(each(hessian, sigmoid), room).same, b.hessian + i);
    }
  }
  return any<uint32_t>(differ) || largest_high(most) >= bit_cast<uint64_t>(Format::most) >> 32 ||
         smallest_low(room) < Format::open_room;
}

// Plain results, rounded as their numbers allow: a divided gradient may be smaller than the rest.
template <class Format, unsigned wanted>
LOGITLOSS_INLINE bool round_plainly(Block<Format>& b, double divisor, double largest, int n) {
  constexpr Numbers normal = Numbers::normal, subnormal = Numbers::subnormal, any = Numbers::any;
  constexpr bool divides = (wanted & gradient_wanted) != 0, always_normal = Format::normal_limit == Format::quick_limit;
  const Numbers divided = quick_numbers<Format>(largest, divides ? divisor : 1);
  if (always_normal || divided == normal) return plain_results<Format, wanted, normal, normal>(b, divisor, n);
  if constexpr (!always_normal) {
    if constexpr (divides) {
      if (quick_numbers<Format>(largest, 1) == normal)
        return divided == subnormal ? plain_results<Format, wanted, normal, subnormal>(b, divisor, n)
                                    : plain_results<Format, wanted, normal, any>(b, divisor, n);
      if (divided == subnormal) return plain_results<Format, wanted, any, subnormal>(b, divisor, n);
    }
    return plain_results<Format, wanted, any, any>(b, divisor, n);
  }
}

// By the quick way; false if it leaves an element open.
template <class Format, unsigned wanted>
LOGITLOSS_INLINE bool compute_quickly(Block<Format>& b, double divisor, int n, int full) {
  const Seen seen = quick_tails<Format, wanted>(b, full);
  if (!(seen.largest <= divided_limit(Format::quick_limit, divisor))) return false;
  if constexpr (!(wanted & weighted))
    if (!seen.soft && divisor >= 1) return !round_plainly<Format, wanted>(b, divisor, seen.largest, full);
  if constexpr (Format::rounds_by_conversion && !(wanted & weighted))
    return !plain_results<Format, wanted, Numbers::normal, Numbers::normal, true>(b, divisor, full);
  if (results<Format, wanted, Way::quick>(b, divisor, full)) return false;
  if constexpr (wanted & total_wanted) losses_to_sum(b, n);
  return true;
}

// Of a narrow block with an open element all are computed again: which one it is was not kept.
template <class Format, unsigned wanted>
LOGITLOSS_INLINE void compute(Block<Format>& b, double divisor, int n) {
  const int full = padded(b, n);
  if constexpr (Format::narrow) {
    if (compute_quickly<Format, wanted>(b, divisor, n, full)) return;
  } else if (compute_fully<Format, wanted, Way::near>(b, divisor, n, full)) {
    return;
  }
  compute_fully<Format, wanted, Way::any>(b, divisor, n, full);
}

}  // namespace LOGITLOSS_NAMESPACE
