// The Python module xent._core: objects -> pointers. An index of what is registered; no arithmetic.

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

#include <cstring>
#include <string>
#include <vector>

#include "xent.h"

namespace nb = nanobind;

namespace {

using xent::Array;
using xent::Task;
using xent::Type;

// --- types ---------------------------------------------------------------------------------------------------------

struct NumPyType {
  int number;
  Type type;
};

// Logits' types first and narrowest first: NumPy takes the first loop that a weak Python scalar fits.
constexpr NumPyType numpy_types[] = {{NPY_HALF, Type::f16},
                                     {NPY_FLOAT, Type::f32},
                                     {NPY_DOUBLE, Type::f64},
                                     {NPY_BOOL, Type::boolean},
                                     {NPY_BYTE, Type::i8},
                                     {NPY_UBYTE, Type::u8},
                                     {NPY_SHORT, Type::i16},
                                     {NPY_USHORT, Type::u16},
                                     {NPY_INT, Type::i32},
                                     {NPY_UINT, Type::u32},
                                     {NPY_LONG, sizeof(long) == 8 ? Type::i64 : Type::i32},
                                     {NPY_ULONG, sizeof(long) == 8 ? Type::u64 : Type::u32},
                                     {NPY_LONGLONG, Type::i64},
                                     {NPY_ULONGLONG, Type::u64}};
constexpr int logits_types = 3;

// bfloat16 is a type of ml_dtypes, known by its name, so that nothing is imported to look for it.
bool is_bfloat16(PyArray_Descr* descr) {
  if (!PyTypeNum_ISUSERDEF(descr->type_num)) return false;
  const char* name = descr->typeobj->tp_name;
  const char* dot = std::strrchr(name, '.');
  return std::strcmp(dot ? dot + 1 : name, "bfloat16") == 0;
}

Type type_of(PyArrayObject* array) {
  if (is_bfloat16(PyArray_DESCR(array))) return Type::bf16;
  for (const NumPyType& known : numpy_types)
    if (known.number == PyArray_TYPE(array)) return known.type;
  throw nb::type_error("no kernel for this dtype");
}

// --- ufuncs --------------------------------------------------------------------------------------------------------

// Where the operands of a ufunc go in a task.
struct Operation {
  const char* name;
  const char* doc;
  int outputs;
  bool weighted;
  Array Task::*output[2];
};

constexpr Operation operations[] = {
    {"sigmoid_cross_entropy", "loss = sigmoid_cross_entropy(logits, labels)", 1, false, {&Task::loss}},
    {"sigmoid_cross_entropy_grad",
     "gradient = sigmoid_cross_entropy_grad(logits, labels)",
     1,
     false,
     {&Task::gradient}},
    {"sigmoid_cross_entropy_value_and_grad",
     "loss, gradient = sigmoid_cross_entropy_value_and_grad(logits, labels)",
     2,
     false,
     {&Task::loss, &Task::gradient}},
    {"sigmoid_cross_entropy_grad_and_hess",
     "gradient, hessian = sigmoid_cross_entropy_grad_and_hess(logits, labels)",
     2,
     false,
     {&Task::gradient, &Task::hessian}},
    {"weighted_sigmoid_cross_entropy",
     "loss = weighted_sigmoid_cross_entropy(logits, labels, pos_weight)",
     1,
     true,
     {&Task::loss}},
};
constexpr int operation_count = sizeof operations / sizeof *operations;
PyUFuncObject* ufuncs[operation_count];

struct Loop {
  const Operation* operation;
  Type logits, labels;
};

void ufunc_loop(char** args, const npy_intp* dimensions, const npy_intp* steps, void* data) {
  const Loop& loop = *static_cast<const Loop*>(data);
  Task task;
  task.logits_type = loop.logits;
  task.labels_type = loop.labels;
  int i = 0;
  const auto next = [&] {
    const Array array{args[i], steps[i]};
    ++i;
    return array;
  };
  task.logits = next();
  task.labels = next();
  if (loop.operation->weighted) task.pos_weight = next();
  for (int k = 0; k < loop.operation->outputs; ++k) task.*loop.operation->output[k] = next();
  xent::run(task, static_cast<std::size_t>(dimensions[0]));
}

// Fills `numbers` with the type numbers of a loop's operands.
void loop_types(const Operation& operation, int logits, int labels, std::vector<int>& numbers) {
  numbers = {logits, labels};
  if (operation.weighted) numbers.push_back(NPY_DOUBLE);
  numbers.insert(numbers.end(), operation.outputs, logits);
}

// NumPy keeps the three arrays by reference for as long as the ufunc lives: for ever.
PyUFuncObject* make_ufunc(const Operation& operation) {
  auto& functions = *new std::vector<PyUFuncGenericFunction>;
  auto& data = *new std::vector<void*>;
  auto& types = *new std::vector<char>;
  std::vector<int> numbers;
  for (int x = 0; x < logits_types; ++x) {
    const auto add = [&](const NumPyType& labels) {
      functions.push_back(ufunc_loop);
      data.push_back(new Loop{&operation, numpy_types[x].type, labels.type});
      loop_types(operation, numpy_types[x].number, labels.number, numbers);
      types.insert(types.end(), numbers.begin(), numbers.end());
    };
    add(numpy_types[x]);  // labels of the logits' type first, for weak scalars
    for (const NumPyType& labels : numpy_types)
      if (labels.number != numpy_types[x].number) add(labels);
  }
  return reinterpret_cast<PyUFuncObject*>(PyUFunc_FromFuncAndData(
      functions.data(), data.data(), types.data(), static_cast<int>(functions.size()), operation.weighted ? 3 : 2,
      operation.outputs, PyUFunc_None, operation.name, operation.doc, 0));
}

// ml_dtypes may be imported at any time: NumPy asks here when it knows no loop for the types of a call's operands. Its
// own resolver would take the loop of a wider float, and silently.
PyUFunc_TypeResolutionFunc* numpys_resolver;

int register_bfloat16(PyUFuncObject* ufunc, const Operation& operation, int number) {
  std::vector<int> numbers;
  const auto add = [&](int logits, Type logits_type, int labels, Type labels_type) {
    loop_types(operation, logits, labels, numbers);
    return PyUFunc_RegisterLoopForType(ufunc, number, ufunc_loop, numbers.data(),
                                       new Loop{&operation, logits_type, labels_type});
  };
  if (add(number, Type::bf16, number, Type::bf16) < 0) return -1;
  for (const NumPyType& labels : numpy_types)
    if (add(number, Type::bf16, labels.number, labels.type) < 0) return -1;
  for (int x = 0; x < logits_types; ++x)
    if (add(numpy_types[x].number, numpy_types[x].type, number, Type::bf16) < 0) return -1;
  return 0;
}

int resolve_types(PyUFuncObject* ufunc, NPY_CASTING casting, PyArrayObject** operands, PyObject* type_tuple,
                  PyArray_Descr** types) {
  static bool registered[operation_count];
  for (int i = 0; i < 2; ++i) {
    PyArray_Descr* descr = PyArray_DESCR(operands[i]);
    if (!is_bfloat16(descr)) continue;
    for (int k = 0; k < operation_count; ++k) {
      if (ufuncs[k] != ufunc || registered[k]) continue;
      if (register_bfloat16(ufunc, operations[k], descr->type_num) < 0) return -1;
      registered[k] = true;
    }
  }
  return numpys_resolver(ufunc, casting, operands, type_tuple, types);
}

// --- reductions ----------------------------------------------------------------------------------------------------

// The limbs of a sum as little-endian two's complement bytes of a number in units of 2^-1074, and the three counts.
nb::tuple finish(xent::ExactSum& sum) {
  sum.carry();
  unsigned char bytes[4 * xent::ExactSum::limbs];
  for (int i = 0; i < xent::ExactSum::limbs; ++i)
    for (int k = 0; k < 4; ++k) bytes[4 * i + k] = static_cast<unsigned char>(sum.limb[i] >> (8 * k));
  return nb::make_tuple(nb::bytes(bytes, sizeof bytes), sum.nan, sum.positive_infinity, sum.negative_infinity);
}

PyArrayObject* as_array(nb::handle object) {
  if (!PyArray_Check(object.ptr())) throw nb::type_error("expected a NumPy array");
  return reinterpret_cast<PyArrayObject*>(object.ptr());
}

// Calls body(pointers, strides, n) for runs of native, aligned elements of the arrays, the GIL released. With `type`,
// the elements are cast to that type number, a buffer at a time.
template <class Body>
void for_each_run(std::vector<PyArrayObject*> arrays, bool last_is_output, int type, const Body& body) {
  const int count = static_cast<int>(arrays.size());
  std::vector<npy_uint32> flags(count, NPY_ITER_READONLY | NPY_ITER_ALIGNED | NPY_ITER_NBO);
  if (last_is_output) flags.back() = NPY_ITER_WRITEONLY | NPY_ITER_ALIGNED | NPY_ITER_NBO;
  for (npy_uint32& flag : flags) flag |= NPY_ITER_OVERLAP_ASSUME_ELEMENTWISE;
  const nb::object descr =
      type == NPY_NOTYPE ? nb::object() : nb::steal(reinterpret_cast<PyObject*>(PyArray_DescrFromType(type)));
  std::vector<PyArray_Descr*> types(count, reinterpret_cast<PyArray_Descr*>(descr.ptr()));
  NpyIter* iterator = NpyIter_MultiNew(
      count, arrays.data(),
      NPY_ITER_EXTERNAL_LOOP | NPY_ITER_BUFFERED | NPY_ITER_GROWINNER | NPY_ITER_ZEROSIZE_OK | NPY_ITER_COPY_IF_OVERLAP,
      NPY_KEEPORDER, type == NPY_NOTYPE ? NPY_EQUIV_CASTING : NPY_SAFE_CASTING, flags.data(),
      type == NPY_NOTYPE ? nullptr : types.data());
  if (!iterator) throw nb::python_error();
  NpyIter_IterNextFunc* advance = NpyIter_GetIterNext(iterator, nullptr);
  if (advance && NpyIter_GetIterSize(iterator) > 0) {
    char** pointers = NpyIter_GetDataPtrArray(iterator);
    const npy_intp* strides = NpyIter_GetInnerStrideArray(iterator);
    const npy_intp* size = NpyIter_GetInnerLoopSizePtr(iterator);
    PyThreadState* state = NpyIter_IterationNeedsAPI(iterator) ? nullptr : PyEval_SaveThread();
    do body(pointers, strides, static_cast<std::size_t>(*size));
    while (advance(iterator));
    if (state) PyEval_RestoreThread(state);
  }
  NpyIter_Deallocate(iterator);  // writes back what was buffered
  if (PyErr_Occurred()) throw nb::python_error();
}

// The exact sum of the losses; with `gradient`, also the gradient divided by `divisor`, in the same pass.
nb::tuple sigmoid_cross_entropy_total(nb::handle logits, nb::handle labels, nb::handle gradient, double divisor) {
  std::vector<PyArrayObject*> arrays{as_array(logits), as_array(labels)};
  Task task;
  task.logits_type = type_of(arrays[0]);
  task.labels_type = type_of(arrays[1]);
  task.divisor = divisor;
  xent::ExactSum total;
  task.total = &total;
  const bool with_gradient = !gradient.is_none();
  if (with_gradient) arrays.push_back(as_array(gradient));
  for_each_run(arrays, with_gradient, NPY_NOTYPE, [&](char** pointers, const npy_intp* strides, std::size_t n) {
    task.logits = {pointers[0], strides[0]};
    task.labels = {pointers[1], strides[1]};
    if (with_gradient) task.gradient = {pointers[2], strides[2]};
    xent::run(task, n);
  });
  return finish(total);
}

nb::tuple exact_sum(nb::handle values) {
  xent::ExactSum total;
  for_each_run({as_array(values)}, false, NPY_DOUBLE, [&](char** pointers, const npy_intp* strides, std::size_t n) {
    xent::add({pointers[0], strides[0]}, n, total);
  });
  return finish(total);
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
  if (const char* message = xent::initialise()) throw nb::import_error(message);

  for (int k = 0; k < operation_count; ++k) {
    ufuncs[k] = make_ufunc(operations[k]);
    if (!ufuncs[k]) throw nb::python_error();
    numpys_resolver = ufuncs[k]->type_resolver;
    ufuncs[k]->type_resolver = resolve_types;
    m.attr(operations[k].name) = nb::borrow(reinterpret_cast<PyObject*>(ufuncs[k]));
  }

  m.def("sigmoid_cross_entropy_total", &sigmoid_cross_entropy_total, nb::arg("logits"), nb::arg("labels"),
        nb::arg("gradient").none(), nb::arg("divisor"));
  m.def("exact_sum", &exact_sum, nb::arg("values"));
  m.attr("limbs") = static_cast<int>(xent::ExactSum::limbs);

  m.attr("version") = XENT_VERSION;
  m.def("isa", &xent::isa);
  m.def("isas", [] {
    const char* const* names;
    const std::size_t count = xent::isas(&names);
    return std::vector<std::string>(names, names + count);
  });
  m.def("num_threads", &xent::num_threads);
  m.def("set_num_threads", &xent::set_num_threads, nb::arg("n"));
}
