// Bits by the manuals: Intel 64 and IA-32 Software Developer's Manual, volume 2, CPUID and XGETBV.

#include "cpuid.h"

#if defined(_MSC_VER) && defined(LOGITLOSS_X86)
#include <intrin.h>
#elif defined(LOGITLOSS_X86)
#include <cpuid.h>
#endif

namespace logitloss {
namespace {

struct Feature {
  int bit;
  const char* missing;
};

constexpr Feature leaf1_ecx[] = {{12, "the processor has no fma"}, {29, "the processor has no f16c"}};
constexpr Feature leaf7_ebx_avx2[] = {{5, "the processor has no avx2"}};
constexpr Feature leaf7_ebx_avx512[] = {{16, "the processor has no avx512f"},
                                        {17, "the processor has no avx512dq"},
                                        {30, "the processor has no avx512bw"},
                                        {31, "the processor has no avx512vl"}};
constexpr int osxsave = 27;  // of leaf 1: the operating system uses XSAVE, and XGETBV can be executed
constexpr std::uint64_t ymm_state = 0x6, zmm_state = 0xe6;  // of XCR0: registers that the operating system saves

template <int n>
const char* first_missing(const Feature (&features)[n], std::uint32_t word) {
  for (const Feature& feature : features)
    if (!(word >> feature.bit & 1)) return feature.missing;
  return nullptr;
}

}  // namespace

const char* missing_for_avx2(const CpuidRegisters& registers) {
  if (const char* missing = first_missing(leaf7_ebx_avx2, registers.leaf7_ebx)) return missing;
  if (const char* missing = first_missing(leaf1_ecx, registers.leaf1_ecx)) return missing;
  const bool saved = registers.leaf1_ecx >> osxsave & 1 && (registers.xcr0 & ymm_state) == ymm_state;
  return saved ? nullptr : "the operating system does not save its registers";
}

const char* missing_for_avx512(const CpuidRegisters& registers) {
  if (const char* missing = missing_for_avx2(registers)) return missing;
  if (const char* missing = first_missing(leaf7_ebx_avx512, registers.leaf7_ebx)) return missing;
  return (registers.xcr0 & zmm_state) == zmm_state ? nullptr : "the operating system does not save its registers";
}

CpuidRegisters read_cpuid() {
  CpuidRegisters registers;
#if defined(_MSC_VER) && defined(LOGITLOSS_X86)
  int words[4];
  __cpuid(words, 0);
  const int last_leaf = words[0];
  __cpuid(words, 1);
  registers.leaf1_ecx = static_cast<std::uint32_t>(words[2]);
  if (last_leaf >= 7) {
    __cpuidex(words, 7, 0);
    registers.leaf7_ebx = static_cast<std::uint32_t>(words[1]);
  }
  if (registers.leaf1_ecx >> osxsave & 1) registers.xcr0 = _xgetbv(0);
#elif defined(LOGITLOSS_X86)
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) registers.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) registers.leaf7_ebx = ebx;
  if (registers.leaf1_ecx >> osxsave & 1) {
    asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    registers.xcr0 = std::uint64_t{edx} << 32 | eax;
  }
#endif
  return registers;
}

}  // namespace logitloss
