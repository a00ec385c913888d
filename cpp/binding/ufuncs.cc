// The NumPy ufuncs: an index of what is registered, and how a task is filled from their operands. No arithmetic.

#include <cstring>
#include <new>
#include <vector>

#include "numpy_api.h"

namespace logitloss {
namespace {

// --- types ---------------------------------------------------------------------------------------------------------

struct NumPyType {
  int number;
  Type type;
};

constexpr Type of_long = sizeof(long) == 8 ? Type::i64 : Type::i32,
               of_ulong = sizeof(long) == 8 ? Type::u64 : Type::u32;

// Logits' types first and narrowest first: NumPy takes the first loop that a weak Python scalar fits.
constexpr NumPyType numpy_types[] = {{NPY_HALF, Type::f16},     {NPY_FLOAT, Type::f32},    {NPY_DOUBLE, Type::f64},
                                     {NPY_BOOL, Type::boolean}, {NPY_BYTE, Type::i8},      {NPY_UBYTE, Type::u8},
                                     {NPY_SHORT, Type::i16},    {NPY_USHORT, Type::u16},   {NPY_INT, Type::i32},
                                     {NPY_UINT, Type::u32},     {NPY_LONG, of_long},       {NPY_ULONG, of_ulong},
                                     {NPY_LONGLONG, Type::i64}, {NPY_ULONGLONG, Type::u64}};
constexpr int logits_types = 3;
constexpr NumPyType index_types[] = {{NPY_LONGLONG, Type::i64}, {NPY_LONG, of_long}};

// bfloat16 is a type of ml_dtypes, known by its name, so that nothing is imported to look for it.
bool is_bfloat16(PyArray_Descr* descr) {
  if (!PyTypeNum_ISUSERDEF(descr->type_num)) return false;
  const char* name = descr->typeobj->tp_name;
  const char* dot = std::strrchr(name, '.');
  return std::strcmp(dot ? dot + 1 : name, "bfloat16") == 0;
}

// --- operations ----------------------------------------------------------------------------------------------------

enum class Labels { number, index };
enum class Third { none, pos_weight, divisor };  // float64

struct Operation {
  const char* name;
  const char* doc;
  const char* signature;  // of a generalised ufunc
  Labels labels;
  Third third;
  std::vector<Array Task::*> outputs;  // of an elementwise one
};

const Operation operations[] = {
    {"sigmoid_cross_entropy",
     "loss = sigmoid_cross_entropy(logits, labels)",
     nullptr,
     Labels::number,
     Third::none,
     {&Task::loss}},
    {"sigmoid_cross_entropy_grad",
     "gradient = sigmoid_cross_entropy_grad(logits, labels)",
     nullptr,
     Labels::number,
     Third::none,
     {&Task::gradient}},
    {"sigmoid_cross_entropy_value_and_grad",
     "loss, gradient = sigmoid_cross_entropy_value_and_grad(logits, labels)",
     nullptr,
     Labels::number,
     Third::none,
     {&Task::loss, &Task::gradient}},
    {"sigmoid_cross_entropy_grad_and_hess",
     "gradient, hessian = sigmoid_cross_entropy_grad_and_hess(logits, labels)",
     nullptr,
     Labels::number,
     Third::none,
     {&Task::gradient, &Task::hessian}},
    {"weighted_sigmoid_cross_entropy",
     "loss = weighted_sigmoid_cross_entropy(logits, labels, pos_weight)",
     nullptr,
     Labels::number,
     Third::pos_weight,
     {&Task::loss}},
    {"softmax_cross_entropy",
     "loss = softmax_cross_entropy(logits, labels)",
     "(n),(n)->()",
     Labels::number,
     Third::none,
     {}},
    {"softmax_cross_entropy_value_and_grad",
     "loss, gradient = softmax_cross_entropy_value_and_grad(logits, labels)",
     "(n),(n)->(),(n)",
     Labels::number,
     Third::none,
     {}},
    {"softmax_cross_entropy_value_and_grad_divided",
     "loss, gradient / divisor = softmax_cross_entropy_value_and_grad_divided(logits, labels, divisor)",
     "(n),(n),()->(),(n)",
     Labels::number,
     Third::divisor,
     {}},
    {"sparse_softmax_cross_entropy",
     "loss = sparse_softmax_cross_entropy(logits, labels)",
     "(n),()->()",
     Labels::index,
     Third::none,
     {}},
    {"sparse_softmax_cross_entropy_value_and_grad",
     "loss, gradient = sparse_softmax_cross_entropy_value_and_grad(logits, labels)",
     "(n),()->(),(n)",
     Labels::index,
     Third::none,
     {}},
    {"sparse_softmax_cross_entropy_value_and_grad_divided",
     "loss, gradient / divisor = sparse_softmax_cross_entropy_value_and_grad_divided(logits, labels, divisor)",
     "(n),(),()->(),(n)",
     Labels::index,
     Third::divisor,
     {}},
};
constexpr int operation_count = sizeof operations / sizeof *operations;
PyUFuncObject* ufuncs[operation_count];

int inputs(const Operation& operation) { return operation.third == Third::none ? 2 : 3; }

int outputs(const Operation& operation) {
  if (!operation.signature) return static_cast<int>(operation.outputs.size());
  return std::strstr(std::strstr(operation.signature, "->"), ",(n)") ? 2 : 1;
}

// --- loops ---------------------------------------------------------------------------------------------------------

struct Loop {
  const Operation* operation;
  Type logits, labels;
};

// NumPy is C: no exception may pass through it.
template <class AnyTask>
void run_for_numpy(const AnyTask& task, std::size_t n) {
  try {
    run(task, n);
  } catch (const std::bad_alloc&) {
    const PyGILState_STATE state = PyGILState_Ensure();
    PyErr_NoMemory();
    PyGILState_Release(state);
  }
}

void elementwise_loop(char** args, const npy_intp* dimensions, const npy_intp* steps, void* data) {
  const Loop& loop = *static_cast<const Loop*>(data);
  Task task;
  task.logits_type = loop.logits;
  task.labels_type = loop.labels;
  task.logits = {args[0], steps[0]};
  task.labels = {args[1], steps[1]};
  int i = 2;
  if (loop.operation->third == Third::pos_weight) {
    task.pos_weight = {args[i], steps[i]};
    ++i;
  }
  for (Array Task::*output : loop.operation->outputs) {
    task.*output = {args[i], steps[i]};
    ++i;
  }
  run_for_numpy(task, static_cast<std::size_t>(dimensions[0]));
}

// dimensions: rows, classes. steps: those of the operands from row to row, then from class to class of those with (n).
void softmax_loop(char** args, const npy_intp* dimensions, const npy_intp* steps, void* data) {
  const Loop& loop = *static_cast<const Loop*>(data);
  const int arguments = inputs(*loop.operation), operands = arguments + outputs(*loop.operation);
  const npy_intp* column_step = steps + operands;
  SoftmaxTask task;
  task.logits_type = loop.logits;
  task.labels_type = loop.labels;
  task.sparse = loop.operation->labels == Labels::index;
  task.classes = static_cast<std::size_t>(dimensions[1]);
  task.logits = {args[0], steps[0], *column_step++};
  task.labels = {args[1], steps[1], task.sparse ? 0 : *column_step++};
  if (loop.operation->third == Third::divisor && dimensions[0]) task.divisor = *reinterpret_cast<double*>(args[2]);
  task.loss = {args[arguments], steps[arguments]};
  if (operands > arguments + 1) task.gradient = {args[arguments + 1], steps[arguments + 1], *column_step};
  const auto rows = static_cast<std::size_t>(dimensions[0]);
  // NumPy keeps Python's lock for few rows, however long they are.
  constexpr std::size_t few = 4096;
  PyThreadState* state = rows * task.classes > few && PyGILState_Check() ? PyEval_SaveThread() : nullptr;
  run_for_numpy(task, rows);
  if (state) PyEval_RestoreThread(state);
}

// --- registration --------------------------------------------------------------------------------------------------

// Calls add(labels) with the types of labels that go with logits of type `own`, that type itself first.
template <class Add>
void for_each_labels(const Operation& operation, NumPyType own, const Add& add) {
  if (operation.labels == Labels::index) {
    for (const NumPyType& labels : index_types) add(labels);
    return;
  }
  add(own);
  for (const NumPyType& labels : numpy_types)
    if (labels.number != own.number) add(labels);
}

std::vector<int> operand_types(const Operation& operation, int logits, int labels) {
  std::vector<int> numbers{logits, labels};
  if (operation.third != Third::none) numbers.push_back(NPY_DOUBLE);
  numbers.insert(numbers.end(), outputs(operation), logits);
  return numbers;
}

PyUFuncGenericFunction loop_of(const Operation& operation) {
  return operation.signature ? softmax_loop : elementwise_loop;
}

// NumPy keeps the three arrays by reference for as long as the ufunc lives: for ever.
PyUFuncObject* make_ufunc(const Operation& operation) {
  auto& functions = *new std::vector<PyUFuncGenericFunction>;
  auto& data = *new std::vector<void*>;
  auto& types = *new std::vector<char>;
  for (int x = 0; x < logits_types; ++x)
    for_each_labels(operation, numpy_types[x], [&](const NumPyType& labels) {
      functions.push_back(loop_of(operation));
      data.push_back(new Loop{&operation, numpy_types[x].type, labels.type});
      for (const int number : operand_types(operation, numpy_types[x].number, labels.number))
        types.push_back(static_cast<char>(number));
    });
  return reinterpret_cast<PyUFuncObject*>(PyUFunc_FromFuncAndDataAndSignature(
      functions.data(), data.data(), types.data(), static_cast<int>(functions.size()), inputs(operation),
      outputs(operation), PyUFunc_None, operation.name, operation.doc, 0, operation.signature));
}

int register_bfloat16(PyUFuncObject* ufunc, const Operation& operation, int number) {
  int failed = 0;
  const auto add = [&](NumPyType logits, NumPyType labels) {
    if (failed) return;
    std::vector<int> numbers = operand_types(operation, logits.number, labels.number);
    failed = PyUFunc_RegisterLoopForType(ufunc, number, loop_of(operation), numbers.data(),
                                         new Loop{&operation, logits.type, labels.type});
  };
  const NumPyType own{number, Type::bf16};
  for_each_labels(operation, own, [&](const NumPyType& labels) { add(own, labels); });
  for (int x = 0; x < logits_types && operation.labels == Labels::number; ++x) add(numpy_types[x], own);
  return failed;
}

// ml_dtypes may be imported at any time: NumPy asks here when it knows no loop for the types of a call's operands. Its
// own resolver would take the loop of a wider float, and silently.
PyUFunc_TypeResolutionFunc* numpys_resolver;

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

}  // namespace

bool type_of(PyArrayObject* array, Type& type) {
  if (is_bfloat16(PyArray_DESCR(array))) {
    type = Type::bf16;
    return true;
  }
  for (const NumPyType& known : numpy_types)
    if (known.number == PyArray_TYPE(array)) {
      type = known.type;
      return true;
    }
  return false;
}

void make_ufuncs(void (*keep)(void* context, const char* name, PyObject* ufunc), void* context) {
  for (int k = 0; k < operation_count; ++k) {
    ufuncs[k] = make_ufunc(operations[k]);
    if (ufuncs[k]) {
      numpys_resolver = ufuncs[k]->type_resolver;
      ufuncs[k]->type_resolver = resolve_types;
    }
    keep(context, operations[k].name, reinterpret_cast<PyObject*>(ufuncs[k]));
  }
}

}  // namespace logitloss
