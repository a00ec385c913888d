#include "exact_sum.h"

#include <cmath>
#include <limits>

namespace logitloss {

void ExactSum::carry() {
  for (int i = 0; i + 1 < limbs; ++i) {
    const std::int64_t over = limb[i] >> 32;
    if (!over) continue;  // most limbs are 0
    limb[i + 1] += over;
    limb[i] &= 0xffffffff;
  }
  pending = 0;
}

void ExactSum::merge(ExactSum other) {
  carry();
  other.carry();
  for (int i = 0; i < limbs; ++i) limb[i] += other.limb[i];
  nan += other.nan;
  positive_infinity += other.positive_infinity;
  negative_infinity += other.negative_infinity;
  carry();
}

double ExactSum::over(std::uint64_t n) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (n == 0 || nan || (positive_infinity && negative_infinity)) return std::numeric_limits<double>::quiet_NaN();
  if (positive_infinity || negative_infinity) return positive_infinity ? infinity : -infinity;
  carry();
  const bool negative = limb[limbs - 1] < 0;
  if (negative) {
    for (std::int64_t& one : limb) one = -one;
    carry();
  }
  // Long division, bit by bit from the highest limb on, until the quotient has 53 bits and one that is half a unit of
  // theirs; at the end of the number that one stands behind the last.
  int at = 32 * limbs - 1;
  while (at > 31 && !limb[at >> 5]) at -= 32;
  std::uint64_t quotient = 0, rest = 0;
  for (; at >= -1 && quotient < std::uint64_t{1} << 53; --at) {
    rest = 2 * rest + (at < 0 ? 0 : limb[at >> 5] >> (at & 31) & 1);
    const bool fits = rest >= n;
    quotient = 2 * quotient + fits;
    rest -= fits ? n : 0;
  }
  bool more = rest != 0 || (at >= 0 && limb[at >> 5] & ((std::int64_t{2} << (at & 31)) - 1));
  for (int i = (at >> 5) - 1; i >= 0 && !more; --i) more = limb[i] != 0;
  const std::uint64_t up = quotient & (more ? 1 : quotient >> 1) & 1;
  const auto rounded = static_cast<double>((quotient >> 1) + up);
  return std::ldexp(negative ? -rounded : rounded, at + 2 - 1074);
}

}  // namespace logitloss
