// float32 logits with labels in [0, 1]: random pairs, and cases that force the fallback, all of these decided by MPFR.

#include "correctly_rounded.h"
#include "random.h"

namespace {

using namespace proof;

constexpr std::uint32_t block = 2048, blocks = 0x7f800000 / block, one = 0x3f800000;
constexpr std::uint32_t apart = 64;  // |x| <= 2^-7 and |x| >= 128: one block in 64

float uniform_label(Random& random) { return static_cast<float>(random() >> 40) * 0x1p-24f; }

// Over bit patterns, next to 1, dyadic, next to the gradient's root, and the few that matter.
float label(Random& random, double x, double sigmoid_of_minus_size) {
  const float root = static_cast<float>(x > 0 ? 1 - sigmoid_of_minus_size : sigmoid_of_minus_size);
  static const float few[] = {0, 0.5f, 1, 0x1p-149f, 0x1p-126f, 0x1.fffffep-1f, 0x1.fffffep-2f, 0x1.000002p-1f};
  switch (random.below(6)) {
    case 0: return as<float>(static_cast<std::uint32_t>(random.below(one + 1)));
    case 1: return as<float>(static_cast<std::uint32_t>(one - (random() >> (40 + random.below(24)))));
    case 2: return std::ldexp(static_cast<float>(random.below(257)), -8);
    case 3:
    case 4:
      return std::min(1.f,
                      as<float>(as<std::uint32_t>(root + 0x1p-120f) + static_cast<std::uint32_t>(random.below(5)) - 2));
    default: return few[random.below(8)];
  }
}

double divisor(Random& random) {
  const std::uint64_t r = random();
  return r & 1 ? 1 : 1 + static_cast<double>(r >> (11 + random.below(50)));
}

// Each block meets uniform labels, which say how often the fallback is asked, and then the others.
void random_pairs(const Options& o, Report& uniform, Report& adversarial) {
  CorrectlyRounded<Float32> with_uniform(o, uniform, 0), with_adversarial(o, adversarial, 0);
  static Batch<Float32> batch;
  Segment s = segment(0);
  std::uint32_t turn = 0;
  for (std::uint32_t number = 0; number < blocks; ++number) {
    const double low = as<float>(number * block), high = as<float>(number * block + block);
    const bool tiny = high <= segment_radius, followed = low < negligible;
    if ((tiny || !followed) && number % apart != 0) continue;
    if (turn++ % o.sample != 0 || turn / o.sample % o.parts != o.part) continue;
    const double centre = tiny ? 0 : (low + high) / 2;
    if (followed && centre != s.centre) s = segment(centre);
    Random random(number);
    const auto fill = [&](bool is_uniform) {
      while (batch.size < Batch<Float32>::capacity) {
        const float size = as<float>(number * block + static_cast<std::uint32_t>(random.below(block)));
        const Tails tails = followed ? Tails{s.softplus(size - s.centre), s.sigmoid(size - s.centre)} : no_tails;
        const float x = random() & 1 ? size : -size;
        batch.add(x, is_uniform ? uniform_label(random) : label(random, x, tails.sigmoid.hi), tails);
      }
    };
    fill(true);
    batch.n = 1;
    with_uniform.run(batch, false);
    fill(false);
    batch.n = divisor(random);
    with_adversarial.run(batch, false);
  }
}

// Every one of these goes to MPFR: the margin is the whole value.
void constructed(const Options& o, Report& report) {
  CorrectlyRounded<Float32> rounded(o, report, 1);
  static Batch<Float32> batch;
  const unsigned every = (o.sample + 39) / 40;  // there are few: a sample keeps more of them
  std::uint64_t turn = 0;
  const auto add = [&](double logit, double label) {
    if (Random::mix(++turn) % every != 0 || turn % o.parts != o.part) return;
    const auto x = static_cast<float>(logit), z = static_cast<float>(label);
    const double size = std::fabs(x);
    batch.add(x, z, size < negligible ? tails(size) : no_tails);
    if (batch.size == Batch<Float32>::capacity) rounded.run(batch, true);
  };
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    const int exponent = static_cast<int>(random.below(122));
    const double large = std::ldexp(static_cast<double>(1 << 23 | random() >> 41 | 1), exponent - 18);
    add(random() & 1 ? large : -large, std::ldexp(1 + 2 * random.below(1 << (i % 8)), -1 - i % 8));  // ties of x a
    const double x = (random.unit() - 0.5) * 40;
    const auto root = static_cast<float>(x > 0 ? 1 - tails(x).sigmoid.hi : tails(-x).sigmoid.hi);
    add(x, root);
    add(x, std::nextafter(root, 0.f));
    add(x, std::nextafter(root, 1.f));
    add(x, 1 - std::ldexp(1.0, -1 - i % 24));  // next to 1
    add(87 + random.unit() * 18, 1);           // subnormal results
    add(-std::ldexp(random.unit(), i % 8), std::ldexp(random.unit(), -126 - i % 24));
    add(std::ldexp(random.unit() - 0.5, -(i % 149)), 0.5);  // x / 4
    const double step = std::ldexp(i & 1 ? -1 : 1, -25);    // ties that x^3 / 48 breaks
    add(std::ldexp(random() & 1 ? -1 : 1, -47 - i % 4), 0.5 + step * (1 + i % 5));
    add(std::ldexp(random.unit() - 0.5, -(i % 30)), 0.5 + std::ldexp(std::round(4 * random.unit()) - 2, -25));
  }
  for (const double x : {0.0, -0.0})
    for (const double z : {0.0, 0.25, 0.5, 0.75, 1.0}) add(x, z);
  rounded.run(batch, true);
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = options(argc, argv);
  Report uniform, adversarial, forced;
  random_pairs(o, uniform, adversarial);
  constructed(o, forced);
  uniform.print();
  adversarial.print("adversarial-");
  forced.print("constructed-");
}
