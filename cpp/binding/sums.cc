// The bindings of cpp/sums: histograms of rows, and sums by group.

#include "sums.h"

#include <algorithm>

#include "objects.h"
#include "sums/histogram.h"

namespace logitloss {
namespace {

// Adds rows to a tally: logits float32 or float64, labels bool or float64, weights float64 or None.
void tally(Tally& to, nb::handle logits, nb::handle labels, nb::handle weights) {
  PyArrayObject *xs = as_array(logits), *zs = as_array(labels);
  const npy_intp n = PyArray_SIZE(xs);
  const void *x = contiguous_data(xs, n, {Type::f32, Type::f64}),
             *z = contiguous_data(zs, n, {Type::boolean, Type::f64});
  const auto* w =
      static_cast<const double*>(weights.is_none() ? nullptr : contiguous_data(as_array(weights), n, {Type::f64}));
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
nb::tuple finish_tally(Tally& tally) {
  nb::list cells, losses;
  for (int i = 0; i < 2 * Tally::intervals; ++i) {
    const Tally::Cell& cell = tally.cells[i];
    if (!cell.rows) continue;
    nb::list sums;
    for (const CellSum* one : {&cell.weight, &cell.label, &cell.loss, &cell.residual}) {
      ExactSum sum = one->total();
      sums.append(to_python(sum));
    }
    cells.append(nb::make_tuple(i, cell.rows, sums));
  }
  for (const std::int64_t count : tally.losses) losses.append(count);
  return nb::make_tuple(cells, losses, to_python(tally.loss2), to_python(tally.weight2), to_python(tally.weight2_loss));
}

// Adds rows to groups: the number of each row's group as int32, and its values as a row of float64.
void add_to_groups(GroupSums& to, nb::handle groups, nb::handle values) {
  PyArrayObject *numbers = as_array(groups), *rows = as_array(values);
  const npy_intp n = PyArray_SIZE(numbers);
  const auto* g = static_cast<const std::int32_t*>(contiguous_data(numbers, n, {Type::i32}));
  const auto* v = static_cast<const double*>(contiguous_data(rows, n * to.columns, {Type::f64}));
  if (std::any_of(g, g + n, [](std::int32_t one) { return one < 0; })) throw nb::value_error("a group is negative");
  const nb::gil_scoped_release released;
  to.add(g, v, n);
}

// The rows of a group, and its sums.
nb::tuple finish_group(const GroupSums& groups, std::size_t group) {
  nb::list sums;
  for (int k = 0; k < groups.columns; ++k) {
    ExactSum sum = groups.sums.at(group * groups.columns + k).total();
    sums.append(to_python(sum));
  }
  return nb::make_tuple(groups.rows.at(group), sums);
}

}  // namespace

void register_sums(nb::module_& m) {
  nb::class_<Tally>(m, "Tally")
      .def(nb::init<>())
      .def("add", &tally, nb::arg("logits"), nb::arg("labels"), nb::arg("weights").none())
      .def("finish", &finish_tally);
  nb::class_<GroupSums>(m, "GroupSums")
      .def(nb::init<int>(), nb::arg("columns"))
      .def("__len__", [](const GroupSums& groups) { return groups.rows.size(); })
      .def("add", &add_to_groups, nb::arg("groups"), nb::arg("values"))
      .def("finish", &finish_group, nb::arg("group"));
}

}  // namespace logitloss
