// Every float16 (or bfloat16) logit with every label of its format in [0, 1]; with 0 and 1 also divided gradients.

#include "correctly_rounded.h"

namespace {

using namespace proof;

Tails tails_of(double x) { return std::fabs(x) < negligible ? tails(std::fabs(x)) : no_tails; }

template <class Format>
std::uint16_t encoded_one() {
  std::uint16_t one = 0;
  while (Format::decode(one) < 1) ++one;
  return one;
}

template <class Format>
void pairs(const Options& o, CorrectlyRounded<Format>& rounded) {
  static Batch<Format> batch;
  const std::uint16_t one = encoded_one<Format>();
  std::uint64_t pair = 0;
  for (unsigned logit = 0; logit < 65536; ++logit) {
    const double x = Format::decode(static_cast<std::uint16_t>(logit));
    if (!(std::fabs(x) < INFINITY)) continue;
    const std::uint64_t first = pair;
    pair += one + 1u;
    if (logit % o.parts != o.part) continue;
    const Tails t = tails_of(x);
    for (std::uint64_t k = (first + o.sample - 1) / o.sample * o.sample; k < pair; k += o.sample) {
      batch.add(static_cast<std::uint16_t>(logit), static_cast<std::uint16_t>(k - first), t);
      if (batch.size == Batch<Format>::capacity) rounded.run(batch, false);
    }
  }
  rounded.run(batch, false);
}

// Logits with low <= |x| < high, `together` in a batch; never a sample, for they are few.
template <class Format>
void hard_labels(const Options& o, CorrectlyRounded<Format>& rounded, double divisor, double low, double high,
                 int together) {
  static Batch<Format> batch;
  batch.n = divisor;
  const std::uint16_t one = encoded_one<Format>();
  for (unsigned i = o.part; i < 65536; i += o.parts) {
    const auto logit = static_cast<std::uint16_t>(i * 40503u);  // sizes mixed
    const double x = Format::decode(logit);
    if (!(std::fabs(x) >= low && std::fabs(x) < high)) continue;
    for (const std::uint16_t label : {std::uint16_t{0}, one}) batch.add(logit, label, tails_of(x));
    if (batch.size >= 2 * together) rounded.run(batch, true);
  }
  rounded.run(batch, true);
}

template <class Format>
void prove(const Options& o) {
  Report report;
  CorrectlyRounded<Format> rounded(o, report, 0);
  pairs(o, rounded);
  for (const double divisor : {1.0, 3.0, 1000.0, 20000.0, 0x1p24}) {
    // The kernels round a block as its largest logit allows: each by itself where that changes.
    hard_labels(o, rounded, divisor, 2, 16, 1);
    hard_labels(o, rounded, divisor, 0, 512, Batch<Format>::capacity / 2);
    hard_labels(o, rounded, divisor, 512, INFINITY, Batch<Format>::capacity / 2);
  }
  report.print();
}

}  // namespace

int main(int argc, char** argv) { prove<proof::PROOF_FORMAT>(proof::options(argc, argv)); }
