// Exact sums by the number of a group, a cluster or a bin: as many as there are columns for each.
//
// Numbers of one group mostly differ by few binary orders, so a plain double holds the sum of many of them exactly.
// Where an addition would round, its error is kept in a second double (Knuth's two_sum); where that would round too, the
// second goes to a sum of 68 limbs. So nothing is ever rounded, and the limbs are seldom touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exact_sum.h"

namespace logitloss {

class CompactSum {
 public:
  void add(double v);
  void add(const CompactSum& other);
  void add(const ExactSum& other);
  void add_limb(int limb, std::int64_t value);  // a limb of an ExactSum, or behind these one of its three counts
  ExactSum total() const;
  void round(double& high, double& low) const;  // the sum as an unevaluated sum of two doubles, without its specials
  const ExactSum* limbs() const { return rest_.get(); }  // null where no addition needed them

 private:
  ExactSum& rest();
  void spill(double v);
  double high_ = 0, low_ = 0;
  std::unique_ptr<ExactSum> rest_;  // most sums need none
};

struct SumTable {
  explicit SumTable(int n) : columns(n) {}
  SumTable(SumTable&&) = default;
  const int columns;
  std::vector<std::int64_t> rows;  // of each group
  std::vector<CompactSum> sums;    // for each group one of every column

  std::size_t size() const { return rows.size(); }
  CompactSum* at(std::size_t group) { return sums.data() + group * columns; }
  void resize(std::size_t groups);

  // n rows, of `columns` values each; groups are counted from 0.
  void add(const std::int32_t* groups, const double* values, std::size_t n);
  // All of another table, whose group i is our group groups[i].
  void merge(const SumTable& other, const std::int32_t* groups);
};

}  // namespace logitloss
