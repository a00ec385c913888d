// The functions themselves by MPFR: the oracle's series, and what maths.cc measures against.

#include "mpfr_real.h"
#include "truth.h"

namespace proof {

namespace {

constexpr int coefficients = Series::pairs + Series::doubles;

DoubleDouble two(mpfr_ptr v) {
  Real rest;
  const double hi = mpfr_get_d(v, MPFR_RNDN);
  mpfr_sub_d(rest, v, hi, MPFR_RNDN);
  return {hi, mpfr_get_d(rest, MPFR_RNDN)};
}

Series series(Real (&c)[coefficients], int scale) {
  Series s;
  for (int n = 0; n < coefficients; ++n) {
    mpfr_mul_2si(c[n], c[n], scale, MPFR_RNDN);
    if (n < Series::pairs)
      s.head[n] = two(c[n]);
    else
      s.rest[n - Series::pairs] = mpfr_get_d(c[n], MPFR_RNDN);
  }
  return s;
}

void set(mpfr_ptr y, DoubleDouble x) {
  mpfr_set_d(y, x.hi, MPFR_RNDN);
  mpfr_add_d(y, y, x.lo, MPFR_RNDN);
}

}  // namespace

void softplus_sigmoid_of(double x, mpfr_ptr softplus, mpfr_ptr sigmoid) {
  Real e(mpfr_get_prec(sigmoid)), one(mpfr_get_prec(sigmoid));
  mpfr_set_d(e, -x, MPFR_RNDN);
  mpfr_exp(e, e, MPFR_RNDN);
  mpfr_log1p(softplus, e, MPFR_RNDN);
  mpfr_add_ui(one, e, 1, MPFR_RNDN);
  mpfr_div(sigmoid, e, one, MPFR_RNDN);
}

// p' = p^2 - p for p = sigmoid(-x), and softplus(-x)' = -p: each coefficient from those before it.
Segment segment(double centre, int scale) {
  Real p[coefficients], l[coefficients], term;
  softplus_sigmoid_of(centre, l[0], p[0]);
  for (int n = 0; n + 1 < coefficients; ++n) {
    mpfr_neg(p[n + 1], p[n], MPFR_RNDN);
    for (int k = 0; k <= n; ++k) {
      mpfr_mul(term, p[k], p[n - k], MPFR_RNDN);
      mpfr_add(p[n + 1], p[n + 1], term, MPFR_RNDN);
    }
    mpfr_div_ui(p[n + 1], p[n + 1], n + 1, MPFR_RNDN);
    mpfr_div_si(l[n + 1], p[n], -(n + 1), MPFR_RNDN);
  }
  return {centre, scale, series(l, scale), series(p, scale)};
}

DoubleDouble value(Elementary f, DoubleDouble x, int scale) {
  Real y, other;
  set(y, x);
  if (f == Elementary::exp) mpfr_exp(y, y, MPFR_RNDN);
  if (f == Elementary::expm1) mpfr_expm1(y, y, MPFR_RNDN);
  if (f == Elementary::log1p) mpfr_log1p(y, y, MPFR_RNDN);
  if (f == Elementary::softplus) softplus_sigmoid_of(x.hi, y, other);
  if (f == Elementary::sigmoid) softplus_sigmoid_of(x.hi, other, y);
  mpfr_mul_2si(y, y, scale, MPFR_RNDN);
  return two(y);
}

double operation_error(Operation operation, DoubleDouble a, DoubleDouble b, DoubleDouble got) {
  Real left(2000), right(2000), y(2000), result(2000), size(2000);
  set(left, a);
  set(right, b);
  set(result, got);
  if (operation == Operation::sum) mpfr_add(y, left, right, MPFR_RNDN);
  if (operation == Operation::product) mpfr_mul(y, left, right, MPFR_RNDN);
  if (operation == Operation::quotient) mpfr_div(y, left, right, MPFR_RNDN);
  mpfr_abs(left, left, MPFR_RNDN);
  mpfr_abs(right, right, MPFR_RNDN);
  if (operation == Operation::sum)
    mpfr_add(size, left, right, MPFR_RNDN);
  else
    mpfr_abs(size, y, MPFR_RNDN);
  mpfr_sub(y, y, result, MPFR_RNDN);
  mpfr_div(y, y, size, MPFR_RNDN);
  return std::fabs(mpfr_get_d(y, MPFR_RNDN));
}

Tails tails(double x) {
  Real softplus, sigmoid;
  softplus_sigmoid_of(x, softplus, sigmoid);
  return {two(softplus), two(sigmoid)};
}

}  // namespace proof
