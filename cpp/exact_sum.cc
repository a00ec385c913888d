#include "exact_sum.h"

namespace xent {

void ExactSum::carry() {
  for (int i = 0; i + 1 < limbs; ++i) {
    limb[i + 1] += limb[i] >> 32;
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

}  // namespace xent
