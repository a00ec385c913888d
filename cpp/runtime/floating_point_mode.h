// The default floating-point mode for a scope: round to nearest, subnormals kept, no exception flag left behind.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace logitloss {

class DefaultFloatingPointMode {
 public:
  DefaultFloatingPointMode() : callers_(read()) { write(standard()); }
  ~DefaultFloatingPointMode() { write(callers_); }
  DefaultFloatingPointMode(const DefaultFloatingPointMode&) = delete;
  DefaultFloatingPointMode& operator=(const DefaultFloatingPointMode&) = delete;

 private:
#if defined(__x86_64__) || defined(_M_X64)
  using Mode = unsigned;
  static Mode standard() { return 0x1f80; }
  static Mode read() { return _mm_getcsr(); }
  static void write(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
  struct Mode {  // fpcr: rounding and flush to zero; fpsr: flags
    unsigned long control, status;
  };
  static Mode standard() { return {0, 0}; }
  static Mode read() {
    Mode mode;
    asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(mode.control), "=r"(mode.status));
    return mode;
  }
  static void write(Mode mode) { asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(mode.control), "r"(mode.status)); }
#else
  using Mode = std::fenv_t;
  static Mode standard() { return *FE_DFL_ENV; }
  static Mode read() {
    Mode mode;
    std::fegetenv(&mode);
    return mode;
  }
  static void write(const Mode& mode) { std::fesetenv(&mode); }
#endif
  Mode callers_;
};

}  // namespace logitloss
