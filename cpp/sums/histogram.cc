// See histogram.h. Nothing may contract or reassociate here.
#include "histogram.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "runtime/floating_point_mode.h"

namespace logitloss {

namespace {

constexpr int block = BinnedBlock::rows;

inline int loss_bin(double loss) {
  std::uint64_t bits;
  std::memcpy(&bits, &loss, sizeof bits);
  const int k = static_cast<int>(bits >> 52 & 0x7ff) - 1023 - Histogram::lowest_loss;
  return std::min(std::max(k, 0), Histogram::loss_bins - 1);
}

template <class T>
Array array_of(const T* values) {
  return {const_cast<char*>(reinterpret_cast<const char*>(values)), sizeof *values};
}

void count_fine(Histogram& to, int bin) {
  if (to.fine_rows.empty()) to.fine_rows.resize(2 * fine_bins.count());
  ++to.fine_rows[bin];
}

// Adds a row, of whatever kind, but for its fine bin; returns its weighted loss.
template <class Float, class Label>
double add_row(Histogram& to, Float x, Label z, const double* w, Float l, Float g) {
  const int one = is_one(z);
  const double weight = w ? *w : 1, loss = weight > 0 ? weight * l : 0;
  Histogram::Bin& bin = to.bins[bin_of(coarse_bins, x, one)];
  ++bin.rows;
  ++to.losses[loss_bin(l)];
  if (w) {
    bin.weight.add(weight);
    bin.weight2.add(weight * weight);
  }
  if (w || !one) bin.label.add(weight * z);
  bin.loss.add(loss);
  bin.residual.add(weight * g);
  return loss;
}

template <class Float, class Label>
void add_block(Histogram& to, const Float* x, const Label* z, const double* w, const Float* l, const Float* g, int n) {
  double loss2[block], weight2_loss[block], brier[block], variance[block];
  for (int i = 0; i < n; ++i) {
    const double weight = w ? w[i] : 1, label = z[i], residual = g[i];
    const double loss = add_row(to, x[i], z[i], w ? w + i : nullptr, l[i], g[i]);
    const int fine = bin_of(fine_bins, x[i], is_one(z[i]));
    if (!w && (label == 0 || label == 1)) {
      count_fine(to, fine);
    } else {
      if (to.fine_sums.empty()) to.fine_sums.resize(2 * fine_bins.count());
      to.fine_sums[fine & ~1].add(weight);
      to.fine_sums[fine | 1].add(weight * label);
    }
    const double p = label == 1 ? -residual : label + residual;  // or 1 - p, without a loss of digits
    loss2[i] = loss * loss;
    weight2_loss[i] = weight * loss;
    brier[i] = weight * (residual * residual);
    variance[i] = weight * weight * (p * (1 - p));
  }
  add(Type::f64, array_of(loss2), n, to.loss2);
  add(Type::f64, array_of(brier), n, to.brier);
  add(Type::f64, array_of(variance), n, to.variance);
  if (w) add(Type::f64, array_of(weight2_loss), n, to.weight2_loss);
}

// The sums of float32 rows with hard labels and no weights, in plain doubles. The losses of a bin with two ends lie
// within a factor of 1.3, and so do the residuals: they need 25 bits, and a double sums 2^27 of them without rounding.
// The losses are of one binary order or of two that follow each other, which the last bit of the exponent tells apart:
// so the rows of a bin and parity are those of one bin of the loss.
struct PlainSums {
  static constexpr int all = 4 * coarse_bins.count(), first = 4, last = all - 4;  // those with two ends
  static constexpr std::size_t most_rows = std::size_t{1} << 27;
  struct {
    double loss = 0, residual = 0;
  } sums[all];
  std::int64_t rows[all] = {};
  BinnedBlock binned;

  void add(Histogram& to, const float* x, const std::uint8_t* z, const float* l, const float* g, int n) {
    bin_block(x, z, l, g, n, binned);
    if (to.fine_rows.empty()) to.fine_rows.resize(2 * fine_bins.count());
    for (int i = 0; i < n; ++i) {
      const int c = binned.coarse[i];
      ++rows[c];
      ++to.fine_rows[binned.fine[i]];
      sums[c].loss += l[i];
      sums[c].residual += g[i];
    }
    const auto is_end = [](unsigned c) { return c - first >= unsigned{last - first}; };
    unsigned ends = 0;
    for (int i = 0; i < n; ++i) ends |= is_end(binned.coarse[i]);
    for (int i = 0; ends && i < n; ++i)
      if (is_end(binned.coarse[i])) add_row(to, x[i], z[i], nullptr, l[i], g[i]);
    logitloss::add(Type::f64, array_of(binned.loss2), n, to.loss2);
    logitloss::add(Type::f64, array_of(binned.brier), n, to.brier);
    logitloss::add(Type::f64, array_of(binned.variance), n, to.variance);
  }

