// The kernels as calls of an XLA program on the processor, for JAX.
#pragma once

namespace logitloss {

// Hands every handler to keep(name, handler). Which arguments and results one takes stands with it in xla_ffi.cc.
void for_each_xla_handler(void (*keep)(void* context, const char* name, void* handler), void* context);

}  // namespace logitloss
