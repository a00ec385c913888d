// Every float16 (or bfloat16) logit with every label of its format in [0, 1].

#include "narrow.h"

namespace {

using namespace proof;

template <class Format>
void pairs(const Options& o) {
  Report report;
  Narrow<Format> narrow(o, report, 0);
  static Batch<Format> batch, hessian;
  std::uint16_t one = 0;
  while (Format::decode(one) < 1) ++one;
  std::uint64_t pair = 0;
  for (unsigned logit = 0; logit < 65536; ++logit) {
    const double x = Format::decode(static_cast<std::uint16_t>(logit));
    if (!(std::fabs(x) < INFINITY)) continue;
    const std::uint64_t first = pair;
    pair += one + 1u;
    if (logit % o.parts != o.part) continue;
    const Tails t = std::fabs(x) < negligible ? tails(std::fabs(x)) : no_tails;
    for (std::uint64_t k = (first + o.sample - 1) / o.sample * o.sample; k < pair; k += o.sample) {
      batch.add(static_cast<std::uint16_t>(logit), static_cast<std::uint16_t>(k - first), t);
      if (batch.size == Batch<Format>::capacity) narrow.run(batch, false);
    }
    if (logit % o.sample == 0) hessian.add(static_cast<std::uint16_t>(logit), 0, t);
    if (hessian.size == Batch<Format>::capacity) narrow.run(hessian, true);
  }
  narrow.run(batch, false);
  narrow.run(hessian, true);
  report.print();
}

}  // namespace

int main(int argc, char** argv) { pairs<proof::PROOF_FORMAT>(proof::options(argc, argv)); }
