// The kernels of the instruction set in use: chosen once, when the module is imported.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "logitloss.h"
#include "sums/histogram.h"

// What loops/kernels.cc defines for one instruction set.
#define LOGITLOSS_DECLARE(isa)                                                                                         \
  namespace isa {                                                                                                      \
  void run(const Task&, std::size_t n);                                                                                \
  void add(Type, Array, std::size_t n, ExactSum&);                                                                     \
  void bin_block(const float*, const std::uint8_t*, const float*, const float*, int n, logitloss::BinnedBlock&);       \
  void softmax_rows(const SoftmaxTask&, std::size_t start, std::size_t count, SoftmaxSegment*);                        \
  void softmax_summarise(const SoftmaxTask&, std::size_t row, std::size_t first, std::size_t count, SoftmaxSegment*);  \
  SoftmaxRow softmax_finish(const SoftmaxTask&, std::size_t row, const SoftmaxSegment*, std::size_t count);            \
  void softmax_gradient(const SoftmaxTask&, std::size_t row, std::size_t first, std::size_t count, const SoftmaxRow&); \
  }

namespace logitloss {

#ifdef LOGITLOSS_X86
LOGITLOSS_DECLARE(baseline)
LOGITLOSS_DECLARE(avx2)
LOGITLOSS_DECLARE(avx512)
#define LOGITLOSS_FIRST_ISA baseline
#else
LOGITLOSS_DECLARE(LOGITLOSS_ONLY_ISA)
#define LOGITLOSS_FIRST_ISA LOGITLOSS_ONLY_ISA
#endif

struct Kernels {
  const char* name;
  decltype(&LOGITLOSS_FIRST_ISA::run) run;
  decltype(&LOGITLOSS_FIRST_ISA::add) add;
  decltype(&LOGITLOSS_FIRST_ISA::bin_block) bin_block;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_rows) softmax_rows;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_summarise) softmax_summarise;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_finish) softmax_finish;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_gradient) softmax_gradient;
};

const Kernels& kernels();
const char* isa();  // their name

// All instruction sets of this build, the best one last, each with the reason why this processor cannot run it, or
// null.
struct InstructionSet {
  const char* name;
  const char* missing;
};
std::vector<InstructionSet> instruction_sets();

// Chooses the kernels: the best ones, or those of LOGITLOSS_ISA if that is not null or empty. Returns an error message,
// or an empty string.
std::string choose_isa(const char* wanted);

}  // namespace logitloss
