// The elements whose rounding a double cannot decide, in pairs of doubles and rounded once.
//
// Claim: before the one rounding, the error is below 2^-95 of the terms of the sum, and ties of x a are broken by the
// exact sign of the rest. Reached by one float32 in 2^24, by labels next to a root, and by ties: speed is no concern.
// Method: the definition, by the Taylor series of exp and the series of atanh. It shares no coefficient with the
// kernel.
#pragma once

#include "formats.h"
#include "pair.h"
#include "sigmoid_cross_entropy.h"

namespace LOGITLOSS_NAMESPACE {

LOGITLOSS_INLINE Pair reciprocal(int n) { return Pair{1, 0} / Pair{double(n), 0}; }

// exp(r) - 1 for |r| <= 0.35, relative to r. 0.35^26 / 27! < 2^-130.
LOGITLOSS_NOINLINE Pair exp_minus_one(Pair r) {
  Pair sum{1, 0};
  for (int n = 26; n > 1; --n) sum = Pair{1, 0} + r * reciprocal(n) * sum;
  return r * sum;
}

// log(1 + u) = 2 atanh(s) for 0 <= u <= 1, s = u / (2 + u) <= 1/3. 9^-34 < 2^-107.
LOGITLOSS_NOINLINE Pair log_one_plus(Pair u) {
  const Pair s = u / (Pair{2, 0} + u), y = s * s;
  Pair sum = reciprocal(69);
  for (int n = 67; n > 0; n -= 2) sum = reciprocal(n) + y * sum;
  return Pair{2, 0} * s * sum;
}

// Sums of a few doubles without a rounding (Shewchuk's expansions): parts that do not overlap, the smallest first.
struct Expansion {
  double part[12] = {};
  int size = 0;

  void add(double x) {
    if (x == 0) return;
    for (int i = 0; i < size; ++i) {
      const Pair s = two_sum(x, part[i]);
      part[i] = s.lo;
      x = s.hi;
    }
    part[size++] = x;
  }
  void add(Pair a) {
    add(a.lo);
    add(a.hi);
  }
  void add_product(double x, double y) { add(two_product(x, y)); }

