// ResultRange of MPFR, freed at the end of their scope.
#pragma once

#include <mpfr.h>

namespace proof {

constexpr mpfr_prec_t digits = 300;

class Real {
 public:
  explicit Real(mpfr_prec_t precision = digits) { mpfr_init2(value_, precision); }
  ~Real() { mpfr_clear(value_); }
  Real(const Real&) = delete;
  Real& operator=(const Real&) = delete;
  operator mpfr_ptr() { return value_; }

 private:
  mpfr_t value_;
};

// softplus(-x) and sigmoid(-x), x >= 0, to the digits that the results have.
void softplus_sigmoid_of(double x, mpfr_ptr softplus, mpfr_ptr sigmoid);

}  // namespace proof
