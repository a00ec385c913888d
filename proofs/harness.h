// What the proofs have in common: their options, the shipped kernels of every instruction set, and the report.
//
// A proof prints lines that run.py adds up over its parts: `count NAME N`, `largest NAME VALUE WITNESS`,
// `hard NAME DISTANCE CASE` and `wrong TEXT`.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "logitloss.h"

namespace proof {

struct Isa {
  std::string name;
  unsigned every;  // of how many blocks it gets one
};

// PROGRAM PART PARTS SAMPLE ISA[/EVERY]...: blocks PART, PART + PARTS, ...; every SAMPLE-th input.
struct Options {
  unsigned part, parts, sample;
  std::vector<Isa> isas;
};

Options options(int argc, char** argv);

class Report {
 public:
  void count(const std::string& name, long long n = 1) { counts_[name] += n; }
  void largest(const std::string& name, double value, const std::string& witness);
  bool is_largest(const std::string& name, double value) const;
  void hard(const std::string& name, double distance, const std::string& text);  // keeps the few smallest
  void wrong(const std::string& text);
  void print(const std::string& prefix = "") const;

 private:
  std::map<std::string, long long> counts_;
  std::map<std::string, std::pair<double, std::string>> largest_;
  std::map<std::string, std::set<std::pair<double, std::string>>> hard_;
  long long wrong_ = 0;
};

void choose(const std::string& isa);  // one thread, too

std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Runs a task on the first instruction set, then on the others whose turn it is, and reports blocks that differ.
// Outputs must be contiguous.
class Kernels {
 public:
  Kernels(const Options& options, Report& report);
  void operator()(const logitloss::Task& task, std::size_t n, unsigned long long block);

 private:
  std::vector<Isa> isas_;
  Report& report_;
};

}  // namespace proof
