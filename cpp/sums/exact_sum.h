// An exact sum of doubles: a fixed-point number of 68 limbs, the unit 2^-1074, and counts of what has no number.
//
// A limb is an int64 with 32 bits of payload, so 2^30 values can be added before a carry is due, and 2^31 normalised
// sums can be added limb by limb. 2176 bits hold 2^63 values of any size. No rounding anywhere: the order is free.
#pragma once

#include <cstdint>

namespace logitloss {

struct ExactSum {
  static constexpr int limbs = 68;
  std::int64_t limb[limbs] = {};
  std::int64_t nan = 0, positive_infinity = 0, negative_infinity = 0;
  std::int64_t pending = 0;  // values added since the last carry
  static constexpr std::int64_t max_pending = std::int64_t{1} << 30;

  void carry();  // to limbs in [0, 2^32), the last one signed
  void merge(ExactSum other);
  double over(std::uint64_t n);  // the sum divided by n < 2^63, rounded once; nan for n = 0
};

}  // namespace logitloss
