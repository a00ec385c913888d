// The cell of a row in a tally. Static, because kernels are compiled once per instruction set, and the linker may keep
// any copy of a shared function.
#pragma once

#include <cstdint>

namespace logitloss {

constexpr int lowest_interval = -65;  // of the logit, in quarters

static inline int is_one(std::uint8_t z) { return z != 0; }
static inline int is_one(double z) { return z == 1; }

// The number of a row's cell. No branch: labels are as good as random.
template <class Float>
static inline int tally_cell(Float x, int one) {
  const Float scaled = x * 4;
  const Float t = scaled > 64 ? 64 : scaled >= -65 ? scaled : -65;  // where nan is as well
  const int k = static_cast<int>(t);
  return 2 * (k - static_cast<int>(t < static_cast<Float>(k)) - lowest_interval) + one;
}

}  // namespace logitloss
