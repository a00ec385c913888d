// The fallback for elements whose rounding a double cannot decide: computed in double-double arithmetic, rounded once.
//
// Before the one rounding the error is below fallback_max_error of the terms, and the exact sign of the remainder
// breaks ties of x a. One float32 element in 2^24 gets here, and labels next to a root, and ties: speed does not
// matter. Method: the definition, with the Taylor series of exp and the series of atanh. It shares no coefficient with
// the kernels.
#pragma once

#include "double_double.h"
#include "formats.h"
#include "sigmoid_cross_entropy.h"

namespace LOGITLOSS_NAMESPACE {

constexpr double fallback_max_error = 0x1p-95;  // largest seen 2^-103.7, log(1 + u) at u = 0x1.339fba80e0628p-3

LOGITLOSS_INLINE DoubleDouble reciprocal(int n) { return DoubleDouble{1, 0} / DoubleDouble{double(n), 0}; }

// exp(r) - 1 for |r| <= 0.35, relative to r. 0.35^26 / 27! < 2^-130.
LOGITLOSS_NOINLINE DoubleDouble exp_minus_one(DoubleDouble r) {
  DoubleDouble sum{1, 0};
  for (int n = 26; n > 1; --n) sum = DoubleDouble{1, 0} + r * reciprocal(n) * sum;
  return r * sum;
}

// log(1 + u) = 2 atanh(s) for 0 <= u <= 1, s = u / (2 + u) <= 1/3. 9^-34 < 2^-107.
LOGITLOSS_NOINLINE DoubleDouble log_one_plus(DoubleDouble u) {
  const DoubleDouble s = u / (DoubleDouble{2, 0} + u), y = s * s;
  DoubleDouble sum = reciprocal(69);
  for (int n = 67; n > 0; n -= 2) sum = reciprocal(n) + y * sum;
  return DoubleDouble{2, 0} * s * sum;
}

// The exact sum of a few doubles as Shewchuk's expansion (Adaptive precision floating-point arithmetic, 1997): parts
// that do not overlap, the smallest first.
struct Expansion {
  double part[12] = {};
  int size = 0;

  void add(double x) {
    if (x == 0) return;
    for (int i = 0; i < size; ++i) {
      const DoubleDouble s = two_sum(x, part[i]);
      part[i] = s.lo;
      x = s.hi;
    }
    part[size++] = x;
  }
  void add(DoubleDouble a) {
    add(a.lo);
    add(a.hi);
  }
  void add_product(double x, double y) { add(two_product(x, y)); }

