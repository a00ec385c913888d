// Rows by intervals of the logit: how many, and the exact sums of their labels, losses and residuals.
//
// The intervals are [k/4, (k+1)/4) for k from -64 to 63 and one beyond each end, each held twice: for the rows whose
// label is exactly 1, and for the others. Losses of one such cell differ by few binary orders, so a plain double holds
// the sum of many of them exactly. Where an addition would round, its error is kept in a second double; where that
// would round too, the second goes to a sum of 68 limbs. So nothing is ever rounded, and the limbs are seldom touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "exact_sum.h"
#include "xent.h"

namespace xent {

class CellSum {
 public:
  void add(double v);
  ExactSum finish();

 private:
  void spill(double v);
  double high_ = 0, low_ = 0;
  ExactSum rest_;
};

struct Tally {
  static constexpr int intervals = 130, lowest = -65;           // the interval below -16
  static constexpr int loss_intervals = 65, lowest_loss = -33;  // losses by powers of two, those below 2^-32 together
  struct Cell {
    std::int64_t rows = 0;
    CellSum label, loss, residual;
  };
  Cell cells[2 * intervals];
  std::int64_t losses[loss_intervals] = {};

  // n rows, all arrays contiguous. Labels are float64 unless they are booleans; the others have one type.
  template <class Float, class Label>
  void add(const Float* logits, const Label* labels, const Float* loss, const Float* residual, std::size_t n);
};

}  // namespace xent
