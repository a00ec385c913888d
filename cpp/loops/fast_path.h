// The fast path through a block of float32, float16 or bfloat16: plain float64 vectors with few digits, as long as
// these decide every rounding (Ziv's strategy: the accurate path follows where they do not).
#pragma once

#include "block.h"

namespace LOGITLOSS_NAMESPACE {

// A tight upper bound of all |x| in a block; `soft` is not 0 if a label is not 0 or 1.
struct BlockRange {
  double largest;
  uint64_t soft;
};

template <class Format, unsigned wanted>
LOGITLOSS_NOINLINE BlockRange fast_exponentials(Block<Format>& b, int n) {
  VectorBits largest{}, soft{};
  for (int i = 0; i < n; i += interleaved) {
    const VectorPack size = map([](Vector x) { return abs(x); }, load(b.x + i)), u = fast_exp_neg(size);
    for (Vector v : size.v) largest = max_high32(largest, bit_cast<VectorBits>(v));
    if constexpr (wanted & losses_wanted) store(fast_s(u), b.s.hi + i);
    if constexpr (wanted & derivatives_wanted) store(sigmoid_in_result_loop<wanted> ? u : fast_sigmoid(u), b.u.hi + i);
    if constexpr (wanted & gradient_wanted)
      for (Vector z : load(b.z + i).v) soft |= bit_cast<VectorBits>(fma(z, z, -z));
  }
  return {bit_cast<double>(uint64_t{max_high32_of_lanes(largest)} << 32 | 0xffffffffu), or_lanes(soft)};
}

// Values rounded to the format, and numbers that a conversion to float rounds to them.
struct Rounded {
  VectorPack value, to_convert;
};

template <class Format, ResultRange numbers>
LOGITLOSS_INLINE Rounded nearest(const VectorPack& y, VectorBits& boundary_distance) {
  Rounded to;
  LOGITLOSS_UNROLL {
    const auto one = Format::template nearest<numbers>(y.v[j]);
    to.value.v[j] = one.value;
    to.to_convert.v[j] = one.to_convert;
    boundary_distance = min_low32(boundary_distance, one.boundary_distance);
  }
  return to;
}

// Computes the wanted values of n elements on the fast path, where their relative error is that of a fast function: the
// terms of a loss have the same sign if its label is in [0, 1], and for a label of 0 or 1 one term of a gradient is
// exact and the other no larger than the gradient. True if a rounding is undecided, or if a label lies far outside [0,
// 1], where a loss may be negative, infinite or nan.
//
// soft: for any label, in float32. The gradient is tested by rounding it with its whole error added and subtracted.
template <class Format, unsigned wanted, ResultRange undivided, ResultRange divided, bool soft = false>
LOGITLOSS_NOINLINE bool fast_results(Block<Format>& b, double divisor, int n) {
  const double inverse = 1 / divisor;
  VectorBits boundary_distance = ~VectorBits{}, most{};
  VectorFloatBits differ{};
  for (int i = 0; i < n; i += interleaved) {
    VectorPack sigmoid;
    if constexpr (wanted & derivatives_wanted) sigmoid = load(b.u.hi + i);
    if constexpr (sigmoid_in_result_loop<wanted>) sigmoid = fast_sigmoid(sigmoid);
    if constexpr (wanted & losses_wanted) {
      const VectorPack softplus = fast_softplus(load(b.s.hi + i));
      const VectorPack xa = map([](Vector x, Vector z) { return linear_term(x, z); }, load(b.x + i), load(b.z + i));
      const Rounded loss = nearest<Format, undivided>(xa + softplus, boundary_distance);
      for (Vector v : xa.v)
        most = max_high32(
            most, bit_cast<VectorBits>(v));  // compared as integers, so that a sign bit or a nan exceeds the limit
      if constexpr (wanted & loss_wanted) store(loss.to_convert, b.loss + i);
      if constexpr (wanted & total_wanted) store(loss.value, b.s.hi + i);
    }
    if constexpr (wanted & gradient_wanted) {
      const auto gradient = [=](Vector x, Vector z, Vector sigmoid) {
        return gradient_from_sigmoid(x, linear_slope(x, z), sigmoid) * inverse;
      };
      const VectorPack x = load(b.x + i), z = load(b.z + i), y = map(gradient, x, z, sigmoid);
      if constexpr (soft) {
        const auto size = [](Vector x, Vector z, Vector sigmoid) { return abs(linear_slope(x, z)) + sigmoid; };
        const VectorPack error = map(size, x, z, sigmoid) * (fast_path_error * inverse), low = y - error,
                         high = y + error;
        LOGITLOSS_UNROLL {
          differ |= bit_cast<VectorFloatBits>(to_floats(low.v[j])) ^ bit_cast<VectorFloatBits>(to_floats(high.v[j]));
        }
        store(low, b.gradient + i);
      } else {
        store(nearest<Format, divided>(y, boundary_distance).to_convert, b.gradient + i);
      }
    }
    if constexpr (wanted & hessian_wanted) {
      const auto hessian = [](Vector sigmoid) { return hessian_from_sigmoid(sigmoid); };
      store(nearest<Format, undivided>(map(hessian, sigmoid), boundary_distance).to_convert, b.hessian + i);
    }
  }
  return or_lanes<uint32_t>(differ) || max_high32_of_lanes(most) >= bit_cast<uint64_t>(Format::term_limit) >> 32 ||
         min_low32_of_lanes(boundary_distance) < Format::undecided_distance;
}

// Fast results with the rounding that their range allows: a divided gradient may be smaller than the other results.
template <class Format, unsigned wanted>
LOGITLOSS_INLINE bool fast_results_by_range(Block<Format>& b, double divisor, double largest, int n) {
  constexpr ResultRange normal = ResultRange::normal, subnormal = ResultRange::subnormal, mixed = ResultRange::mixed;
  constexpr bool divides = (wanted & gradient_wanted) != 0,
                 always_normal = Format::normal_result_limit == Format::fast_path_limit;
  const ResultRange divided = fast_result_range<Format>(largest, divides ? divisor : 1);
  if (always_normal || divided == normal) return fast_results<Format, wanted, normal, normal>(b, divisor, n);
  if constexpr (!always_normal) {
    if constexpr (divides) {
      if (fast_result_range<Format>(largest, 1) == normal)
        return divided == subnormal ? fast_results<Format, wanted, normal, subnormal>(b, divisor, n)
                                    : fast_results<Format, wanted, normal, mixed>(b, divisor, n);
      if (divided == subnormal) return fast_results<Format, wanted, mixed, subnormal>(b, divisor, n);
    }
    return fast_results<Format, wanted, mixed, mixed>(b, divisor, n);
  }
}

// Computes on the fast path; false if it leaves an element undecided.
template <class Format, unsigned wanted>
LOGITLOSS_INLINE bool compute_fast(Block<Format>& b, double divisor, int n, int full) {
  const BlockRange seen = fast_exponentials<Format, wanted>(b, full);
  if (!(seen.largest <= limit_when_divided(Format::fast_path_limit, divisor))) return false;
  if constexpr (!(wanted & weighted))
    if (!seen.soft && divisor >= 1) return !fast_results_by_range<Format, wanted>(b, divisor, seen.largest, full);
  if constexpr (Format::rounds_by_conversion && !(wanted & weighted))
    return !fast_results<Format, wanted, ResultRange::normal, ResultRange::normal, true>(b, divisor, full);
  if (result_loop<Format, wanted, Path::fast>(b, divisor, full)) return false;
  if constexpr (wanted & total_wanted) copy_losses_for_sum(b, n);
  return true;
}

// If the fast path leaves an element undecided the whole block is recomputed: which element it is was not recorded.
template <class Format, unsigned wanted>
LOGITLOSS_INLINE void compute(Block<Format>& b, double divisor, int n) {
  const int full = pad_block(b, n);
  if constexpr (Format::correctly_rounded) {
    if (compute_fast<Format, wanted>(b, divisor, n, full)) return;
  } else if (compute_accurately<Format, wanted, Path::in_range>(b, divisor, n, full)) {
    return;
  }
  compute_accurately<Format, wanted, Path::any>(b, divisor, n, full);
}

}  // namespace LOGITLOSS_NAMESPACE
