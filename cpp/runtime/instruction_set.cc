#include "instruction_set.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "cpuid.h"

#define LOGITLOSS_NAME(isa) #isa
#define LOGITLOSS_KERNELS(isa)                                                                          \
  {                                                                                                     \
    LOGITLOSS_NAME(isa), isa::run, isa::add, isa::bin_block, isa::softmax_rows, isa::softmax_summarise, \
        isa::softmax_finish, isa::softmax_gradient                                                      \
  }

namespace logitloss {
namespace {

#ifdef LOGITLOSS_X86
constexpr Kernels all_kernels[] = {LOGITLOSS_KERNELS(baseline), LOGITLOSS_KERNELS(avx2), LOGITLOSS_KERNELS(avx512)};

const char* missing(std::size_t i) {
  static const CpuidRegisters registers = read_cpuid();
  return i == 0 ? nullptr : i == 1 ? missing_for_avx2(registers) : missing_for_avx512(registers);
}
#else
#define LOGITLOSS_KERNELS_OF(isa) LOGITLOSS_KERNELS(isa)  // expands the macro before it becomes a string
constexpr Kernels all_kernels[] = {LOGITLOSS_KERNELS_OF(LOGITLOSS_ONLY_ISA)};

const char* missing(std::size_t) { return nullptr; }
#endif

constexpr std::size_t count = sizeof all_kernels / sizeof *all_kernels;
const Kernels* active = nullptr;

}  // namespace

const Kernels& kernels() { return *active; }

const char* isa() { return active->name; }

std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back({all_kernels[i].name, missing(i)});
  return all;
}

std::string choose_isa(const char* wanted) {
  std::string usable;
  const Kernels* chosen = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    if (missing(i)) continue;
    usable += (usable.empty() ? "" : ", ") + std::string(all_kernels[i].name);
    if (!wanted || !*wanted || std::strcmp(wanted, all_kernels[i].name) == 0)
      chosen = &all_kernels[i];  // the last is best
  }
  if (!chosen)
    return "LOGITLOSS_ISA: expected an instruction set of this processor (" + usable + "), got '" + wanted +
           "'. Unset it to let logitloss choose the best.";
  active = chosen;
  return {};
}

}  // namespace logitloss