  void add_to(Histogram& to) const {
    for (int i = first; i < last; ++i) {
      if (!rows[i]) continue;
      Histogram::Bin& bin = to.bins[i / 2];
      bin.rows += rows[i];
      bin.loss.add(sums[i].loss);
      bin.residual.add(sums[i].residual);
      to.losses[loss_bin(sums[i].loss / static_cast<double>(rows[i]))] += rows[i];
    }
  }
};

}  // namespace

template <class Float, class Label>
void Histogram::add(const Float* logits, const Label* labels, const double* weights, std::size_t n) {
  constexpr bool hard = std::is_same<Label, std::uint8_t>::value;
  constexpr bool may_be_plain = hard && std::is_same<Float, float>::value;
  if (n > PlainSums::most_rows) {
    const std::size_t half = n / 2;
    add(logits, labels, weights, half);
    return add(logits + half, labels + half, weights ? weights + half : nullptr, n - half);
  }
  const DefaultFloatingPointMode mode;
  weighted = weights != nullptr;
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

template void Histogram::add(const float*, const std::uint8_t*, const double*, std::size_t);
template void Histogram::add(const float*, const double*, const double*, std::size_t);
template void Histogram::add(const double*, const std::uint8_t*, const double*, std::size_t);
template void Histogram::add(const double*, const double*, const double*, std::size_t);

Histogram::Sums Histogram::coarse() const {
  Sums sums{{}, SumTable(5)};
  for (int k = 0; k < coarse_bins.count(); ++k) {
    if (!bins[2 * k].rows && !bins[2 * k + 1].rows) continue;
    sums.numbers.push_back(k + coarse_bins.lowest());
    sums.table.resize(sums.numbers.size());
    CompactSum* to = sums.table.at(sums.numbers.size() - 1);
    for (int one = 0; one < 2; ++one) {
      const Bin& bin = bins[2 * k + one];
      const auto rows = static_cast<double>(bin.rows);
      sums.table.rows.back() += bin.rows;
      const CompactSum* parts[] = {&bin.weight, &bin.weight2, &bin.label, &bin.residual, &bin.loss};
      for (int i = 0; i < 5; ++i) to[i].add(*parts[i]);
      if (weighted) continue;
      to[0].add(rows);
      to[1].add(rows);
      to[2].add(one * rows);
    }
  }
  return sums;
}

Histogram::Sums Histogram::fine() const {
  Sums sums{{}, SumTable(2)};
  for (int k = 0; k < fine_bins.count(); ++k) {
    const std::int64_t zeros = fine_rows.empty() ? 0 : fine_rows[2 * k];
    const std::int64_t ones = fine_rows.empty() ? 0 : fine_rows[2 * k + 1];
    CompactSum weight, label;
    weight.add(static_cast<double>(zeros + ones));
    label.add(static_cast<double>(ones));
    if (!fine_sums.empty()) {
      weight.add(fine_sums[2 * k]);
      label.add(fine_sums[2 * k + 1]);
    }
    double high, low;
    weight.round(high, low);
    if (high == 0) continue;
    sums.numbers.push_back(k + fine_bins.lowest());
    sums.table.resize(sums.numbers.size());
    CompactSum* to = sums.table.at(sums.numbers.size() - 1);
    to[0] = std::move(weight);
    to[1] = std::move(label);
  }
  return sums;
}

SumTable Histogram::all() const {
  const Sums by_bin = coarse();
  SumTable bins(5), sums(weighted ? 9 : 6);
  const std::vector<std::int32_t> one_group(by_bin.table.size());
  bins.resize(1);
  bins.merge(by_bin.table, one_group.data());
  sums.resize(1);
  sums.rows[0] = bins.rows[0];
  CompactSum *to = sums.at(0), *from = bins.at(0);
  to[0].add(from[4]);
  to[1].add(loss2);
  to[2].add(from[2]);
  to[3].add(from[3]);
  to[4].add(brier);
  to[5].add(variance);
  if (!weighted) return sums;
  to[6].add(from[0]);
  to[7].add(from[1]);
  to[8].add(weight2_loss);
  return sums;
}

}  // namespace logitloss