  //   // The sum as its leading double and a part of the remainder that has the sign of the whole remainder.
  DoubleDouble leading() const {
    double sum = 0, rest = 0;
    for (int i = size; i-- > 0;) {
      const DoubleDouble s = two_sum(sum, part[i]);
      sum = s.hi;
      rest = s.lo;
      if (rest != 0) break;
    }
    return {sum, rest};
  }
};

// hi + lo in the format. Rounding to odd first makes the second rounding harmless (Boldo and Melquiond, 2008): an odd
// last bit says that something was dropped, so no double can turn into a midpoint of a format with at least two digits
// less.
template <class Format>
LOGITLOSS_INLINE double round_once(DoubleDouble a) {
  const auto bits = bit_cast<uint64_t>(a.hi);
  if (!Format::correctly_rounded || a.lo == 0 || (bits & 1)) return Format::round(a.hi);
  return Format::round(bit_cast<double>((a.lo > 0) == (a.hi > 0) ? bits + 1 : bits - 1));
}

// exp(-|x|) as value * scale: a result below the smallest normal double must keep its low part.
struct ScaledDoubleDouble {
  DoubleDouble value;
  double scale;
};

template <class Format>
LOGITLOSS_NOINLINE ScaledDoubleDouble scaled_exp_neg(double size) {
  const double floor = Format::correctly_rounded ? 700 : 760;
  const double t = -min(size, floor);
  const Reduced n = nearest_multiple_of_ln2(t);
  constexpr double ln2_middle = 0x1.ef35793c76p-45, ln2_last = 0x1.cc01f97b57a08p-87;  // exp.sollya
  const DoubleDouble r =
      two_sum(fma(-n.k, exp_constants::ln2_head, t), -n.k * ln2_middle) + DoubleDouble{-n.k * ln2_last, 0};
  const bool tiny = t < -600;
  const double power = power_of_two(n, tiny ? 256 : 0);
  const DoubleDouble e = DoubleDouble{1, 0} + exp_minus_one(r);
  return {{e.hi * power, e.lo * power}, size == infinity ? 0 : tiny ? 0x1p-256 : 1};
}

LOGITLOSS_INLINE DoubleDouble scaled(DoubleDouble a, double scale) { return {a.hi * scale, a.lo * scale}; }

// a * unit in the format. Where hi * unit is subnormal, the product was rounded without lo, so lo decides a tie.
template <class Format>
LOGITLOSS_INLINE double round_scaled(DoubleDouble a, double unit) {
  const double value = a.hi * unit;
  if (Format::correctly_rounded || unit == 1 || abs(value) >= 0x1p-1022) return round_once<Format>(scaled(a, unit));
  const double rest = a.hi - value * (1 / unit), half = 0x1p-1074 * (0.5 / unit);
  if (rest == half && a.lo > 0) return value + 0x1p-1074;
  if (rest == -half && a.lo < 0) return value - 0x1p-1074;
  return value;
}

template <class Format, bool weighted>
LOGITLOSS_NOINLINE double fallback_loss(Element e) {
  const ScaledDoubleDouble u = scaled_exp_neg<Format>(abs(e.x));
  const DoubleDouble negatives = one_minus(e.z), positives = weighted ? two_product(e.w, e.z) : DoubleDouble{e.z, 0};
  const DoubleDouble a = e.x > 0 ? negatives : -positives;
  const bool tiny =
      u.scale == 0x1p-256 && abs(a.hi) < 0x1p200;  // then log(1 + u) = u, and everything is scaled by 2^256
  const double root = tiny ? 0x1p128 : 1;
  const DoubleDouble softplus = u.scale == 1 ? log_one_plus(u.value) : tiny ? u.value : scaled(u.value, u.scale);
  Expansion sum;
  if (a.hi != 0) {  // 0 * inf = 0
    sum.add_product(e.x * root, a.lo * root);
    sum.add_product(e.x * root, a.hi * root);
  }
  sum.add(weighted ? (negatives + positives) * softplus : softplus);
  return round_scaled<Format>(sum.leading(), tiny ? 0x1p-256 : 1);
}

template <class Format>
LOGITLOSS_NOINLINE double fallback_gradient(Element e) {
  const double size = abs(e.x);
  Expansion sum;
  double unit = 0.25;
  if (size < 0.34) {  // 4 sigmoid(x) = 2 + 2 tanh(x / 2) and tanh(x / 2) = v / (2 + v) with v = exp(x) - 1
    const DoubleDouble v = exp_minus_one({e.x, 0});
    sum.add(scaled(one_minus(2 * e.z), 2));
    if (size < 0x1p-30) {  // x - x^3 / 12: where x / 4 is a tie, the cubic term decides
      sum.add(-e.x * e.x * e.x / 12);
      sum.add(e.x);
    } else {
      sum.add(scaled(v, 2) / (DoubleDouble{2, 0} + v));
    }
  } else {
    const ScaledDoubleDouble u = scaled_exp_neg<Format>(size);
    const bool tiny = u.scale == 0x1p-256;  // then 1 + u = 1
    unit = tiny ? 0x1p-256 : 1;
    const DoubleDouble v = tiny ? u.value : scaled(u.value, u.scale);
    const DoubleDouble p = tiny ? v : v / (DoubleDouble{1, 0} + v);
    sum.add(e.x > 0 ? -p : p);
    sum.add(scaled(e.x > 0 ? one_minus(e.z) : DoubleDouble{-e.z, 0}, 1 / unit));
  }
  const DoubleDouble total = sum.leading();
  const double value = round_scaled<Format>(total / DoubleDouble{e.n, 0}, unit);
  return total.hi < 0 && value == 0 ? -0.0 : value;
}

template <class Format>
LOGITLOSS_NOINLINE double fallback_hessian(Element e) {
  const ScaledDoubleDouble u = scaled_exp_neg<Format>(abs(e.x));
  const DoubleDouble v = scaled(u.value, u.scale);
  const DoubleDouble p = v / (DoubleDouble{1, 0} + v);
  return round_once<Format>(p * (DoubleDouble{1, 0} + -p));
}

}  // namespace LOGITLOSS_NAMESPACE
