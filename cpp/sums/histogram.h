// Exact sums of many rows by the cell that each row belongs to: an interval of its logit, or the number of its group.
//
// Numbers of one cell mostly differ by few binary orders, so a plain double holds the sum of many of them exactly.
// Where an addition would round, its error is kept in a second double; where that would round too, the second goes to a
// sum of 68 limbs. So nothing is ever rounded, and the limbs are seldom touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exact_sum.h"
#include "histogram_bin.h"
#include "logitloss.h"

namespace logitloss {

class CellSum {
 public:
  void add(double v);
  ExactSum total() const;

 private:
  void spill(double v);
  double high_ = 0, low_ = 0;
  std::unique_ptr<ExactSum> rest_;  // most cells need none
};

// Rows by intervals of the logit: how many, and the sums of their weights, labels, losses and residuals (the predicted
// probability minus the label). The intervals are [k/4, (k+1)/4) for k from -64 to 63 and one beyond each end, each
// held twice: for the rows whose label is exactly 1, and for the others.
struct Tally {
  static constexpr int intervals = 130, lowest = lowest_interval;  // the one below -16
  static constexpr int loss_intervals = 65, lowest_loss = -33;  // losses by powers of two, those below 2^-32 together
  struct Cell {
    std::int64_t rows = 0;
    CellSum weight, label, loss, residual;  // without weights, those of no weight and of a label of 1 are not added
  };
  Cell cells[2 * intervals];
  std::int64_t losses[loss_intervals] = {};
  ExactSum loss2, weight2, weight2_loss;  // with w the weight and l the loss, of (w l)^2, w^2 and w^2 l

  // n rows. Labels are float64 unless they are booleans, a byte each; there may be no weights.
  template <class Float, class Label>
  void add(const Float* logits, const Label* labels, const double* weights, std::size_t n);
};

// For each of n rows twice its cell, plus the last bit of the exponent of its loss; and the square of its loss.
void tally_cells(const float* logits, const std::uint8_t* labels, const float* loss, int n, std::uint16_t* cells,
                 double* squares);

// Rows by the number of their group: how many, and the sums of some columns.
struct GroupSums {
  explicit GroupSums(int n) : columns(n) {}
  GroupSums(const GroupSums&) = delete;
  const int columns;
  std::vector<std::int64_t> rows;  // of each group, and as many sums as columns for each
  std::vector<CellSum> sums;

  // n rows, of `columns` values each; groups are counted from 0.
  void add(const std::int32_t* groups, const double* values, std::size_t n);
};

}  // namespace logitloss
