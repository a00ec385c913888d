// The bins of a row in a histogram. Static, because kernels are compiled once per instruction set, and the linker may
// keep any copy of a shared function.
#pragma once

#include <cstdint>

namespace logitloss {

// Bins [k / per_logit, (k + 1) / per_logit) for k from -reach to reach - 1, and one beyond each end.
struct LogitBins {
  int per_logit, reach;
  constexpr int lowest() const { return -reach - 1; }
  constexpr int count() const { return 2 * reach + 2; }
};
constexpr LogitBins coarse_bins{4, 64};    // what is summed over them is drawn
constexpr LogitBins fine_bins{256, 8192};  // what is counted in them is ranked

static inline int is_one(std::uint8_t z) { return z != 0; }
static inline int is_one(double z) { return z == 1; }

// Twice the number of the logit's bin, from 0, plus 1 where the label is 1. No branch: labels are as good as random.
template <class Float>
static inline int bin_of(const LogitBins& bins, Float x, int one) {
  const auto lowest = static_cast<Float>(bins.lowest()), highest = static_cast<Float>(bins.reach);
  const Float scaled = x * static_cast<Float>(bins.per_logit);
  const Float t = scaled > highest ? highest : scaled >= lowest ? scaled : lowest;  // where nan is as well
  const int k = static_cast<int>(t);
  return 2 * (k - static_cast<int>(t < static_cast<Float>(k)) - bins.lowest()) + one;
}

}  // namespace logitloss
