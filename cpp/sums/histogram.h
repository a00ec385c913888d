// Exact sums of binary rows: of all of them, and by bins of the logit and of the loss.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "exact_sum.h"
#include "histogram_bins.h"
#include "logitloss.h"
#include "sum_table.h"

namespace logitloss {

// With the logit x, the label z, the weight w, the loss l, the residual r, which is the predicted probability p minus z:
// sums of w, w^2, w z, w r and w l by coarse bins, each held twice, for the rows whose label is exactly 1 and for the
// others; of w and w z by fine bins; and of all rows. Losses are counted by powers of two, those below 2^-32 together.
struct Histogram {
  static constexpr int loss_bins = 65, lowest_loss = -33;
  struct Bin {
    std::int64_t rows = 0;
    CompactSum weight, weight2, label, residual, loss;  // without weights, no weights and no label of 1 are added
  };
  Bin bins[2 * coarse_bins.count()];
  std::vector<std::int64_t> fine_rows;  // twice as well; of rows without weights whose labels are 0 or 1
  std::vector<CompactSum> fine_sums;    // of the others, weight and label for each bin
  std::int64_t losses[loss_bins] = {};
  ExactSum loss2, weight2_loss, brier, variance;  // (w l)^2, w^2 l, w r^2, w^2 p (1 - p)
  bool weighted = false;

  // n rows. Labels are float64 unless they are booleans, a byte each; all rows have weights, or none.
  template <class Float, class Label>
  void add(const Float* logits, const Label* labels, const double* weights, std::size_t n);

  // The sums of the occupied bins, whose numbers are those k from which they reach.
  struct Sums {
    std::vector<std::int64_t> numbers;
    SumTable table;
  };
  Sums coarse() const;  // weight, weight2, label, residual, loss
  Sums fine() const;    // weight, label
  // Those of all rows: loss, loss2, label, residual, brier, variance and with weights weight, weight2, weight2_loss.
  SumTable all() const;
};

// For each of n rows its fine and its coarse bin, the latter doubled again, plus the last bit of the exponent of its
// loss; and the squares of loss and residual, and p (1 - p).
struct BinnedBlock {
  static constexpr int rows = 512;
  std::uint16_t fine[rows], coarse[rows];
  double loss2[rows], brier[rows], variance[rows];
};
void bin_block(const float* logits, const std::uint8_t* labels, const float* loss, const float* residual, int n,
               BinnedBlock& block);

}  // namespace logitloss
