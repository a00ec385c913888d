// The Python module logitloss._core: objects -> pointers. An index of what is registered; no arithmetic.

#define LOGITLOSS_IMPORTS_NUMPY
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "logitloss.h"
#include "numpy_api.h"
#include "sums/histogram.h"
#include "tensors.h"
#include "xla_ffi.h"

namespace nb = nanobind;

namespace {

using logitloss::Task;
using logitloss::Type;

// The limbs of a sum as little-endian two's complement bytes of a number in units of 2^-1074, and the three counts.
nb::tuple finish(logitloss::ExactSum& sum) {
  sum.carry();
  unsigned char bytes[4 * logitloss::ExactSum::limbs];
  for (int i = 0; i < logitloss::ExactSum::limbs; ++i)
    for (int k = 0; k < 4; ++k) bytes[4 * i + k] = static_cast<unsigned char>(sum.limb[i] >> (8 * k));
  return nb::make_tuple(nb::bytes(bytes, sizeof bytes), sum.nan, sum.positive_infinity, sum.negative_infinity);
}

PyArrayObject* as_array(nb::handle object) {
  if (!PyArray_Check(object.ptr())) throw nb::type_error("expected a NumPy array");
  return reinterpret_cast<PyArrayObject*>(object.ptr());
}

logitloss::Type type_of(PyArrayObject* array) {
  logitloss::Type type;
  if (!logitloss::type_of(array, type)) throw nb::type_error("no kernel for this dtype");
  return type;
}

// Calls body(pointers, strides, n) for runs of native, aligned elements of the arrays, the GIL released.
template <class Body>
void for_each_run(std::vector<PyArrayObject*> arrays, bool last_is_output, const Body& body) {
  const int count = static_cast<int>(arrays.size());
  std::vector<npy_uint32> flags(count, NPY_ITER_READONLY | NPY_ITER_ALIGNED | NPY_ITER_NBO);
  if (last_is_output) flags.back() = NPY_ITER_WRITEONLY | NPY_ITER_ALIGNED | NPY_ITER_NBO;
  for (npy_uint32& flag : flags) flag |= NPY_ITER_OVERLAP_ASSUME_ELEMENTWISE;
  const auto deallocate = [](NpyIter* one) { NpyIter_Deallocate(one); };  // writes back what was buffered
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

// The exact sum of the losses; with `gradient`, also the gradient divided by `divisor`, in the same pass.
nb::tuple sigmoid_cross_entropy_total(nb::handle logits, nb::handle labels, nb::handle gradient, double divisor) {
  std::vector<PyArrayObject*> arrays{as_array(logits), as_array(labels)};
  Task task;
  task.logits_type = type_of(arrays[0]);
  task.labels_type = type_of(arrays[1]);
  task.divisor = divisor;
  logitloss::ExactSum total;
  task.total = &total;
  const bool with_gradient = !gradient.is_none();
  if (with_gradient) arrays.push_back(as_array(gradient));
  for_each_run(arrays, with_gradient, [&](char** pointers, const npy_intp* strides, std::size_t n) {
    task.logits = {pointers[0], strides[0]};
    task.labels = {pointers[1], strides[1]};
    if (with_gradient) task.gradient = {pointers[2], strides[2]};
    logitloss::run(task, n);
  });
  return finish(total);
}

// The losses of two plain arrays of one shape, and None for anything else, checks included: that is the ufunc's work.
// Few elements take less time than a ufunc needs to find its loop; many take so long that Python cuts them in pieces.
nb::object sigmoid_cross_entropy_of_plain(nb::handle logits, nb::handle labels) {
  if (!PyArray_CheckExact(logits.ptr()) || !PyArray_CheckExact(labels.ptr())) return nb::none();
  auto *x = reinterpret_cast<PyArrayObject*>(logits.ptr()), *z = reinterpret_cast<PyArrayObject*>(labels.ptr());
  Task task;
  constexpr npy_intp many = 1 << 22;
  if (PyArray_NDIM(x) == 0 || PyArray_SIZE(x) > many || !PyArray_SAMESHAPE(x, z) || !PyArray_ISCARRAY_RO(x) ||
      !PyArray_ISCARRAY_RO(z) || !logitloss::type_of(x, task.logits_type) || task.logits_type > Type::f64 ||
      !logitloss::type_of(z, task.labels_type))
    return nb::none();
  nb::object loss = nb::steal(PyArray_NewLikeArray(x, NPY_CORDER, nullptr, 0));
  if (!loss) throw nb::python_error();
  const auto array = [](PyArrayObject* a) { return logitloss::Array{PyArray_BYTES(a), PyArray_ITEMSIZE(a)}; };
  task.logits = array(x);
  task.labels = array(z);
  task.loss = array(reinterpret_cast<PyArrayObject*>(loss.ptr()));
  const auto n = static_cast<std::size_t>(PyArray_SIZE(x));
  {
    const nb::gil_scoped_release released;
    logitloss::run(task, n);
  }
  return loss;
}

nb::tuple exact_sum(nb::handle values) {
  PyArrayObject* array = as_array(values);
  const Type type = type_of(array);
  logitloss::ExactSum total;
  for_each_run({array}, false, [&](char** pointers, const npy_intp* strides, std::size_t n) {
    logitloss::add(type, {pointers[0], strides[0]}, n, total);
  });
  return finish(total);
}

// The data of a contiguous array of n elements of one of the types, null for none.
const void* data_of(PyArrayObject* array, npy_intp n, std::initializer_list<Type> types) {
  if (!PyArray_ISCARRAY_RO(array) || PyArray_SIZE(array) != n ||
      std::find(types.begin(), types.end(), type_of(array)) == types.end())
    throw nb::type_error("expected contiguous arrays of one length and of these types");
  return PyArray_DATA(array);
}

// Adds rows to a tally: logits float32 or float64, labels bool or float64, weights float64 or None.
void tally(logitloss::Tally& to, nb::handle logits, nb::handle labels, nb::handle weights) {
  PyArrayObject *xs = as_array(logits), *zs = as_array(labels);
  const npy_intp n = PyArray_SIZE(xs);
  const void *x = data_of(xs, n, {Type::f32, Type::f64}), *z = data_of(zs, n, {Type::boolean, Type::f64});
  const auto* w = static_cast<const double*>(weights.is_none() ? nullptr : data_of(as_array(weights), n, {Type::f64}));
  const bool hard = type_of(zs) == Type::boolean, narrow = type_of(xs) == Type::f32;
  const nb::gil_scoped_release released;
  const auto run = [&](const auto* floats) {
    if (hard)
      to.add(floats, static_cast<const std::uint8_t*>(z), w, n);
    else
      to.add(floats, static_cast<const double*>(z), w, n);
  };
  narrow ? run(static_cast<const float*>(x)) : run(static_cast<const double*>(x));
}

// What a tally holds: for each cell with rows its number, the rows, and the sums of weights, labels, losses and
// residuals; the numbers of losses by interval; and the three sums of squares.
nb::tuple finish_tally(logitloss::Tally& tally) {
  nb::list cells, losses;
  for (int i = 0; i < 2 * logitloss::Tally::intervals; ++i) {
    const logitloss::Tally::Cell& cell = tally.cells[i];
    if (!cell.rows) continue;
    nb::list sums;
    for (const logitloss::CellSum* one : {&cell.weight, &cell.label, &cell.loss, &cell.residual}) {
      logitloss::ExactSum sum = one->total();
      sums.append(finish(sum));
    }
    cells.append(nb::make_tuple(i, cell.rows, sums));
  }
  for (const std::int64_t count : tally.losses) losses.append(count);
  return nb::make_tuple(cells, losses, finish(tally.loss2), finish(tally.weight2), finish(tally.weight2_loss));
}

// Adds rows to groups: the number of each row's group as int32, and its values as a row of float64.
void add_to_groups(logitloss::GroupSums& to, nb::handle groups, nb::handle values) {
  PyArrayObject *numbers = as_array(groups), *rows = as_array(values);
  const npy_intp n = PyArray_SIZE(numbers);
  const auto* g = static_cast<const std::int32_t*>(data_of(numbers, n, {Type::i32}));
  const auto* v = static_cast<const double*>(data_of(rows, n * to.columns, {Type::f64}));
  if (std::any_of(g, g + n, [](std::int32_t one) { return one < 0; })) throw nb::value_error("a group is negative");
  const nb::gil_scoped_release released;
  to.add(g, v, n);
}

// The rows of a group, and its sums.
nb::tuple finish_group(const logitloss::GroupSums& groups, std::size_t group) {
  nb::list sums;
  for (int k = 0; k < groups.columns; ++k) {
    logitloss::ExactSum sum = groups.sums.at(group * groups.columns + k).total();
    sums.append(finish(sum));
  }
  return nb::make_tuple(groups.rows.at(group), sums);
}

// import_array is a macro that returns from the function it stands in.
void* import_numpy() {
  import_array();
  import_umath();
  return PyErr_Occurred() ? nullptr : PyArray_API;
}

}  // namespace

NB_MODULE(_core, m) {
  if (!import_numpy()) throw nb::python_error();
  if (const char* message = logitloss::initialise()) throw nb::import_error(message);

  logitloss::make_ufuncs(
      [](void* context, const char* name, PyObject* ufunc) {
        if (!ufunc) throw nb::python_error();
        static_cast<nb::module_*>(context)->attr(name) = nb::steal(ufunc);
      },
      &m);

  m.def("sigmoid_cross_entropy_total", &sigmoid_cross_entropy_total, nb::arg("logits"), nb::arg("labels"),
        nb::arg("gradient").none(), nb::arg("divisor"));
  m.def("sigmoid_cross_entropy_of_plain", &sigmoid_cross_entropy_of_plain, nb::arg("logits").none(),
        nb::arg("labels").none());
  m.def("exact_sum", &exact_sum, nb::arg("values"));
  nb::class_<logitloss::Tally>(m, "Tally")
      .def(nb::init<>())
      .def("add", &tally, nb::arg("logits"), nb::arg("labels"), nb::arg("weights").none())
      .def("finish", &finish_tally);
  nb::class_<logitloss::GroupSums>(m, "GroupSums")
      .def(nb::init<int>(), nb::arg("columns"))
      .def("__len__", [](const logitloss::GroupSums& groups) { return groups.rows.size(); })
      .def("add", &add_to_groups, nb::arg("groups"), nb::arg("values"))
      .def("finish", &finish_group, nb::arg("group"));

  // Of the memory of tensors: nothing here is Python's.
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("sigmoid_cross_entropy_at", &logitloss::sigmoid_cross_entropy_at, Released());
  m.def("sigmoid_cross_entropy_mean_at", &logitloss::sigmoid_cross_entropy_mean_at, Released());
  m.def("softmax_cross_entropy_mean_at", &logitloss::softmax_cross_entropy_mean_at, Released());
  m.def("are_classes_at", &logitloss::are_classes_at, Released());
  nb::list types;
  for (const auto& type : logitloss::types) types.append(type.name);
  m.attr("types") = nb::tuple(types);

  m.attr("limbs") = static_cast<int>(logitloss::ExactSum::limbs);

  nb::dict xla_handlers;
  logitloss::for_each_xla_handler(
      [](void* context, const char* name, void* handler) {
        (*static_cast<nb::dict*>(context))[name] = nb::capsule(handler);
      },
      &xla_handlers);
  m.attr("xla_handlers") = xla_handlers;

  m.attr("version") = LOGITLOSS_VERSION;
  m.def("isa", &logitloss::isa);
  m.def("isas", [] {
    const char* const* names;
    const std::size_t count = logitloss::isas(&names);
    return std::vector<std::string>(names, names + count);
  });
  m.def("num_threads", &logitloss::num_threads);
  m.def("set_num_threads", &logitloss::set_num_threads, nb::arg("n"));
}
