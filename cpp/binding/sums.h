#pragma once

#include <nanobind/nanobind.h>

namespace logitloss {

void register_sums(nanobind::module_& m);

}  // namespace logitloss
