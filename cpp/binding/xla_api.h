// What xla_ffi.cc uses of XLA's stable C interface, so that nothing of XLA is needed to build this.
//
// The layouts are those of xla/ffi/api/c_api.h, version 0.1 and later. XLA asks for the version when a handler is
// registered, and refuses those that it no longer supports; what is new in later versions stands behind these members.
#pragma once

#include <cstddef>
#include <cstdint>

namespace logitloss::xla {

struct Extension {
  std::size_t struct_size;
  int type;
  Extension* next;
};

struct Header {  // what most of them begin with
  std::size_t struct_size;
  Extension* extensions;
};

struct Version {
  Header header;
  int major, minor;
};

struct MetadataExtension {
  static constexpr int type = 1;
  Extension extension;
  struct {
    std::size_t struct_size;
    Version version;
  } * metadata;  // and more
};

struct Error;

struct ErrorArguments {
  Header header;
  const char* message;
  int code;
};

struct Api {
  Header header;
  Version version;
  const void* internal;
  Error* (*create_error)(ErrorArguments*);  // and more
};

struct Buffer {
  Header header;
  int type;
  void* data;
  std::int64_t rank;
  const std::int64_t* dimensions;
};

struct Buffers {
  Header header;
  std::int64_t size;
  const int* kinds;
  Buffer* const* buffers;
};

struct Call {
  Header header;
  const Api* api;
  void* context;
  int stage;
  Buffers arguments, results;  // and more
};

constexpr int internal_error = 13;

}  // namespace logitloss::xla
