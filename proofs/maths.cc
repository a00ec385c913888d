// The claims of the files in cpp/math, each measured for one instruction set; run.py reads the bounds from the files.

#define LOGITLOSS_NAMESPACE kernel
#include "math/exp_34bit.h"
#include "math/fast_softplus_sigmoid.h"
#include "math/sigmoid_cross_entropy.h"
#include "math/sigmoid_cross_entropy_double_double.h"
#undef LOGITLOSS_NAMESPACE

#include "harness.h"
#include "random.h"
#include "truth.h"

namespace {

using namespace proof;

constexpr int points = 400000;
constexpr double ln2 = 0x1.62e42fefa39efp-1;

double relative(DoubleDouble got, DoubleDouble truth) {
  return std::fabs((got.hi - truth.hi) + (got.lo - truth.lo)) / std::fabs(truth.hi);
}
double relative(kernel::DoubleDouble got, DoubleDouble truth) { return relative(DoubleDouble{got.hi, got.lo}, truth); }

// 0 <= x <= most: uniform, over bit patterns, and next to (k + 1/2) ln 2, where the reduced argument is largest.
double size_below(double most, Random& random) {
  switch (random.below(3)) {
    case 0: return random.unit() * most;
    case 1: return as<double>(bits(0x1p-40) + random.below(bits(most) - bits(0x1p-40)));
    default:
      return std::min(most, (random.below(1 + static_cast<std::uint64_t>(most / ln2)) + 0.5) * ln2 *
                                (1 + (random.unit() - 0.5) * 0x1p-30));
  }
}

void exponential(Random& random, Report& report) {
  const double x = size_below(760, random);
  const bool biased = x > 700;
  const DoubleDouble truth = value(Elementary::exp, {-x, 0}, biased ? 128 : 0);
  const kernel::DoubleDouble got = kernel::exp(-x, biased ? 128 : 0);
  const double unit = as<double>(bits(truth.hi) & 0x7ff0000000000000) * 0x1p-52;
  report.largest("exp", relative(got, truth), text("t=%a", -x));
  report.largest("exp-hi", std::fabs((got.hi - truth.hi) - truth.lo) / unit, text("t=%a", -x));
}

void narrow_exponential(Random& random, Report& report) {
  const auto power_of = [](double t) {
    const kernel::ScaledExp power = kernel::exp_34bit(t);
    return power.fraction * power.scale;
  };
  const double x = size_below(700, random), power = power_of(-x);
  report.largest("exp-34bit", relative(DoubleDouble{power, 0}, value(Elementary::exp, {-x, 0}, 0)), text("t=%a", -x));
  if (!(power <= 1)) report.wrong(text("exp_34bit of %a: %a", -x, power));
  if (power_of(0) != 1 || power_of(-709) != 0) report.wrong("exp_34bit of 0 or of -709");
}

// Beyond 660 a low part may be subnormal and lose half of 2^-1074. Both sides are seen 2^128 times as large.
template <bool subnormal>
void tail(Random& random, Report& report) {
  const double x = size_below(subnormal ? 760 : 690, random);
  const double lost = subnormal && x > 660 ? 0x1p-947 : 0;
  const kernel::SoftplusSigmoid got = kernel::softplus_sigmoid<subnormal>(x);
  const auto keep = [&](kernel::DoubleDouble pair, Elementary f) {
    const DoubleDouble truth = value(f, {x, 0}, 128);
    const double off = std::fabs((pair.hi * 0x1p128 - truth.hi) - truth.lo);
    const double off_pair = std::fabs((pair.hi * 0x1p128 - truth.hi) + (pair.lo * 0x1p128 - truth.lo));
    report.largest("softplus-sigmoid-hi", (off - lost) / truth.hi, text("x=%a", x));
    report.largest("softplus-sigmoid", (off_pair - 2 * lost) / truth.hi, text("x=%a", x));  // both parts
  };
  keep(got.softplus, Elementary::softplus);
  keep(got.sigmoid, Elementary::sigmoid);
}

void fast_path(Random& random, Report& report) {
  const double x = size_below(kernel::in_range_limit, random), u = kernel::fast_exp_neg(x);
  const auto keep = [&](double got, Elementary f) {
    report.largest("fast-softplus-sigmoid", relative(DoubleDouble{got, 0}, value(f, {x, 0}, 0)), text("x=%a", x));
  };
  keep(kernel::fast_softplus(kernel::fast_s(u)), Elementary::softplus);
  keep(kernel::fast_sigmoid(u), Elementary::sigmoid);
}

void pairs(Random& random, Report& report) {
  const auto draw = [&] {
    const DoubleDouble a =
        sum((random.unit() - 0.5) * std::ldexp(1, static_cast<int>(random.below(60))), (random.unit() - 0.5) * 0x1p-54);
    return kernel::DoubleDouble{a.hi, a.lo};
  };
  const kernel::DoubleDouble a = draw(), b = random() & 1
                                                 ? draw()
                                                 : kernel::DoubleDouble{-a.hi * (1 + random.unit() * 0x1p-40), a.lo};
  const auto keep = [&](const char* name, Operation operation, kernel::DoubleDouble got) {
    const double error = operation_error(operation, {a.hi, a.lo}, {b.hi, b.lo}, {got.hi, got.lo});
    report.largest(name, error, text("(%a + %a), (%a + %a)", a.hi, a.lo, b.hi, b.lo));
  };
  keep("double-double-sum", Operation::sum, a + b);
  keep("double-double-sum", Operation::product, a * b);
  keep("double-double-quotient", Operation::quotient, a / b);
}

void exact(Random& random, Report& report) {
  const double r = (random.unit() - 0.5) * 0.7, r_lo = r * random.unit() * 0x1p-54,
               u = as<double>(bits(0x1p-40) + random.below(bits(1.0) - bits(0x1p-40)));
  report.largest("fallback", relative(kernel::exp_minus_one({r, r_lo}), value(Elementary::expm1, {r, r_lo}, 0)),
                 text("expm1 r=%a + %a", r, r_lo));
  report.largest("fallback",
                 relative(kernel::log_one_plus({u, u * 0x1p-60}), value(Elementary::log1p, {u, u * 0x1p-60}, 0)),
                 text("log1p u=%a", u));
  const double x = size_below(760, random);
  const kernel::ScaledDoubleDouble e = kernel::scaled_exp_neg<kernel::Float64>(x);
  report.largest("fallback", relative(e.value, value(Elementary::exp, {-x, 0}, e.scale == 1 ? 0 : 256)),
                 text("exp t=%a", -x));
}

// Each is the other's inverse, and what lies between two neighbours goes to the nearer one, a tie to the even one.
template <class Format>
void format(const char* name, Report& report) {
  const auto load = [](unsigned v) { return Format::load({static_cast<std::uint16_t>(v)}); };
  const auto expect = [&](double y, unsigned v) {
    const double got = Format::round(y);
    report.count("formats");
    if (bits(got) != bits(load(v)) || Format::store(got).bits != v) report.wrong(text("%s of %a: %a", name, y, got));
  };
  for (const unsigned sign : {0u, 0x8000u})
    for (unsigned size = 0; load(size) < INFINITY; ++size) {
      const double y = load(size | sign), next = load((size + 1) | sign), before = load(size > 0 ? size - 1 : 0);
      const double middle = std::isinf(next) ? y + (y - load((size - 1) | sign)) / 2 : y / 2 + next / 2;
      expect(y, size | sign);
      expect(std::nextafter(middle, 0), size | sign);
      expect(std::nextafter(middle, 2 * middle), (size + 1) | sign);
      expect(middle, (size + (size & 1)) | sign);
      if (!(before <= std::fabs(y))) report.wrong(text("%s: %x is out of order", name, size));
    }
  for (const double nan : {std::nan(""), -std::nan("")})
    if (!std::isnan(load(Format::store(Format::round(nan)).bits))) report.wrong(text("%s: nan", name));
}

void oracle(Random& random, Report& report) {
  const double x = size_below(128, random), centre = x <= segment_radius ? 0 : std::round(x * 64) / 64;
  const Segment s = segment(centre);
  report.largest("oracle", relative(s.softplus(x - centre), value(Elementary::softplus, {x, 0}, 0)), text("x=%a", x));
  report.largest("oracle", relative(s.sigmoid(x - centre), value(Elementary::sigmoid, {x, 0}, 0)), text("x=%a", x));
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = options(argc, argv);
  Report report;
  for (unsigned i = o.part; i < points / o.sample; i += o.parts) {
    Random random(i);
    exponential(random, report);
    tail<true>(random, report);
    tail<false>(random, report);
    fast_path(random, report);
    pairs(random, report);
    exact(random, report);
    if (i % 8 == 0) oracle(random, report);
    narrow_exponential(random, report);
    report.count("points");
  }
  if (o.part == 0) {
    format<kernel::Float16>("float16", report);
    format<kernel::BFloat16>("bfloat16", report);
  }
  report.print();
}
