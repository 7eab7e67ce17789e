// The Python module: chooses the build for this machine's instruction set, and spreads blocks over threads.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "pool.h"
#include "table.h"

namespace nb = nanobind;

namespace amiss_baseline { extern const amiss::Table table; }
#if defined(AMISS_X86)
namespace amiss_avx2 { extern const amiss::Table table; }
namespace amiss_avx512 { extern const amiss::Table table; }
#endif

namespace amiss {

// Builds from the most capable to the least; the environment variable AMISS_ISA names one, for tests.
const Table& choose_table() {
  const char* wish = std::getenv("AMISS_ISA");
  const std::string wanted = wish ? wish : "";
#if defined(AMISS_X86)
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (avx512 && (wanted.empty() || wanted == "avx512")) return amiss_avx512::table;
  if (__builtin_cpu_supports("avx2") && (wanted.empty() || wanted == "avx2")) return amiss_avx2::table;
#endif
  return amiss_baseline::table;
}

const Table& table() {
  static const Table& chosen = choose_table();
  return chosen;
}

template <class T> using Input = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T> using Output = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
template <class A> using Maybe = std::optional<A>;

template <class A> auto data_or_null(const Maybe<A>& array) { return array ? array->data() : nullptr; }

template <class A> void require_size(const Maybe<A>& array, std::size_t n, const char* name) {
  if (array && array->size() != n) throw std::invalid_argument(std::string(name) + " has another size");
}

const Entry& entry_of(const std::string& name) {
  const Table& chosen = table();
  for (std::size_t i = 0; i < chosen.count; ++i)
    if (name == chosen.entries[i].name) return chosen.entries[i];
  throw std::invalid_argument("no kernel is called " + name);
}

// Adds up in the order of the blocks, whoever computed them.
// Beyond the largest number the rounding errors are not numbers; an infinity is the sum.
double in_order(const std::vector<Sum>& parts) {
  Sum sum;
  for (const Sum& part : parts) sum.add(part);
  return sum.total();
}

// Returns whether every entry lies in its domain, and the sum of the values with the factor it was shrunk by.
template <class T>
std::tuple<bool, double, double> evaluate(const std::string& name, int wanted, const std::vector<double>& parameters,
                                 Input<T> prediction, Input<T> target, Maybe<Input<T>> weight, double factor,
                                 Maybe<Output<T>> value, Maybe<Output<T>> gradient, Maybe<Output<T>> hessian,
                                 std::size_t threads) {
  const std::size_t n = prediction.size(), blocks = (n + block - 1) / block;
  const Entry& entry = entry_of(name);
  if (int(parameters.size()) != entry.parameters) throw std::invalid_argument("wrong number of parameters");
  if (wanted < 1 || wanted == 5 || wanted == 7 || wanted == 9 || wanted > 10)
    throw std::invalid_argument("this set of quantities is not compiled");
  if (target.size() != n) throw std::invalid_argument("target has another size");
  require_size(weight, n, "weight");
  require_size(value, n, "value");
  require_size(gradient, n, "gradient");
  require_size(hessian, n, "hessian");
  if (bool(wanted & wants_value) != bool(value) || bool(wanted & wants_gradient) != bool(gradient) ||
      bool(wanted & wants_hessian) != bool(hessian))
    throw std::invalid_argument("an output is missing");
  Task<T> task{parameters.data(), wanted,  prediction.data(),   target.data(),          data_or_null(weight),
               T(factor),         1.0,     data_or_null(value), data_or_null(gradient), data_or_null(hessian)};
  Kernel<T> kernel;
  if constexpr (sizeof(T) == 4) kernel = entry.single;
  else kernel = entry.twice;

  const auto pass = [&] {
    std::vector<Sum> sums(blocks);
    std::atomic<bool> inside{true};
    const auto work = [&](std::size_t i) {
      const std::size_t start = i * block;
      if (!kernel(task, start, std::min(block, n - start), sums[i])) inside = false;
    };
    if (n < 4 * block) {
      for (std::size_t i = 0; i < blocks; ++i) work(i);
    } else {
      nb::gil_scoped_release released;
      Pool::of_process().run(blocks, threads, work);
    }
    return std::pair<bool, double>{inside.load(), in_order(sums)};
  };
  auto result = pass();
  if ((wanted & wants_sum) && !std::isfinite(result.second)) {
    // The sum may have overflowed where the mean does not: add up shrunk values instead.
    task.shrink = 0x1p-60;
    const auto again = pass();
    result.second = again.second;
  }
  return {result.first, result.second, task.shrink};
}

// Whether several threads have to share a row, so that all of them have something to do.
bool shared_rows(std::size_t rows, std::size_t threads, std::size_t classes) {
  return threads > 1 && rows < 4 * threads && rows % threads != 0 && Segments(classes).count > 1;
}

// Softmax cross-entropy of all rows, several rows at a time; returns the sum of their values.
template <class T> double by_rows(const RowTask<T>& task, std::size_t rows, std::size_t threads, bool& inside) {
  RowKernel<T> kernel;
  if constexpr (sizeof(T) == 4) kernel = table().cross_entropy_single;
  else kernel = table().cross_entropy_twice;
  // Few classes are computed for sixteen rows at a time.
  std::size_t step = std::max<std::size_t>(1, 4 * block / task.classes);
  if (step > 16) step = step / 16 * 16;
  const std::size_t blocks = (rows + step - 1) / step;
  std::vector<Sum> sums(blocks);
  std::atomic<bool> fine{true};
  Pool::of_process().run(blocks, rows * task.classes < 4 * block ? 1 : threads, [&](std::size_t i) {
    if (!kernel(task, i * step, std::min(step, rows - i * step), sums[i])) fine = false;
  });
  inside = fine;
  return in_order(sums);
}

// The same, all segments of all rows at a time.
template <class T> double by_segments(const RowTask<T>& task, std::size_t rows, std::size_t threads, bool& inside) {
  const RowSteps<T>* steps;
  if constexpr (sizeof(T) == 4) steps = &table().row_steps_single;
  else steps = &table().row_steps_twice;
  const std::size_t count = Segments(task.classes).count;
  std::vector<RowPart> parts(rows * count);
  std::vector<Sum> sums(rows);
  std::atomic<bool> fine{true};
  Pool& pool = Pool::of_process();
  pool.run(rows * count, threads, [&](std::size_t i) { steps->measure(task, i / count, i % count, parts[i]); });
  pool.run(rows, threads, [&](std::size_t row) {
    if (!steps->join(task, row, &parts[row * count], sums[row])) fine = false;
  });
  if (task.gradient)
    pool.run(rows * count, threads, [&](std::size_t i) { steps->finish(task, i / count, i % count, parts[i]); });
  inside = fine;
  return in_order(sums);
}

template <class T>
std::tuple<bool, double, double> cross_entropy(Input<T> prediction, Input<std::int64_t> label, Maybe<Input<T>> weight,
                   Maybe<Input<T>> class_weight, Maybe<std::int64_t> ignored, double smoothing, double factor,
                   Maybe<Output<T>> value, Maybe<Output<T>> gradient, bool sums, std::size_t threads) {
  const std::size_t rows = label.size(), classes = rows ? prediction.size() / rows : 0;
  if (prediction.size() != rows * classes) throw std::invalid_argument("prediction has another size");
  require_size(weight, rows, "weight");
  require_size(class_weight, classes, "class_weight");
  require_size(value, rows, "value");
  require_size(gradient, prediction.size(), "gradient");
  if (!rows || !classes) return {true, 0.0, 1.0};
  Sum class_sum{double(classes), 0.0};
  if (class_weight) {
    class_sum = {};
    for (std::size_t i = 0; i < classes; ++i) class_sum.add(double(class_weight->data()[i]));
    const double total = class_sum.total();
    class_sum = {total, class_sum.low - (total - class_sum.high)};
  }
  RowTask<T> task{classes,           prediction.data(),       label.data(),         data_or_null(weight),
                        data_or_null(class_weight), class_sum, ignored.has_value(), ignored.value_or(0), T(smoothing),
                        T(factor),         sums,                    1.0,
                        data_or_null(value), data_or_null(gradient)};
  std::atomic<bool> fine{true};
  nb::gil_scoped_release released;
  const auto pass = [&] {
    bool inside = true;
    const double sum = shared_rows(rows, threads, classes) ? by_segments(task, rows, threads, inside)
                                                           : by_rows(task, rows, threads, inside);
    if (!inside) fine = false;
    return sum;
  };
  double sum = pass();
  if (sums && !std::isfinite(sum)) {
    task.shrink = 0x1p-60;
    sum = pass();
  }
  return {fine.load(), sum, task.shrink};
}

template <class T> std::tuple<double, double> total(Input<T> x) {
  const auto pass = [&](double shrink) {
    Sum sum;
    if constexpr (sizeof(T) == 4) table().total_single(x.data(), x.size(), shrink, sum);
    else table().total_twice(x.data(), x.size(), shrink, sum);
    return sum.total();
  };
  const double sum = pass(1.0);
  if (std::isfinite(sum)) return {sum, 1.0};
  return {pass(0x1p-60), 0x1p-60};
}

template <class T> void apply(const std::string& name, Input<T> x, Output<T> y) {
  if (x.size() != y.size()) throw std::invalid_argument("arrays must have one size");
  for (std::size_t i = 0; i < table().function_count; ++i) {
    const NamedFunction& function = table().functions[i];
    if (name != function.name) continue;
    if constexpr (sizeof(T) == 4) return function.single(x.size(), x.data(), y.data());
    else return function.twice(x.size(), x.data(), y.data());
  }
  throw std::invalid_argument("no function is called " + name);
}

template <class T> void define(nb::module_& m) {
  m.def("evaluate", &evaluate<T>, nb::arg("name"), nb::arg("wanted"), nb::arg("parameters"),
        nb::arg("prediction").noconvert(), nb::arg("target").noconvert(), nb::arg("weight").noconvert().none(),
        nb::arg("factor"), nb::arg("value").noconvert().none(), nb::arg("gradient").noconvert().none(),
        nb::arg("hessian").noconvert().none(), nb::arg("threads"));
  m.def("cross_entropy", &cross_entropy<T>, nb::arg("prediction").noconvert(), nb::arg("label").noconvert(),
        nb::arg("weight").noconvert().none(), nb::arg("class_weight").noconvert().none(),
        nb::arg("ignored").none(), nb::arg("smoothing"), nb::arg("factor"),
        nb::arg("value").noconvert().none(), nb::arg("gradient").noconvert().none(), nb::arg("sums"),
        nb::arg("threads"));
  m.def("total", &total<T>, nb::arg("x").noconvert());
  m.def("apply", &apply<T>, nb::arg("name"), nb::arg("x").noconvert(), nb::arg("y").noconvert());
}

}  // namespace amiss

NB_MODULE(_compiled, m) {
  amiss::define<double>(m);
  amiss::define<float>(m);
  m.def("names", [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < amiss::table().count; ++i) names.push_back(amiss::table().entries[i].name);
    return names;
  });
  m.def("instruction_set", [] { return std::string(amiss::table().instruction_set); });
  m.attr("fingerprint") = AMISS_FINGERPRINT;
}
