// Elements that do not count: whatever they hold, nan and infinities too, their results are +0.
//
// They are computed on logits and labels of 0, which keep a block on the fast path, and their results are cleared by
// bit operations: a product with 0 would keep a nan and the sign of a zero. Their losses are all the same, so a sum
// loses them as one product; zeros among the losses would take it off its own fast path.
#pragma once

#include "block.h"
#include "exact_sum_add.h"
#include "logitloss.h"

namespace LOGITLOSS_NAMESPACE {

struct WhereBlock {
  uint8_t counts[block];  // 0 or 1
  char logits[8 * block], labels[8 * block], pos_weight[8 * block];
};

// Reads n elements of a bool array; true if one of them does not count.
LOGITLOSS_NOINLINE bool gather_where(logitloss::Array from, int n, WhereBlock& to) {
  uint8_t all = 1;
  const auto copy = [&](ptrdiff_t stride) {
    for (int i = 0; i < n; ++i) all &= to.counts[i] = from.data[i * stride] != 0;
  };
  from.stride == 1 ? copy(1) : copy(from.stride);
  return !all;
}

template <class T>
LOGITLOSS_INLINE T kept(T value, uint8_t counts) {
  using Bits = typename Unsigned<T>::type;
  return bit_cast<T>(static_cast<Bits>(bit_cast<Bits>(value) & static_cast<Bits>(0 - uint64_t{counts})));
}

template <class T>
LOGITLOSS_NOINLINE void clear_uncounted(const uint8_t* LOGITLOSS_RESTRICT counts, int n, T* LOGITLOSS_RESTRICT values) {
  for (int i = 0; i < n; ++i) values[i] = kept(values[i], counts[i]);
}

// Copies n elements, those that do not count as 0, which is all bits 0 in every type.
template <class Bits>
LOGITLOSS_NOINLINE logitloss::Array copy_counted(logitloss::Array from, const uint8_t* LOGITLOSS_RESTRICT counts, int n,
                                                 char* LOGITLOSS_RESTRICT to) {
  const auto copy = [&](ptrdiff_t stride) {
    for (int i = 0; i < n; ++i) {
      Bits bits;
      memcpy(&bits, from.data + i * stride, sizeof bits);
      bits &= static_cast<Bits>(0 - uint64_t{counts[i]});
      memcpy(to + i * sizeof bits, &bits, sizeof bits);
    }
  };
  from.stride == sizeof(Bits) ? copy(sizeof(Bits)) : copy(from.stride);
  return {to, sizeof(Bits)};
}

LOGITLOSS_INLINE logitloss::Array copy_counted(logitloss::Type type, logitloss::Array from, const uint8_t* counts,
                                               int n, char* to) {
  switch (logitloss::size_of(type)) {
    case 1: return copy_counted<uint8_t>(from, counts, n, to);
    case 2: return copy_counted<uint16_t>(from, counts, n, to);
    case 4: return copy_counted<uint32_t>(from, counts, n, to);
    default: return copy_counted<uint64_t>(from, counts, n, to);
  }
}

template <unsigned wanted, class Format>
LOGITLOSS_INLINE void clear_uncounted(const WhereBlock& where, int n, Block<Format>& b) {
  if constexpr (wanted & loss_wanted) clear_uncounted(where.counts, n, b.loss);
  if constexpr (wanted & gradient_wanted) clear_uncounted(where.counts, n, b.gradient);
  if constexpr (wanted & hessian_wanted) clear_uncounted(where.counts, n, b.hessian);
}

// Takes the losses of 0, of elements that do not count, off a sum. Each product is exact: 9 bits by at most 30.
template <class T>
LOGITLOSS_NOINLINE void subtract_uncounted(const WhereBlock& where, int n, const T* losses, ExactSum& sum) {
  int uncounted = 0;
  for (int i = 0; i < n; ++i) uncounted += 1 - where.counts[i];
  const auto* first = static_cast<const uint8_t*>(memchr(where.counts, 0, static_cast<size_t>(n)));
  const double loss = losses[first - where.counts], high = to_multiple(loss, 0x1.8p22);
  add_value(-uncounted * high, sum);
  add_value(-uncounted * (loss - high), sum);
}

}  // namespace LOGITLOSS_NAMESPACE
