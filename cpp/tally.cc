// See tally.h. Nothing may contract or reassociate here: the errors of the additions are what keeps the sums exact.
#include "tally.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "floating_point_mode.h"

namespace xent {

namespace {

constexpr double largest = 0x1.fffffffffffffp1023;

// What a + b loses when it is rounded to `sum`.
inline double error_of(double a, double b, double sum) {
  const double b_seen = sum - a;
  return (a - (sum - b_seen)) + (b - b_seen);
}

// The number of a row's cell. No branch: labels are as good as random.
template <class Float>
inline int cell_of(Float x, int one) {
  const Float scaled = x * 4;
  const Float t = scaled > 64 ? 64 : scaled >= -65 ? scaled : -65;  // where nan is as well
  const int k = static_cast<int>(t);
  return 2 * (k - static_cast<int>(t < static_cast<Float>(k)) - Tally::lowest) + one;
}

template <class Bits>
inline int loss_interval_of(Bits bits, int fraction_bits, int bias) {
  const int k = static_cast<int>(bits >> fraction_bits) - bias - Tally::lowest_loss;  // no loss is negative
  const int above = k < 0 ? 0 : k;
  return above < Tally::loss_intervals ? above : Tally::loss_intervals - 1;
}

inline int loss_interval(float loss) {
  std::uint32_t bits;
  std::memcpy(&bits, &loss, sizeof bits);
  return loss_interval_of(bits & 0x7fffffff, 23, 127);
}

inline int loss_interval(double loss) {
  std::uint64_t bits;
  std::memcpy(&bits, &loss, sizeof bits);
  return loss_interval_of(bits & 0x7fffffffffffffff, 52, 1023);
}

inline bool is_one(bool z) { return z; }
inline bool is_one(double z) { return z == 1; }

}  // namespace

void CellSum::spill(double v) { xent::add(Type::f64, {reinterpret_cast<char*>(&v), sizeof v}, 1, rest_); }

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

ExactSum CellSum::finish() {
  spill(high_);
  spill(low_);
  high_ = low_ = 0;
  rest_.carry();
  return rest_;
}

template <class Float, class Label>
void Tally::add(const Float* logits, const Label* labels, const Float* loss, const Float* residual, std::size_t n) {
  // The losses of an inner cell of float32 rows with hard labels lie within a factor of 1.3, and so do the residuals:
  // they need 26 bits, and a double sums 2^27 of them without rounding. These sums live here for one call.
  constexpr bool plain = std::is_same<Float, float>::value && std::is_same<Label, bool>::value;
  constexpr int block = 512, ends = 2, all = 2 * intervals;
  struct {
    double loss[all] = {}, residual[all] = {};
  } sums;
  std::int64_t rows[all] = {};
  std::uint16_t cell[block], loss_cell[block];
  const DefaultFloatingPointMode mode;
  for (std::size_t start = 0; start < n; start += block) {
    const int m = static_cast<int>(n - start < block ? n - start : block);
    const Float *x = logits + start, *l = loss + start, *g = residual + start;
    const Label* z = labels + start;
    for (int i = 0; i < m; ++i) cell[i] = static_cast<std::uint16_t>(cell_of(x[i], is_one(z[i]) ? 1 : 0));
    for (int i = 0; i < m; ++i) loss_cell[i] = static_cast<std::uint16_t>(loss_interval(l[i]));
    for (int i = 0; i < m; ++i) {
      const int c = cell[i];
      ++rows[c];
      ++losses[loss_cell[i]];
      if (plain && c >= ends && c < all - ends) {
        sums.loss[c] += l[i];
        sums.residual[c] += g[i];
        continue;
      }
      cells[c].loss.add(l[i]);
      cells[c].residual.add(g[i]);
      if (!is_one(z[i])) cells[c].label.add(static_cast<double>(z[i]));
    }
  }
  for (int c = 0; c < all; ++c) {
    cells[c].rows += rows[c];
    if (plain) {
      cells[c].loss.add(sums.loss[c]);
      cells[c].residual.add(sums.residual[c]);
    }
  }
}

template void Tally::add(const float*, const bool*, const float*, const float*, std::size_t);
template void Tally::add(const float*, const double*, const float*, const float*, std::size_t);
template void Tally::add(const double*, const bool*, const double*, const double*, std::size_t);
template void Tally::add(const double*, const double*, const double*, const double*, std::size_t);

}  // namespace xent
