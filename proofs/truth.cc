#include "truth.h"

#include <cstdio>
#include <cstdlib>

#include "mpfr_real.h"

namespace proof {

namespace {

// Next to the gradient's root at (0, 1/2) the first three terms of 1/2 - x/4 + x^3/48 must be seen.
mpfr_prec_t digits_at(double x) { return digits + (x == 0 ? 0 : std::max(0, -3 * std::ilogb(x))); }

// Of their sums with products of two doubles: these stay exact.
mpfr_prec_t all_digits_at(double x) { return 2000 + digits_at(x); }

// What is added to the exact part: softplus(-|x|), -sigmoid(-|x|) or the hessian. Below 2^-400 its size decides
// nothing: the exact part and all midpoints of float32 are multiples of 2^-300.
void inexact_part(Function f, double x, mpfr_ptr w) {
  const mpfr_prec_t precision = mpfr_get_prec(w);
  Real softplus(precision), sigmoid(precision), other(precision);
  softplus_sigmoid_of(std::fabs(x), softplus, sigmoid);
  mpfr_ui_sub(other, 1, sigmoid, MPFR_RNDN);
  if (f == Function::loss) mpfr_set(w, softplus, MPFR_RNDN);
  if (f == Function::gradient) mpfr_neg(w, sigmoid, MPFR_RNDN);
  if (f == Function::hessian) mpfr_mul(w, sigmoid, other, MPFR_RNDN);
}

void exact_part(Function f, double x, double z, mpfr_ptr s) {
  mpfr_set_d(s, z, MPFR_RNDN);
  if (x > 0) mpfr_ui_sub(s, 1, s, MPFR_RNDN);
  if (f == Function::loss) mpfr_mul_d(s, s, std::fabs(x), MPFR_RNDN);
  if (f == Function::hessian) mpfr_set_zero(s, 1);
}

void add_up(Function f, double x, double n, mpfr_ptr s, mpfr_ptr w, mpfr_ptr y) {
  mpfr_add(y, s, w, MPFR_RNDN);
  if (f != Function::gradient) return;
  if (x <= 0) mpfr_neg(y, y, MPFR_RNDN);
  mpfr_div_d(y, y, n, MPFR_RNDN);
}

// The exponent of the unit in the last place of y != 0.
long unit_of(mpfr_ptr y, Precision p) { return std::max<long>(mpfr_get_exp(y) - p.digits, p.least - p.digits + 1); }

double to_format(mpfr_ptr y, Precision p) {
  if (mpfr_zero_p(y)) return 0;
  const long unit = unit_of(y, p);
  const int sign = mpfr_signbit(y) ? -1 : 1;
  mpfr_mul_2si(y, y, -unit, MPFR_RNDN);
  mpfr_roundeven(y, y);
  mpfr_mul_2si(y, y, unit, MPFR_RNDN);
  return std::copysign(mpfr_get_d(y, MPFR_RNDN), sign);
}

double midpoint_distance(mpfr_ptr y, Precision p) {
  if (mpfr_zero_p(y)) return 0.5;
  Real scaled(mpfr_get_prec(y)), fraction(mpfr_get_prec(y));
  mpfr_mul_2si(scaled, y, -unit_of(y, p), MPFR_RNDN);
  mpfr_frac(fraction, scaled, MPFR_RNDN);
  mpfr_abs(fraction, fraction, MPFR_RNDN);
  mpfr_sub_d(fraction, fraction, 0.5, MPFR_RNDN);
  return std::fabs(mpfr_get_d(fraction, MPFR_RNDN));
}

}  // namespace

Answer answer(Function f, double x, double z, double n, Precision to) {
  const mpfr_prec_t precision = digits_at(x);
  Real s(all_digits_at(x)), w(precision), y(all_digits_at(x));
  exact_part(f, x, z, s);
  inexact_part(f, x, w);
  if (mpfr_get_exp(w) < -400) mpfr_set_d(w, f == Function::gradient ? -0x1p-400 : 0x1p-400, MPFR_RNDN);
  add_up(f, x, n, s, w, y);
  const Answer result{0, midpoint_distance(y, to)};
  if (x == 0 && f != Function::loss) return {to_format(y, to), result.distance};  // rational: known exactly
  double sides[2];
  for (const int side : {-1, 1}) {  // the truth is between the two: the functions are good to their last digits
    Real moved(precision);
    mpfr_set_si_2exp(moved, side, 10 - precision, MPFR_RNDN);
    mpfr_fma(moved, moved, w, w, MPFR_RNDN);
    add_up(f, x, n, s, moved, y);
    sides[side > 0] = to_format(y, to);
  }
  if (bits(sides[0]) != bits(sides[1])) {
    std::fprintf(stderr, "MPFR's digits do not decide x = %a, z = %a, n = %a\n", x, z, n);
    std::exit(3);
  }
  return {sides[0], result.distance};
}

Distance distance(Function f, double x, double z, double n, double got) {
  const mpfr_prec_t all = all_digits_at(x);
  Real s(all), w(digits_at(x)), y(all), error(all), allowed(all);
  exact_part(f, x, z, s);
  softplus_sigmoid_of(std::fabs(x), error, allowed);
  mpfr_set_d(error, x > 0 ? 1 - z : z, MPFR_RNDN);
  mpfr_add(allowed, allowed, error, MPFR_RNDN);  // |a| + sigmoid(-|x|)
  mpfr_div_d(allowed, allowed, n, MPFR_RNDN);
  inexact_part(f, x, w);
  add_up(f, x, n, s, w, y);
  mpfr_sub_d(error, y, got, MPFR_RNDN);
  const int sign = mpfr_zero_p(mpfr_ptr(y)) ? 0 : mpfr_signbit(mpfr_ptr(y)) ? -1 : 1;
  const long unit = sign ? unit_of(y, {53, -1022}) : -1074;
  mpfr_mul_2si(error, error, -unit, MPFR_RNDN);
  mpfr_mul_2si(allowed, allowed, -unit, MPFR_RNDN);
  return {std::fabs(mpfr_get_d(error, MPFR_RNDN)), mpfr_get_d(allowed, MPFR_RNDN), sign};
}

}  // namespace proof
