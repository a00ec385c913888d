#include "objects.h"

#include <algorithm>

namespace logitloss {

nb::tuple to_python(ExactSum& sum) {
  sum.carry();
  unsigned char bytes[4 * ExactSum::limbs];
  for (int i = 0; i < ExactSum::limbs; ++i)
    for (int k = 0; k < 4; ++k) bytes[4 * i + k] = static_cast<unsigned char>(sum.limb[i] >> (8 * k));
  return nb::make_tuple(nb::bytes(bytes, sizeof bytes), sum.nan, sum.positive_infinity, sum.negative_infinity);
}

PyArrayObject* as_array(nb::handle object) {
  if (!PyArray_Check(object.ptr())) throw nb::type_error("expected a NumPy array");
  return reinterpret_cast<PyArrayObject*>(object.ptr());
}

Type type_of(PyArrayObject* array) {
  Type type;
  if (!type_of(array, type)) throw nb::type_error("no kernel for this dtype");
  return type;
}

const void* contiguous_data(PyArrayObject* array, npy_intp n, std::initializer_list<Type> types) {
  if (!PyArray_ISCARRAY_RO(array) || PyArray_SIZE(array) != n ||
      std::find(types.begin(), types.end(), type_of(array)) == types.end())
    throw nb::type_error("expected contiguous arrays of one length and of these types");
  return PyArray_DATA(array);
}

}  // namespace logitloss
