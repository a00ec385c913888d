// Which instruction sets a processor can run, from what its CPUID instruction reports.
//
// Compilers offer __builtin_cpu_supports, but with some of them (clang with compiler-rt) it is false for every feature.
#pragma once

#include <cstdint>

namespace logitloss {

// Registers of CPUID and XGETBV; 0 where a leaf is missing.
struct CpuidRegisters {
  std::uint32_t leaf1_ecx = 0, leaf7_ebx = 0;
  std::uint64_t xcr0 = 0;
};

// For an instruction set, the first requirement that is not met, or null if it can be used.
const char* missing_for_avx2(const CpuidRegisters& registers);
const char* missing_for_avx512(const CpuidRegisters& registers);

// The registers of this processor.
CpuidRegisters read_cpuid();

}  // namespace logitloss
