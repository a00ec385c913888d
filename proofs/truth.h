// The truth by MPFR: slow, and the last word.
#pragma once

#include "oracle.h"

namespace proof {

// The series of softplus(-x) and sigmoid(-x) at centre >= 0, times 2^scale.
Segment segment(double centre, int scale = 0);

enum class Function { loss, gradient, hessian };

// Digits of a format, and the exponent of its smallest normal number.
struct Precision {
  int digits, least;
};

struct Answer {
  double rounded;   // to the nearest number of the format, ties to even
  double distance;  // of the truth to the nearest midpoint of two such numbers, in units in the last place
};

Answer answer(Function f, double x, double z, double n, Precision to);

// f of hi + lo, times 2^scale, in a pair; softplus and sigmoid of -hi.
enum class Elementary { exp, expm1, log1p, softplus, sigmoid };
DoubleDouble value(Elementary f, DoubleDouble x, int scale);

// |got - (a operation b)|, relative to |a| + |b| for the sum, to the result for the others.
enum class Operation { sum, product, quotient };
double operation_error(Operation operation, DoubleDouble a, DoubleDouble b, DoubleDouble got);

// softplus(-x) and sigmoid(-x), x >= 0, in pairs.
Tails tails(double x);

// Of a float64 result: |got - truth| and |a| + sigmoid(-|x|) (a = 1 - z or -z) in units in the last place of the truth.
struct Distance {
  double ulp, terms_ulp;
  int sign;  // of the truth
};

Distance distance(Function f, double x, double z, double n, double got);

}  // namespace proof
