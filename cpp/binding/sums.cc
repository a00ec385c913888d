#include "sums.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "logitloss.h"
#include "objects.h"
#include "sums/histogram.h"
#include "sums/sum_table.h"

namespace logitloss {

namespace {

template <class T>
constexpr int numpy_type = NPY_NOTYPE;
template <>
constexpr int numpy_type<std::int32_t> = NPY_INT32;
template <>
constexpr int numpy_type<std::int64_t> = NPY_INT64;
template <>
constexpr int numpy_type<double> = NPY_FLOAT64;

// The data of a contiguous array of n elements of this type.
template <class T>
const T* data_of(nb::handle object, npy_intp n, Type type) {
  return static_cast<const T*>(contiguous_data(as_array(object), n, {type}));
}

npy_intp size_of_array(nb::handle object) { return PyArray_SIZE(as_array(object)); }

template <class T>
std::pair<nb::object, T*> make(std::initializer_list<npy_intp> shape) {
  nb::object array =
      nb::steal(PyArray_SimpleNew(static_cast<int>(shape.size()), const_cast<npy_intp*>(shape.begin()), numpy_type<T>));
  if (!array) throw nb::python_error();
  return {array, static_cast<T*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array.ptr())))};
}

template <class T>
nb::object copy_of(const std::vector<T>& values) {
  auto [array, data] = make<T>({static_cast<npy_intp>(values.size())});
  std::copy(values.begin(), values.end(), data);
  return array;
}

const std::int32_t* groups_of(nb::handle groups, npy_intp n) {
  const auto* g = data_of<std::int32_t>(groups, n, Type::i32);
  if (std::any_of(g, g + n, [](std::int32_t one) { return one < 0; })) throw nb::value_error("a group is negative");
  return g;
}

void add_to_groups(SumTable& to, nb::handle groups, nb::handle values) {
  const npy_intp n = size_of_array(groups);
  const std::int32_t* g = groups_of(groups, n);
  const auto* v = data_of<double>(values, n * to.columns, Type::f64);
  const nb::gil_scoped_release released;
  to.add(g, v, n);
}

void merge_groups(SumTable& to, const SumTable& other, nb::handle groups) {
  if (&to == &other || to.columns != other.columns) throw nb::value_error("expected another table of as many columns");
  const std::int32_t* g = groups_of(groups, static_cast<npy_intp>(other.size()));
  const nb::gil_scoped_release released;
  to.merge(other, g);
}

// Of shape (2, groups, columns): each sum as two doubles that add up to it, to 2^-106 of it.
nb::object rounded(const SumTable& table) {
  const auto groups = static_cast<npy_intp>(table.size());
  auto [array, data] = make<double>({2, groups, table.columns});
  const nb::gil_scoped_release released;
  for (std::size_t i = 0; i < table.sums.size(); ++i) table.sums[i].round(data[i], data[table.sums.size() + i]);
  return array;
}

// Of shape (3, groups): how many values of a column were nan, inf and -inf, and are in no sum.
nb::object specials(const SumTable& table, int column) {
  const std::size_t groups = table.size();
  if (column < 0 || column >= table.columns) throw nb::index_error("no such column");
  auto [array, data] = make<std::int64_t>({3, static_cast<npy_intp>(groups)});
  for (std::size_t i = 0; i < groups; ++i) {
    const ExactSum* one = table.sums[i * table.columns + column].limbs();
    data[i] = one ? one->nan : 0;
    data[groups + i] = one ? one->positive_infinity : 0;
    data[2 * groups + i] = one ? one->negative_infinity : 0;
  }
  return array;
}

// What the table holds as numbers that may be added: for each the group, the column, or -1 for the rows, the limb, and
// the value, which has the sign of its sum. Behind the limbs stand the counts of nan, inf and -inf.
nb::tuple limbs(const SumTable& table) {
  std::vector<std::int32_t> groups, columns, numbers;
  std::vector<std::int64_t> values;
  {
    const nb::gil_scoped_release released;
    for (std::size_t i = 0; i < table.size(); ++i) {
      const auto put = [&](int column, int limb, std::int64_t value) {
        if (!value) return;
        groups.push_back(static_cast<std::int32_t>(i));
        columns.push_back(column);
        numbers.push_back(limb);
        values.push_back(value);
      };
      put(-1, 0, table.rows[i]);
      for (int k = 0; k < table.columns; ++k) {
        ExactSum sum = table.sums[i * table.columns + k].total();
        const std::int64_t sign = sum.limb[ExactSum::limbs - 1] < 0 ? -1 : 1;
        for (std::int64_t& limb : sum.limb) limb *= sign;
        sum.carry();
        for (int j = 0; j < ExactSum::limbs; ++j) put(k, j, sign * sum.limb[j]);
        const std::int64_t counts[] = {sum.nan, sum.positive_infinity, sum.negative_infinity};
        for (int j = 0; j < 3; ++j) put(k, ExactSum::limbs + j, counts[j]);
      }
    }
  }
  return nb::make_tuple(copy_of(groups), copy_of(columns), copy_of(numbers), copy_of(values));
}

