// See sum_table.h. Nothing may contract or reassociate here: the errors of the additions are what keeps the sums exact.
#include "sum_table.h"

#include <cmath>
#include <limits>

#include "logitloss.h"
#include "runtime/floating_point_mode.h"

namespace logitloss {

namespace {

constexpr double largest = std::numeric_limits<double>::max();

// What a + b loses when it is rounded to `sum`: Knuth's two_sum.
inline double error_of(double a, double b, double sum) {
  const double b_seen = sum - a;
  return (a - (sum - b_seen)) + (b - b_seen);
}

// Groups are all over the memory, so those of the next rows are fetched early.
constexpr std::size_t look_ahead = 8;
inline void prefetch(const void* data, std::size_t bytes) {
#ifdef __GNUC__
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char*>(data) + i, 1);
#else
  (void)data, (void)bytes;
#endif
}

void add_to(ExactSum& sum, double v) { add(Type::f64, {reinterpret_cast<char*>(&v), sizeof v}, 1, sum); }

}  // namespace

ExactSum& CompactSum::rest() {
  if (!rest_) rest_ = std::make_unique<ExactSum>();
  return *rest_;
}

void CompactSum::spill(double v) { add_to(rest(), v); }

void CompactSum::add(double v) {
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

void CompactSum::add(const CompactSum& other) {
  add(other.high_);
  add(other.low_);
  if (other.rest_) add(*other.rest_);
}

void CompactSum::add(const ExactSum& other) { rest().merge(other); }

void CompactSum::add_limb(int limb, std::int64_t value) {
  constexpr int of_doubles = 64;  // the limbs whose values, in halves of 32 bits, are doubles
  if (limb < of_doubles) {
    const std::int64_t high = value >> 32;
    add(std::ldexp(static_cast<double>(value - (high << 32)), 32 * limb - 1074));
    if (high) add(std::ldexp(static_cast<double>(high), 32 * (limb + 1) - 1074));
  } else if (limb < ExactSum::limbs) {
    rest().limb[limb] += value;
    rest().carry();
  } else {
    std::int64_t* counts[] = {&rest().nan, &rest().positive_infinity, &rest().negative_infinity};
    *counts[limb - ExactSum::limbs] += value;
  }
}

ExactSum CompactSum::total() const {
  ExactSum all;
  if (rest_) all = *rest_;
  add_to(all, high_);
  add_to(all, low_);
  all.carry();
  return all;
}

void CompactSum::round(double& high, double& low) const {
  if (!rest_) {
    high = high_ + low_;
    low = std::fabs(high) <= largest ? error_of(high_, low_, high) : 0;
    return;
  }
  ExactSum all = total();
  all.nan = all.positive_infinity = all.negative_infinity = 0;
  high = ExactSum(all).over(1);  // which leaves nothing of it
  low = 0;
  if (!(std::fabs(high) <= largest)) return;
  add_to(all, -high);
  low = all.over(1);
}

void SumTable::resize(std::size_t groups) {
  if (groups > 2 * size()) sums.reserve(groups * columns), rows.reserve(groups);  // no more than is asked for
  sums.resize(groups * columns);  // first: a group that has rows has sums, also where no memory was left
  rows.resize(groups);
}

void SumTable::add(const std::int32_t* groups, const double* values, std::size_t n) {
  const DefaultFloatingPointMode mode;
  for (std::size_t i = 0; i < n; ++i) {
    const auto group = static_cast<std::size_t>(groups[i]);
    if (group >= size()) resize(group + 1);
    ++rows[group];
    CompactSum* to = at(group);
    const auto ahead = static_cast<std::size_t>(groups[i + look_ahead < n ? i + look_ahead : i]);
    if (ahead < size()) prefetch(at(ahead), columns * sizeof(CompactSum));
    for (int k = 0; k < columns; ++k) to[k].add(values[i * columns + k]);
  }
}

void SumTable::merge(const SumTable& other, const std::int32_t* groups) {
  const DefaultFloatingPointMode mode;
  for (std::size_t i = 0; i < other.size(); ++i) {
    const auto group = static_cast<std::size_t>(groups[i]);
    if (group >= size()) resize(group + 1);
    rows[group] += other.rows[i];
    for (int k = 0; k < columns; ++k) at(group)[k].add(other.sums[i * columns + k]);
  }
}

}  // namespace logitloss
