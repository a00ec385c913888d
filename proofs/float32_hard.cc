// Every float32 logit with labels 0 and 1: loss, gradient and hessian.

#include "correctly_rounded.h"

namespace {

using namespace proof;

constexpr std::uint32_t block = 2048;  // consecutive sizes; with two signs and two labels a full batch
constexpr std::uint32_t infinity = 0x7f800000;

float from_bits(std::uint32_t b) { return as<float>(b); }

// |x| <= 2^-7 in one segment around 0, then one segment per block, of radius 2^-13 relative to x.
double centre_of(std::uint32_t first) {
  const double low = from_bits(first), high = from_bits(first + block);
  return high <= segment_radius ? 0 : (low + high) / 2;
}

// Infinities have limits, and every nan gives nan.
void edges(const Options& o, CorrectlyRounded<Float32>& rounded, Batch<Float32>& batch, Report& report) {
  const auto check = [&] {
    rounded.compute(batch, true);
    for (int i = 0; i < batch.size; ++i) {
      const float x = batch.x[i], z = batch.z[i];
      const bool agree = x > 0 ? z == 1 : z == 0;
      const float expected[] = {x != x ? x : agree ? 0 : INFINITY, x != x ? x : (x > 0 ? 1 : 0) - z, x != x ? x : 0};
      const float got[] = {batch.loss[i], batch.gradient[i], batch.hessian[i]};
      for (int k = 0; k < 3; ++k)
        if (!(got[k] == expected[k] || (x != x && got[k] != got[k])))
          report.wrong(text("result %d at x=%a z=%g: %a", k, x, z, got[k]));
    }
    report.count("edges", batch.size);
    batch.size = 0;
  };
  const std::uint32_t step = o.parts * o.sample, last = 0x7fffffff;
  for (std::uint32_t b = infinity + o.part * o.sample; b <= last; b += step) {
    for (const std::uint32_t sign : {0u, 1u << 31})
      for (const float z : {0.f, 1.f}) batch.add(from_bits(b | sign), z, no_tails);
    if (batch.size == Batch<Float32>::capacity || last - b < step) check();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = options(argc, argv);
  Report report;
  CorrectlyRounded<Float32> rounded(o, report, 0x1p-50);
  static Batch<Float32> batch;
  Segment s = segment(0);
  for (std::uint32_t number = o.part, first; (first = number * block) < infinity; number += o.parts) {
    std::uint32_t b = (first + o.sample - 1) / o.sample * o.sample;
    if (b >= first + block) continue;
    const double centre = centre_of(first);
    const bool follow = centre < negligible;
    if (follow && centre != s.centre) s = segment(centre);
    for (; b < first + block; b += o.sample) {
      const float size = from_bits(b);
      const double t = size - s.centre;
      const Tails tails = follow ? Tails{s.softplus(t), s.sigmoid(t)} : no_tails;
      for (const float x : {size, -size})
        for (const float z : {0.f, 1.f}) batch.add(x, z, tails);
    }
    if (batch.size + 4 * int((block - 1) / o.sample + 1) > Batch<Float32>::capacity) rounded.run(batch, true);
  }
  rounded.run(batch, true);
  edges(o, rounded, batch, report);
  report.print();
}
