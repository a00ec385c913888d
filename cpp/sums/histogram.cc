// See tally.h. Nothing may contract or reassociate here: the errors of the additions are what keeps the sums exact.
#include "histogram.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "runtime/floating_point_mode.h"

namespace logitloss {

namespace {

constexpr double largest = 0x1.fffffffffffffp1023;
constexpr int block = 512;

// What a + b loses when it is rounded to `sum`.
inline double error_of(double a, double b, double sum) {
  const double b_seen = sum - a;
  return (a - (sum - b_seen)) + (b - b_seen);
}

inline int loss_interval(double loss) {
  std::uint64_t bits;
  std::memcpy(&bits, &loss, sizeof bits);
  const int k = static_cast<int>(bits >> 52 & 0x7ff) - 1023 - Tally::lowest_loss;
  return std::min(std::max(k, 0), Tally::loss_intervals - 1);
}

template <class T>
Array array_of(const T* values) {
  return {const_cast<char*>(reinterpret_cast<const char*>(values)), sizeof *values};
}

}  // namespace

void CellSum::spill(double v) {
  if (!rest_) rest_ = std::make_unique<ExactSum>();
  logitloss::add(Type::f64, array_of(&v), 1, *rest_);
}

inline void CellSum::add(double v) {
  const double sum = high_ + v;
  const double error = error_of(high_, v, sum);
  if (error == 0) {
    high_ = sum;
  } else if (!(std::fabs(v) <= largest && std::fabs(sum) <= largest)) {
    spill(v);
  } else {
    high_ = sum;
    const double low = low_ + error;
    if (error_of(low_, error, low) == 0) {
      low_ = low;
    } else {
      spill(low_);
      low_ = error;
    }
  }
}

ExactSum CellSum::total() const {
  ExactSum all;
  if (rest_) all = *rest_;
  const double parts[] = {high_, low_};
  logitloss::add(Type::f64, array_of(parts), 2, all);
  all.carry();
  return all;
}

namespace {

// Adds a row, of whatever kind; returns its weighted loss.
template <class Float, class Label>
double add_row(Tally& tally, Float x, Label z, const double* w, Float l, Float g) {
  const int one = is_one(z);
  const double weight = w ? *w : 1, loss = weight > 0 ? weight * l : 0;
  Tally::Cell& cell = tally.cells[tally_cell(x, one)];
  ++cell.rows;
  ++tally.losses[loss_interval(l)];
  if (w) cell.weight.add(weight);
  if (w || !one) cell.label.add(weight * z);
  cell.loss.add(loss);
  cell.residual.add(weight * g);
  return loss;
}

template <class Float, class Label>
void add_block(Tally& tally, const Float* x, const Label* z, const double* w, const Float* l, const Float* g, int n) {
  double loss2[block], weight2[block], weight2_loss[block];
  for (int i = 0; i < n; ++i) {
    const double weight = w ? w[i] : 1, loss = add_row(tally, x[i], z[i], w ? w + i : nullptr, l[i], g[i]);
    loss2[i] = loss * loss;
    weight2[i] = weight * weight;
    weight2_loss[i] = weight * loss;
  }
  add(Type::f64, array_of(loss2), n, tally.loss2);
  if (!w) return;
  add(Type::f64, array_of(weight2), n, tally.weight2);
  add(Type::f64, array_of(weight2_loss), n, tally.weight2_loss);
}

// The sums of float32 rows with hard labels and no weights, in plain doubles. The losses of a cell with two ends lie
// within a factor of 1.3, and so do the residuals: they need 25 bits, and a double sums 2^27 of them without rounding.
// The losses are of one binary order or of two that follow each other, which the last bit of the exponent tells apart:
// so the rows of a cell and parity are those of one interval of the loss.
struct PlainSums {
  static constexpr int all = 2 * 2 * Tally::intervals, first = 4, last = all - 4;  // those with two ends
  static constexpr std::size_t most_rows = std::size_t{1} << 27;
  struct {
    double loss = 0, residual = 0;
  } sums[all];
  std::int64_t rows[all] = {};

  void add(Tally& tally, const float* x, const std::uint8_t* z, const float* l, const float* g, int n) {
    std::uint16_t cell[block];
    double loss2[block];
    tally_cells(x, z, l, n, cell, loss2);
    for (int i = 0; i < n; ++i) {
      const int c = cell[i];
      ++rows[c];
      sums[c].loss += l[i];
      sums[c].residual += g[i];
    }
    const auto is_end = [](unsigned c) { return c - first >= unsigned{last - first}; };
    unsigned ends = 0;
    for (int i = 0; i < n; ++i) ends |= is_end(cell[i]);
    for (int i = 0; ends && i < n; ++i)
      if (is_end(cell[i])) add_row(tally, x[i], z[i], nullptr, l[i], g[i]);
    logitloss::add(Type::f64, array_of(loss2), n, tally.loss2);
  }

  void add_to(Tally& tally) const {
    for (int i = first; i < last; ++i) {
      if (!rows[i]) continue;
      Tally::Cell& cell = tally.cells[i / 2];
      cell.rows += rows[i];
      cell.loss.add(sums[i].loss);
      cell.residual.add(sums[i].residual);
      tally.losses[loss_interval(sums[i].loss / static_cast<double>(rows[i]))] += rows[i];
    }
  }
};

}  // namespace

template <class Float, class Label>
void Tally::add(const Float* logits, const Label* labels, const double* weights, std::size_t n) {
  constexpr bool hard = std::is_same<Label, std::uint8_t>::value;
  constexpr bool may_be_plain = hard && std::is_same<Float, float>::value;
  if (n > PlainSums::most_rows) {
    const std::size_t half = n / 2;
    add(logits, labels, weights, half);
    return add(logits + half, labels + half, weights ? weights + half : nullptr, n - half);
  }
  const DefaultFloatingPointMode mode;
  PlainSums plain;
  Float loss[block], residual[block];
  Task task;
  task.logits_type = std::is_same<Float, float>::value ? Type::f32 : Type::f64;
  task.labels_type = hard ? Type::boolean : Type::f64;
  task.loss = array_of(loss);
  task.gradient = array_of(residual);
  for (std::size_t start = 0; start < n; start += block) {
    const int m = static_cast<int>(std::min<std::size_t>(n - start, block));
    const Float* x = logits + start;
    const Label* z = labels + start;
    task.logits = array_of(x);
    task.labels = array_of(z);
    run(task, m);
    if constexpr (may_be_plain) {
      if (!weights) {
        plain.add(*this, x, z, loss, residual, m);
        continue;
      }
    }
    add_block(*this, x, z, weights ? weights + start : nullptr, loss, residual, m);
  }
  plain.add_to(*this);
}

template void Tally::add(const float*, const std::uint8_t*, const double*, std::size_t);
template void Tally::add(const float*, const double*, const double*, std::size_t);
template void Tally::add(const double*, const std::uint8_t*, const double*, std::size_t);
template void Tally::add(const double*, const double*, const double*, std::size_t);

void GroupSums::add(const std::int32_t* groups, const double* values, std::size_t n) {
  const DefaultFloatingPointMode mode;
  for (std::size_t i = 0; i < n; ++i) {
    const auto group = static_cast<std::size_t>(groups[i]);
    if (group >= rows.size()) {
      sums.resize((group + 1) * columns);  // first: a group that has rows has sums, also where no memory was left
      rows.resize(group + 1);
    }
    ++rows[group];
    for (int k = 0; k < columns; ++k) sums[group * columns + k].add(values[i * columns + k]);
  }
}

}  // namespace logitloss
