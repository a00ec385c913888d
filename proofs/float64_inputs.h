// float64 logits and labels: over bit patterns, uniform, at every seam of the algorithm, next to the gradient's root.
#pragma once

#include "oracle.h"
#include "random.h"

namespace proof {

constexpr double followed = 1100;  // exp(-1100) < 2^-1586
constexpr double ln2 = 0x1.62e42fefa39efp-1;

inline double moved(double x, long ulps) { return as<double>(bits(x) + ulps); }

// Where the algorithm changes its path, or its reduced argument is largest: (k + 1/2) ln 2.
inline double seam(Random& random) {
  static const double seams[] = {0.34, 0.35, 600, 700, 708.3964185322641, 745.1332191019412, 746, 760};
  const std::uint64_t r = random.below(16);
  return r < 8 ? seams[r] : (random.below(1097) + 0.5) * ln2;
}

inline double label(Random& random, int i, double x, double sigmoid_of_minus_size) {
  if (i < 2) return i;
  const double root = x > 0 ? 1 - sigmoid_of_minus_size : sigmoid_of_minus_size;
  switch (random.below(7)) {
    case 0: return random.unit();
    case 1: return as<double>(random.below(bits(1.0) + 1));
    case 2: return as<double>(bits(1.0) - (random() >> (11 + random.below(53))));
    case 3: return std::ldexp(static_cast<double>(random.below(257)), -8);
    case 4: return std::min(1.0, moved(root + 0x1p-1060, static_cast<long>(random.below(5)) - 2));
    case 5: return std::min(1.0, root * (1 + std::ldexp(random.unit() - 0.5, -static_cast<int>(random.below(40)))));
    default: return 0.5;
  }
}

// |x|, one of a segment's: its kind decides the centre, a multiple of 2^-7, so that |x| less the centre is exact.
struct Sizes {
  enum Kind { tiny, binade, uniform, at_seam, huge } kind;
  double centre = 0, target = 0;

  explicit Sizes(Random& random) {
    const std::uint64_t r = random.below(16);
    kind = r < 1 ? tiny : r < 10 ? binade : r < 12 ? uniform : r < 15 ? at_seam : huge;
    if (kind == binade) target = std::ldexp(1 + random.unit(), static_cast<int>(random.below(17)) - 7);
    if (kind == uniform) target = 770 * random.unit();
    if (kind == at_seam) target = seam(random);
    centre = std::round(std::min(target, followed - 1) * 128) / 128;
  }

  double operator()(Random& random) const {
    if (kind == huge) return as<double>(bits(followed) + random.below(bits(INFINITY) - bits(followed)));
    if (kind == tiny) return as<double>(random.below(bits(segment_radius)));
    if (kind == at_seam)
      return moved(target, static_cast<long>(random() >> (20 + random.below(44))) * (random() & 1 ? 1 : -1) / 64);
    const double x = centre + (2 * random.unit() - 1) * segment_radius;
    return std::max(x, 0.0);
  }
};

}  // namespace proof
