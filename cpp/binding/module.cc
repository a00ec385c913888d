// The Python module logitloss._core: objects -> pointers. An index of what is registered; no arithmetic.

#define LOGITLOSS_IMPORTS_NUMPY
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "logitloss.h"
#include "objects.h"
#include "runtime/cpuid.h"
#include "runtime/instruction_set.h"
#include "sums.h"
#include "tensors.h"
#include "xla_ffi.h"

namespace nb = nanobind;

namespace {

using logitloss::as_array;
using logitloss::for_each_run;
using logitloss::Task;
using logitloss::to_python;
using logitloss::Type;
using logitloss::type_of;

// A task on arrays of equal shape, None for those not given or not wanted: pos_weight is float64, `where` bool.
struct Arrays {
  nb::handle pos_weight, where, loss, gradient, hessian;
};

void run_on_arrays(Task& task, nb::handle logits, nb::handle labels, const Arrays& given) {
  std::vector<PyArrayObject*> arrays{as_array(logits), as_array(labels)};
  task.logits_type = type_of(arrays[0]);
  task.labels_type = type_of(arrays[1]);
  std::vector<logitloss::Array*> places{&task.logits, &task.labels};
  const auto add = [&](nb::handle array, logitloss::Array& place) {
    if (array.is_none()) return std::size_t{0};
    arrays.push_back(as_array(array));
    places.push_back(&place);
    return std::size_t{1};
  };
  add(given.pos_weight, task.pos_weight);
  add(given.where, task.where);
  const std::size_t outputs =
      add(given.loss, task.loss) + add(given.gradient, task.gradient) + add(given.hessian, task.hessian);
  for_each_run(arrays, outputs, [&](char** pointers, const npy_intp* strides, std::size_t n) {
    for (std::size_t i = 0; i < places.size(); ++i) *places[i] = {pointers[i], strides[i]};
    logitloss::run(task, n);
  });
}

// The exact sum of the losses; with `gradient`, also the gradient divided by `divisor`, in the same pass.
nb::tuple sigmoid_cross_entropy_total(nb::handle logits, nb::handle labels, nb::handle gradient, double divisor,
                                      nb::handle where) {
  logitloss::ExactSum total;
  Task task;
  task.divisor = divisor;
  task.total = &total;
  const nb::object none = nb::none();
  run_on_arrays(task, logits, labels, {none, where, none, gradient, none});
  return to_python(total);
}

// Writes those of loss, gradient and hessian that are arrays; +0 where `where` is false.
void sigmoid_cross_entropy_where(nb::handle logits, nb::handle labels, nb::handle pos_weight, nb::handle where,
                                 nb::handle loss, nb::handle gradient, nb::handle hessian) {
  Task task;
  run_on_arrays(task, logits, labels, {pos_weight, where, loss, gradient, hessian});
}

// The losses of two contiguous NumPy arrays of equal shape, and None for anything else, which the ufunc checks and
// computes. A small call takes less time than a ufunc needs to find its loop; a large one goes to Python, which
// processes it in chunks.
nb::object sigmoid_cross_entropy_fast(nb::handle logits, nb::handle labels) {
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
  for_each_run({array}, 0, [&](char** pointers, const npy_intp* strides, std::size_t n) {
    logitloss::add(type, {pointers[0], strides[0]}, n, total);
  });
  return to_python(total);
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
        nb::arg("gradient").none(), nb::arg("divisor"), nb::arg("where").none() = nb::none());
  m.def("sigmoid_cross_entropy_where", &sigmoid_cross_entropy_where, nb::arg("logits"), nb::arg("labels"),
        nb::arg("pos_weight").none(), nb::arg("where"), nb::arg("loss").none(), nb::arg("gradient").none(),
        nb::arg("hessian").none());
  m.def("sigmoid_cross_entropy_fast", &sigmoid_cross_entropy_fast, nb::arg("logits").none(), nb::arg("labels").none());
  m.def("exact_sum", &exact_sum, nb::arg("values"));
  logitloss::register_sums(m);

  // On addresses of tensors: no Python object is touched.
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
    std::vector<std::string> names;
    for (const logitloss::InstructionSet& set : logitloss::instruction_sets())
      if (!set.missing) names.push_back(set.name);
    return names;
  });
  m.def("instruction_sets", [] {
    nb::dict sets;
    for (const logitloss::InstructionSet& set : logitloss::instruction_sets())
      sets[set.name] = set.missing ? nb::cast(set.missing) : nb::none();
    return sets;
  });
  m.def(
      "missing_instructions",
      [](std::uint32_t leaf1_ecx, std::uint32_t leaf7_ebx, std::uint64_t xcr0) {
        const logitloss::CpuidRegisters registers{leaf1_ecx, leaf7_ebx, xcr0};
        return std::make_pair(logitloss::missing_for_avx2(registers), logitloss::missing_for_avx512(registers));
      },
      nb::arg("leaf1_ecx"), nb::arg("leaf7_ebx"), nb::arg("xcr0"));
  m.def("num_threads", &logitloss::num_threads);
  m.def("set_num_threads", &logitloss::set_num_threads, nb::arg("n"));
}