  // The sum as a leading double and the part of the rest that has its sign.
  Pair leading() const {
    double sum = 0, rest = 0;
    for (int i = size; i-- > 0;) {
      const Pair s = two_sum(sum, part[i]);
      sum = s.hi;
      rest = s.lo;
      if (rest != 0) break;
    }
    return {sum, rest};
  }
};

// hi + lo to the format. Rounding to odd first makes the second rounding harmless: a double has two digits to spare.
template <class Format>
LOGITLOSS_INLINE double round_once(Pair a) {
  const auto bits = bit_cast<uint64_t>(a.hi);
  if (!Format::narrow || a.lo == 0 || (bits & 1)) return Format::round(a.hi);
  return Format::round(bit_cast<double>((a.lo > 0) == (a.hi > 0) ? bits + 1 : bits - 1));
}

// exp(-|x|), in units of `scale`: a result below the smallest normal double must keep its low part.
struct Tiny {
  Pair value;
  double scale;
};

template <class Format>
LOGITLOSS_NOINLINE Tiny exp_of_minus(double size) {
  const double floor = Format::narrow ? 700 : 760;
  const double t = -smaller(size, floor);
  const Reduced n = nearest_multiple_of_ln2(t);
  constexpr double ln2_middle = 0x1.ef35793c76p-45, ln2_last = 0x1.cc01f97b57a08p-87;  // exp.sollya
  const Pair r = two_sum(fma(-n.k, exp_constants::ln2_head, t), -n.k * ln2_middle) + Pair{-n.k * ln2_last, 0};
  const bool tiny = t < -600;
  const double power = power_of_two(n, tiny ? 256 : 0);
  const Pair e = Pair{1, 0} + exp_minus_one(r);
  return {{e.hi * power, e.lo * power}, size == infinity ? 0 : tiny ? 0x1p-256 : 1};
}

LOGITLOSS_INLINE Pair scaled(Pair a, double scale) { return {a.hi * scale, a.lo * scale}; }

// a * unit to the format. Where the product of hi is a subnormal double, it was rounded without lo: lo decides a tie.
template <class Format>
LOGITLOSS_INLINE double round_scaled(Pair a, double unit) {
  const double value = a.hi * unit;
  if (Format::narrow || unit == 1 || absolute(value) >= 0x1p-1022) return round_once<Format>(scaled(a, unit));
  const double rest = a.hi - value * (1 / unit), half = 0x1p-1074 * (0.5 / unit);
  if (rest == half && a.lo > 0) return value + 0x1p-1074;
  if (rest == -half && a.lo < 0) return value - 0x1p-1074;
  return value;
}

template <class Format, bool weighted>
LOGITLOSS_NOINLINE double exact_loss(Element e) {
  const Tiny u = exp_of_minus<Format>(absolute(e.x));
  const Pair negatives = one_minus(e.z), positives = weighted ? two_product(e.w, e.z) : Pair{e.z, 0};
  const Pair a = e.x > 0 ? negatives : -positives;
  const bool tiny = u.scale == 0x1p-256 && absolute(a.hi) < 0x1p200;  // then log(1 + u) = u, and all is 2^256 as large
  const double root = tiny ? 0x1p128 : 1;
  const Pair softplus = u.scale == 1 ? log_one_plus(u.value) : tiny ? u.value : scaled(u.value, u.scale);
  Expansion sum;
  if (a.hi != 0) {  // 0 * inf = 0
    sum.add_product(e.x * root, a.lo * root);
    sum.add_product(e.x * root, a.hi * root);
  }
  sum.add(weighted ? (negatives + positives) * softplus : softplus);
  return round_scaled<Format>(sum.leading(), tiny ? 0x1p-256 : 1);
}

template <class Format>
LOGITLOSS_NOINLINE double exact_gradient(Element e) {
  const double size = absolute(e.x);
  Expansion sum;
  double unit = 0.25;
  if (size < 0.34) {  // 4 sigmoid(x) = 2 + 2 tanh(x / 2) and tanh(x / 2) = v / (2 + v) with v = exp(x) - 1
    const Pair v = exp_minus_one({e.x, 0});
    sum.add(scaled(one_minus(2 * e.z), 2));
    if (size < 0x1p-30) {  // x - x^3 / 12: where x / 4 is a tie, the cubic term decides
      sum.add(-e.x * e.x * e.x / 12);
      sum.add(e.x);
    } else {
      sum.add(scaled(v, 2) / (Pair{2, 0} + v));
    }
  } else {
    const Tiny u = exp_of_minus<Format>(size);
    const bool tiny = u.scale == 0x1p-256;  // then 1 + u = 1
    unit = tiny ? 0x1p-256 : 1;
    const Pair v = tiny ? u.value : scaled(u.value, u.scale);
    const Pair p = tiny ? v : v / (Pair{1, 0} + v);
    sum.add(e.x > 0 ? -p : p);
    sum.add(scaled(e.x > 0 ? one_minus(e.z) : Pair{-e.z, 0}, 1 / unit));
  }
  const Pair total = sum.leading();
  const double value = round_scaled<Format>(total / Pair{e.n, 0}, unit);
  return total.hi < 0 && value == 0 ? -0.0 : value;
}

template <class Format>
LOGITLOSS_NOINLINE double exact_hessian(Element e) {
  const Tiny u = exp_of_minus<Format>(absolute(e.x));
  const Pair v = scaled(u.value, u.scale);
  const Pair p = v / (Pair{1, 0} + v);
  return round_once<Format>(p * (Pair{1, 0} + -p));
}

}  // namespace LOGITLOSS_NAMESPACE
