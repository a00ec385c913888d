// A counter hashed to 64 random bits (splitmix64): the same inputs on every machine and in every part.
#pragma once

#include <cstdint>

namespace proof {

class Random {
 public:
  static constexpr std::uint64_t step = 0x9e3779b97f4a7c15;

  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  explicit Random(std::uint64_t seed) : state_(mix(seed * step)) {}

  std::uint64_t operator()() { return mix(state_ += step); }
  std::uint64_t below(std::uint64_t n) { return (*this)() % n; }
  double unit() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }  // in [0, 1)

 private:
  std::uint64_t state_;
};

}  // namespace proof
