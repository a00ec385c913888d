// Python objects -> pointers, for the binding files.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "numpy_api.h"

namespace logitloss {

namespace nb = nanobind;

// The limbs of a sum as little-endian two's complement bytes of a number in units of 2^-1074, and the three counts.
nb::tuple to_python(ExactSum& sum);

PyArrayObject* as_array(nb::handle object);
Type type_of(PyArrayObject* array);

// The data of a contiguous array of n elements whose type is one of `types`; a TypeError for any other.
const void* contiguous_data(PyArrayObject* array, npy_intp n, std::initializer_list<Type> types);

// Calls body(pointers, strides, n) for runs of native, aligned elements of the arrays, the GIL released; the last
// `outputs` arrays are written.
template <class Body>
void for_each_run(std::vector<PyArrayObject*> arrays, std::size_t outputs, const Body& body) {
  const int count = static_cast<int>(arrays.size());
  std::vector<npy_uint32> flags(count, NPY_ITER_READONLY | NPY_ITER_ALIGNED | NPY_ITER_NBO);
  std::fill_n(flags.rbegin(), outputs, NPY_ITER_WRITEONLY | NPY_ITER_ALIGNED | NPY_ITER_NBO);
  for (npy_uint32& flag : flags) flag |= NPY_ITER_OVERLAP_ASSUME_ELEMENTWISE;
  const auto deallocate = [](NpyIter* iterator) { NpyIter_Deallocate(iterator); };  // writes back what was buffered
  std::unique_ptr<NpyIter, decltype(deallocate)> iterator(
      NpyIter_MultiNew(count, arrays.data(),
                       NPY_ITER_EXTERNAL_LOOP | NPY_ITER_BUFFERED | NPY_ITER_GROWINNER | NPY_ITER_ZEROSIZE_OK |
                           NPY_ITER_COPY_IF_OVERLAP,
                       NPY_KEEPORDER, NPY_EQUIV_CASTING, flags.data(), nullptr),
      deallocate);
  if (!iterator) throw nb::python_error();
  NpyIter_IterNextFunc* advance = NpyIter_GetIterNext(iterator.get(), nullptr);
  if (advance && NpyIter_GetIterSize(iterator.get()) > 0) {
    char** pointers = NpyIter_GetDataPtrArray(iterator.get());
    const npy_intp* strides = NpyIter_GetInnerStrideArray(iterator.get());
    const npy_intp* size = NpyIter_GetInnerLoopSizePtr(iterator.get());
    std::optional<nb::gil_scoped_release> released;
    if (!NpyIter_IterationNeedsAPI(iterator.get())) released.emplace();
    do body(pointers, strides, static_cast<std::size_t>(*size));
    while (advance(iterator.get()));
  }
  iterator.reset();
  if (PyErr_Occurred()) throw nb::python_error();
}

}  // namespace logitloss