void add_limbs(SumTable& to, nb::handle groups, nb::handle columns, nb::handle limbs, nb::handle values) {
  const npy_intp n = size_of_array(groups);
  const std::int32_t *g = groups_of(groups, n), *c = data_of<std::int32_t>(columns, n, Type::i32),
                     *l = data_of<std::int32_t>(limbs, n, Type::i32);
  const auto* v = data_of<std::int64_t>(values, n, Type::i64);
  for (npy_intp i = 0; i < n; ++i) {
    if (c[i] < -1 || c[i] >= to.columns || l[i] < 0 || l[i] >= ExactSum::limbs + 3)
      throw nb::value_error("no such column or limb");
    if (static_cast<std::size_t>(g[i]) >= to.size()) to.resize(g[i] + 1);
    if (c[i] < 0)
      to.rows[g[i]] += v[i];
    else
      to.at(g[i])[c[i]].add_limb(l[i], v[i]);
  }
}

// Adds rows: logits float32 or float64, labels bool or float64, weights float64 or None.
void add_rows(Histogram& to, nb::handle logits, nb::handle labels, nb::handle weights) {
  const npy_intp n = size_of_array(logits);
  const void *x = contiguous_data(as_array(logits), n, {Type::f32, Type::f64}),
             *z = contiguous_data(as_array(labels), n, {Type::boolean, Type::f64});
  const auto* w = weights.is_none() ? nullptr : data_of<double>(weights, n, Type::f64);
  const bool hard = type_of(as_array(labels)) == Type::boolean, float32 = type_of(as_array(logits)) == Type::f32;
  const nb::gil_scoped_release released;
  const auto run = [&](const auto* floats) {
    if (hard)
      to.add(floats, static_cast<const std::uint8_t*>(z), w, static_cast<std::size_t>(n));
    else
      to.add(floats, static_cast<const double*>(z), w, static_cast<std::size_t>(n));
  };
  float32 ? run(static_cast<const float*>(x)) : run(static_cast<const double*>(x));
}

nb::tuple sums_of(Histogram::Sums sums) {
  nb::object numbers = copy_of(sums.numbers);
  return nb::make_tuple(numbers, nb::cast(new SumTable(std::move(sums.table)), nb::rv_policy::take_ownership));
}

}  // namespace

void register_sums(nb::module_& m) {
  nb::class_<SumTable>(m, "SumTable")
      .def(nb::init<int>(), nb::arg("columns"))
      .def("__len__", &SumTable::size)
      .def_ro("columns", &SumTable::columns)
      .def("resize", &SumTable::resize, nb::arg("groups"))
      .def("add", &add_to_groups, nb::arg("groups"), nb::arg("values"))
      .def("merge", &merge_groups, nb::arg("other"), nb::arg("groups"))
      .def("rows", [](const SumTable& table) { return copy_of(table.rows); })
      .def("rounded", &rounded)
      .def("specials", &specials, nb::arg("column"))
      .def("limbs", &limbs)
      .def("add_limbs", &add_limbs, nb::arg("groups"), nb::arg("columns"), nb::arg("limbs"), nb::arg("values"));
  nb::class_<Histogram>(m, "Histogram")
      .def(nb::init<>())
      .def("add", &add_rows, nb::arg("logits"), nb::arg("labels"), nb::arg("weights").none())
      .def("coarse", [](const Histogram& histogram) { return sums_of(histogram.coarse()); })
      .def("fine", [](const Histogram& histogram) { return sums_of(histogram.fine()); })
      .def(
          "all", [](const Histogram& histogram) { return new SumTable(histogram.all()); },
          nb::rv_policy::take_ownership)
      .def("losses", [](const Histogram& histogram) {
        return copy_of(std::vector<std::int64_t>(histogram.losses, histogram.losses + Histogram::loss_bins));
      });
  m.attr("coarse_bins") = nb::make_tuple(coarse_bins.per_logit, coarse_bins.reach);
  m.attr("fine_bins") = nb::make_tuple(fine_bins.per_logit, fine_bins.reach);
  m.attr("lowest_loss_bin") = static_cast<int>(Histogram::lowest_loss);
}

}  // namespace logitloss
