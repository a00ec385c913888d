// Pointers -> values: blocks of strided elements of any type are read as doubles, computed, rounded and written.
//
// Every element takes the same path whatever its position: a partial block runs the same function as a full one. All
// reads of a block come before its writes, so an output may be an input.
#pragma once

#include "exact_sum_add.h"
#include "fast_path.h"
#include "float16_convert.h"
#include "logitloss.h"
#include "mask.h"
#include "non_temporal_store.h"

namespace LOGITLOSS_NAMESPACE {

using logitloss::Array;
using logitloss::Task;
using logitloss::Type;

LOGITLOSS_INLINE Array at(Array a, size_t i) { return {a.data + static_cast<ptrdiff_t>(i) * a.stride, a.stride}; }

template <class T>
LOGITLOSS_INLINE T read(const char* p) {
  T value;
  memcpy(&value, p, sizeof value);
  return value;
}

// Contiguous runs have a loop of their own only so that the compiler can see the constant stride.
template <class T, class To, class Load>
LOGITLOSS_INLINE void gather(Array from, int n, To* to, Load load) {
  if (from.stride == sizeof(T)) {
    for (int i = 0; i < n; ++i) to[i] = load(read<T>(from.data + i * sizeof(T)));
  } else {
    for (int i = 0; i < n; ++i) to[i] = load(read<T>(from.data + i * from.stride));
  }
}

template <class Format>
LOGITLOSS_INLINE void gather_format(Array from, int n, double* to) {
  using T = typename Format::Storage;
  const int done = from.stride == sizeof(T) ? load_vectors(Format{}, from.data, n, to) : 0;
  gather<T>(at(from, done), n - done, to + done, [](auto v) { return Format::load(v); });
}

template <class T>
LOGITLOSS_INLINE void gather_number(Array from, int n, double* to) {
  gather<T>(from, n, to, [](T v) { return static_cast<double>(v); });
}

template <class Format, class Result>
LOGITLOSS_INLINE void scatter(const Result* LOGITLOSS_RESTRICT from, int n, Array to, bool non_temporal = false) {
  using T = typename Format::Storage;
  char* LOGITLOSS_RESTRICT data = to.data;
  const auto write = [&](char* to_data, int i, ptrdiff_t stride) {
    const T value = Format::store(from[i]);
    memcpy(to_data + i * stride, &value, sizeof value);
  };
  const auto write_run = [&](char* to_data) {
    for (int i = store_vectors(Format{}, from, n, to_data); i < n; ++i) write(to_data, i, sizeof(T));
  };
  if (to.stride != sizeof(T)) {
    for (int i = 0; i < n; ++i) write(data, i, to.stride);
  } else if (!non_temporal) {
    write_run(data);
  } else {
    const auto bytes = static_cast<size_t>(n) * sizeof(T);
    if constexpr (sizeof(T) == sizeof(Result)) return stream(reinterpret_cast<const char*>(from), bytes, data);
    char values[block * sizeof(T)];
    write_run(values);
    stream(values, bytes, data);
  }
}

LOGITLOSS_NOINLINE void gather_labels(Type type, Array from, int n, double* to) {
  switch (type) {
    case Type::f16: return gather_format<Float16>(from, n, to);
    case Type::bf16: return gather_format<BFloat16>(from, n, to);
    case Type::f32: return gather_format<Float32>(from, n, to);
    case Type::f64: return gather_format<Float64>(from, n, to);
    case Type::boolean: return gather<uint8_t>(from, n, to, [](uint8_t v) { return v != 0 ? 1.0 : 0.0; });
    case Type::i8: return gather_number<int8_t>(from, n, to);
    case Type::u8: return gather_number<uint8_t>(from, n, to);
    case Type::i16: return gather_number<int16_t>(from, n, to);
    case Type::u16: return gather_number<uint16_t>(from, n, to);
    case Type::i32: return gather_number<int32_t>(from, n, to);
    case Type::u32: return gather_number<uint32_t>(from, n, to);
    case Type::i64: return gather_number<int64_t>(from, n, to);
    case Type::u64: return gather_number<uint64_t>(from, n, to);
  }
}

template <class Format>
LOGITLOSS_INLINE void add_losses(const Block<Format>& b, int n, ExactSum& sum) {
  if constexpr (Format::correctly_rounded)
    add_loss_block<true>(b.s.hi, n, sum);
  else
    add_loss_block<false>(b.loss, n, sum);
}
LOGITLOSS_INLINE void add_losses(const Block<Float16>& b, int n, ExactSum& sum) { add_float16_block(b.s.hi, n, sum); }

template <class Format>
LOGITLOSS_INLINE void subtract_uncounted(const WhereBlock& where, const Block<Format>& b, int n, ExactSum& sum) {
  if constexpr (Format::correctly_rounded)
    subtract_uncounted(where, n, b.s.hi, sum);
  else
    subtract_uncounted(where, n, b.loss, sum);
}

template <class Format, unsigned wanted>
LOGITLOSS_NOINLINE void loop(const Task& task, size_t n) {
  Block<Format> b;
  WhereBlock where;
  for (size_t start = 0; start < n; start += block) {
    const int m = static_cast<int>(n - start < block ? n - start : block);
    Array logits = at(task.logits, start), labels = at(task.labels, start), pos_weight = at(task.pos_weight, start);
    const bool masked = task.where.data && gather_where(at(task.where, start), m, where);
    if (masked) {
      logits = copy_counted(task.logits_type, logits, where.counts, m, where.logits);
      labels = copy_counted(task.labels_type, labels, where.counts, m, where.labels);
      if constexpr (wanted & weighted)
        pos_weight = copy_counted(Type::f64, pos_weight, where.counts, m, where.pos_weight);
    }
    gather_format<Format>(logits, m, b.x);
    gather_labels(task.labels_type, labels, m, b.z);
    if constexpr (wanted & weighted) gather_format<Float64>(pos_weight, m, b.w);
    compute<Format, wanted>(b, task.divisor, m);
    if (masked) clear_uncounted<wanted>(where, m, b);
    if (task.loss.data) scatter<Format>(b.loss, m, at(task.loss, start), task.non_temporal);
    if (task.gradient.data) scatter<Format>(b.gradient, m, at(task.gradient, start), task.non_temporal);
    if (task.hessian.data) scatter<Format>(b.hessian, m, at(task.hessian, start), task.non_temporal);
    if constexpr (wanted & total_wanted) {
      add_losses(b, m, *task.total);
      if (masked) subtract_uncounted(where, b, m, *task.total);
    }
  }
  if (task.non_temporal) fence_non_temporal();
}

}  // namespace LOGITLOSS_NAMESPACE
