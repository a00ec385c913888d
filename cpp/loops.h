// Pointers -> values: blocks of strided elements of any type are read into doubles, computed, rounded and written.
//
// Every element takes the same path whatever its place: a block that is not full runs the same function as a full one.
// All reads of a block come before its writes, so an output may be an input.
#pragma once

#include "exact_sum_add.h"
#include "math/sigmoid_cross_entropy.h"
#include "math/sigmoid_cross_entropy_exact.h"
#include "xent.h"

namespace XENT_NAMESPACE {

constexpr int block = 512;  // the doubles of a float32 loss and gradient take 28 KiB of a first-level cache

using xent::Array;
using xent::Task;
using xent::Type;

template <class T>
XENT_INLINE T read(const char* p) {
  T value;
  memcpy(&value, p, sizeof value);
  return value;
}

// Contiguous runs have a loop of their own only so that the compiler can see the constant stride.
template <class T, class To, class Load>
XENT_INLINE void gather(Array from, int n, To* to, Load load) {
  if (from.stride == sizeof(T)) {
    for (int i = 0; i < n; ++i) to[i] = load(read<T>(from.data + i * sizeof(T)));
  } else {
    for (int i = 0; i < n; ++i) to[i] = load(read<T>(from.data + i * from.stride));
  }
}

template <class Format>
XENT_INLINE void gather_format(Array from, int n, double* to) {
  gather<typename Format::Storage>(from, n, to, [](auto v) { return Format::load(v); });
}

template <class T>
XENT_INLINE void gather_number(Array from, int n, double* to) {
  gather<T>(from, n, to, [](T v) { return static_cast<double>(v); });
}

template <class Format>
XENT_INLINE void scatter(const double* XENT_RESTRICT from, int n, Array to) {
  using T = typename Format::Storage;
  char* XENT_RESTRICT data = to.data;
  const auto write = [&](int i, ptrdiff_t stride) {
    const T value = Format::store(from[i]);
    memcpy(data + i * stride, &value, sizeof value);
  };
  if (to.stride == sizeof(T)) {
    for (int i = 0; i < n; ++i) write(i, sizeof(T));
  } else {
    for (int i = 0; i < n; ++i) write(i, to.stride);
  }
}

XENT_NOINLINE void gather_labels(Type type, Array from, int n, double* to) {
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

enum Wanted : unsigned { loss_wanted = 1, gradient_wanted = 2, hessian_wanted = 4, weighted = 8 };

// Pairs, whose low parts the narrow formats do not need.
template <bool low, int size = block>
struct Pairs {
  double hi[size], lo[size];

  XENT_INLINE void put(Pairs& to, int i, Pair a) {
    to.hi[i] = a.hi;
    if constexpr (low) to.lo[i] = a.lo;
  }
  XENT_INLINE Pair get(const Pairs& from, int i) { return {from.hi[i], low ? from.lo[i] : 0}; }
};

template <bool low>
struct Block {
  double x[block], z[block], w[block];
  Pairs<low> u, s;  // u, and then the sigmoid in its place
  double loss[block], gradient[block], hessian[block];
  uint64_t open[block];
};

// Computes the wanted values of n elements; false if one of them is open. Three loops, because a processor looks ahead
// a few hundred instructions only: one chain from logit to loss would leave it no second element to work on.
template <class Format, unsigned wanted>
XENT_INLINE bool compute(Block<!Format::narrow>& b, double divisor, int n) {
  using P = Pairs<!Format::narrow>;
  constexpr bool wide = !Format::narrow;
  for (int i = 0; i < n; ++i) P::put(b.u, i, power<wide>(b.x[i]));
  for (int i = 0; i < n; ++i) {
    const Quotients q = quotients<wide>(b.x[i], P::get(b.u, i));
    if constexpr (wanted & loss_wanted) P::put(b.s, i, q.s);
    if constexpr (wanted & (gradient_wanted | hessian_wanted)) P::put(b.u, i, q.sigmoid);
  }
  uint64_t any = 0;  // not a bool: conditional reductions over two types are not vectorised
  for (int i = 0; i < n; ++i) {
    const Element e{b.x[i], b.z[i], wanted & weighted ? b.w[i] : 1, divisor};
    const Tail t{softplus<wide>(e.x, P::get(b.s, i)), P::get(b.u, i)};
    uint64_t open = 0;
    const auto keep = [&](Decision d, double* to) {
      to[i] = d.value;
      open |= d.open ? uint64_t{1} : uint64_t{0};
    };
    if constexpr (wanted & loss_wanted) keep(decide<Format>(loss<Format, (wanted & weighted) != 0>(e, t)), b.loss);
    if constexpr (wanted & gradient_wanted) keep(decide<Format>(gradient<Format>(e, t)), b.gradient);
    if constexpr (wanted & hessian_wanted) keep(decide<Format>(hessian<Format>(t)), b.hessian);
    b.open[i] = open;
    any |= open;
  }
  return any == 0;
}

// Decides the open ones.
template <class Format, unsigned wanted>
XENT_NOINLINE void settle(Block<!Format::narrow>& b, double divisor, int n) {
  for (int i = 0; i < n; ++i) {
    if (!b.open[i]) continue;
    const Element e{b.x[i], b.z[i], wanted & weighted ? b.w[i] : 1, divisor};
    const Tail t = tail<!Format::narrow>(e.x);
    constexpr bool w = (wanted & weighted) != 0;
    if constexpr (wanted & loss_wanted)
      if (decide<Format>(loss<Format, w>(e, t)).open) b.loss[i] = exact_loss<Format, w>(e);
    if constexpr (wanted & gradient_wanted)
      if (decide<Format>(gradient<Format>(e, t)).open) b.gradient[i] = exact_gradient<Format>(e);
    if constexpr (wanted & hessian_wanted)
      if (decide<Format>(hessian<Format>(t)).open) b.hessian[i] = exact_hessian<Format>(e);
  }
}

// Fills the last vector with zeros, so that a short block takes no scalar loop; what is computed there is not read.
template <bool low>
XENT_INLINE int padded(Block<low>& b, int n) {
  constexpr int most_lanes = 16;
  const int full = (n + most_lanes - 1) / most_lanes * most_lanes;
  for (int i = n; i < full; ++i) b.x[i] = b.z[i] = b.w[i] = 0;
  return full;
}

XENT_INLINE Array at(Array a, size_t i) { return {a.data + static_cast<ptrdiff_t>(i) * a.stride, a.stride}; }

template <class Format, unsigned wanted>
XENT_NOINLINE void loop(const Task& task, size_t n) {
  Block<!Format::narrow> b;
  for (size_t start = 0; start < n; start += block) {
    const int m = static_cast<int>(n - start < block ? n - start : block);
    gather_format<Format>(at(task.logits, start), m, b.x);
    gather_labels(task.labels_type, at(task.labels, start), m, b.z);
    if constexpr (wanted & weighted) gather_format<Float64>(at(task.pos_weight, start), m, b.w);
    if (!compute<Format, wanted>(b, task.divisor, padded(b, m))) settle<Format, wanted>(b, task.divisor, m);
    if (task.loss.data) scatter<Format>(b.loss, m, at(task.loss, start));
    if (task.gradient.data) scatter<Format>(b.gradient, m, at(task.gradient, start));
    if (task.hessian.data) scatter<Format>(b.hessian, m, at(task.hessian, start));
    if (task.total) add_block(b.loss, m, *task.total);
  }
}

}  // namespace XENT_NAMESPACE
