// The Python module: chooses the build for this machine's instruction set, and spreads blocks over threads.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "buffer.h"
#include "elementwise.h"
#include "operand.h"
#include "pool.h"
#include "rows.h"
#include "table.h"
#include "tensor.h"

namespace nb = nanobind;

#if defined(AMISS_X86)
namespace amiss_avx2 { extern const amiss::Table table; }
namespace amiss_avx512 { extern const amiss::Table table; }
#else
namespace amiss_baseline { extern const amiss::Table table; }
#endif

namespace amiss {

// The most capable build that this machine can run, or none: one of 2013 and later multiplies and adds at once, which
// every kernel does. The environment variable AMISS_ISA asks for avx2 at most, or for none, for tests.
const Table* choose_table() {
#if defined(AMISS_X86)
  const char* wish = std::getenv("AMISS_ISA");
  const std::string wanted = wish ? wish : "";
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!avx2 || wanted == "none") return nullptr;
  return avx512 && wanted != "avx2" ? &amiss_avx512::table : &amiss_avx2::table;
#else
  return &amiss_baseline::table;
#endif
}

const Table& table() {
  static const Table* chosen = choose_table();
  if (!chosen) throw nb::import_error("the kernels need a processor with AVX2 and FMA");
  return *chosen;
}

template <class T> using Input = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T> using Output = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
std::atomic<std::size_t> threads{1};  // how many a large array is spread over

const Entry& entry_of(const std::string& name) {
  const Table& chosen = table();
  for (std::size_t i = 0; i < chosen.count; ++i)
    if (name == chosen.entries[i].name) return chosen.entries[i];
  throw std::invalid_argument("no kernel is called " + name);
}

void bind_training(nb::module_& m);  // in bind_training.cpp

// A kernel with its parameters.
class ElementwiseKernel {
 public:
  // The shape of values of items, given that of the prediction.
  static nb::object items(nb::handle shape) { return nb::borrow(shape); }

  ElementwiseKernel(const std::string& name, std::vector<double> parameters)
      : entry_(entry_of(name)), parameters_(std::move(parameters)) {
    if (int(parameters_.size()) != entry_.parameters) throw std::invalid_argument("wrong number of parameters");
  }

  // The kernel whose entry lies at an address, in a library that is never unloaded.
  static ElementwiseKernel at(std::uintptr_t entry) { return ElementwiseKernel(*reinterpret_cast<const Entry*>(entry)); }

  // Writes what is wanted of arrays to arrays. Returns the sum over the divisor (0 stands for the number of
  // entries, or the sum of the weights), or nothing where the arrays or an entry of them do not suit the kernel.
  // Memory that is `fresh` was never written to: it is worth to know how to write.
  std::optional<double> run(int wanted, double divisor, nb::handle prediction, nb::handle target, nb::handle weight,
                            nb::handle value, nb::handle gradient, nb::handle hessian, bool fresh,
                            std::size_t threads) const {
    const Buffer p(prediction, false), t(target, false), w(weight, false);
    const Buffer v(value, true), g(gradient, true), h(hessian, true);
    return run_in(wanted, divisor, p, t, w, v, g, h, fresh, threads);
  }

  std::optional<double> run_in(int wanted, double divisor, const Memory& p, const Memory& t, const Memory& w,
                               const Memory& v, const Memory& g, const Memory& h, bool fresh,
                               std::size_t threads) const {
    if (!p.held() || !t.held() || p.shape().size() == 0) return {};
    const Shape all = p.shape();
    const Arrays arrays{all.size(), p.operand(all), t.operand(all), w.given() ? w.broadcast(all) : Operand{},
                        v.operand(all), g.operand(all), h.operand(all), fresh};
    for (const auto& [buffer, operand] : {std::pair{&p, &arrays.prediction}, {&t, &arrays.target}, {&w, &arrays.weight},
                                          {&v, &arrays.value}, {&g, &arrays.gradient}, {&h, &arrays.hessian}})
      if (buffer->given() && !*operand) return {};
    return run_on(wanted, divisor, arrays, threads);
  }

 private:
  explicit ElementwiseKernel(const Entry& entry) : entry_(entry) {}

  std::optional<double> run_on(int wanted, double divisor, const Arrays& arrays, std::size_t threads) const {
    const auto given = (arrays.value ? wants_value : 0) | (arrays.gradient ? wants_gradient : 0) |
                       (arrays.hessian ? wants_hessian : 0);
    if ((wanted & ~wants_sum) != given || wanted < 1 || wanted == 5 || wanted == 7 || wanted == 9 || wanted > 10)
      return {};
    if (!arrays.outputs_fit()) return {};
    std::optional<nb::gil_scoped_release> released;
    if (arrays.n > blocks_alone * block) released.emplace();
    Result result;
    switch (arrays.prediction.kind()) {
      case Kind::float64:
        result = amiss::evaluate<double>(entry_, table().total_twice, parameters_.data(), wanted, divisor,
                                         arrays, threads);
        break;
      case Kind::float32: case Kind::float16: case Kind::bfloat16:
        result = amiss::evaluate<float>(entry_, table().total_single, parameters_.data(), wanted, divisor,
                                        arrays, threads);
        break;
      default: return {};
    }
    return result.fits ? std::optional(result.value) : std::nullopt;
  }

  const Entry& entry_;
  std::vector<double> parameters_;
};

// Softmax cross-entropy and its options.
class SoftmaxKernel {
 public:
  static nb::object items(nb::handle shape) {
    return nb::steal(PySequence_GetSlice(shape.ptr(), 0, std::max<Py_ssize_t>(0, PyTuple_Size(shape.ptr()) - 1)));
  }

  SoftmaxKernel(std::optional<std::vector<double>> class_weight, std::optional<std::int64_t> ignored, double smoothing,
                bool soft)
      : single_(class_weight, ignored, smoothing), twice_(class_weight, ignored, smoothing), soft_(soft) {}

  // As of an elementwise kernel: the target holds a class index for each row of the prediction, or a row of
  // probabilities. Weights and values are one number for each row.
  std::optional<double> run(int wanted, double divisor, nb::handle prediction, nb::handle target, nb::handle weight,
                            nb::handle value, nb::handle gradient, nb::handle hessian, bool fresh,
                            std::size_t threads) const {
    const Buffer p(prediction, false), t(target, false), w(weight, false);
    const Buffer v(value, true), g(gradient, true), h(hessian, true);
    return run_in(wanted, divisor, p, t, w, v, g, h, fresh, threads);
  }

  std::optional<double> run_in(int wanted, double divisor, const Memory& p, const Memory& t, const Memory& w,
                               const Memory& v, const Memory& g, const Memory& h, bool, std::size_t threads) const {
    if (!p.held() || !t.held() || h.given() || p.shape().rank == 0) return {};
    const Shape all = p.shape(), rows{all.rank - 1, all.lengths};
    const RowArrays arrays{rows.size(), std::size_t(all.lengths[rows.rank]), p.operand(all),
                           t.operand(t.kind() < Kind::int8 ? all : rows), w.given() ? w.broadcast(rows) : Operand{},
                           v.operand(rows), g.operand(all)};
    for (const auto& [buffer, operand] : {std::pair{&p, &arrays.prediction}, {&t, &arrays.target}, {&w, &arrays.weight},
                                          {&v, &arrays.value}, {&g, &arrays.gradient}})
      if (buffer->given() && !*operand) return {};
    return run_on(wanted, divisor, arrays, threads);
  }

 private:
  std::optional<double> run_on(int wanted, double divisor, const RowArrays& arrays, std::size_t threads) const {
    const int given = (arrays.value ? wants_value : 0) | (arrays.gradient ? wants_gradient : 0);
    if ((wanted & ~wants_sum) != given || !wanted || !arrays.fit() || (arrays.soft() && !soft_)) return {};
    std::optional<nb::gil_scoped_release> released;
    if (arrays.rows * arrays.classes > block) released.emplace();
    const Table& t = table();
    switch (arrays.prediction.kind()) {
      case Kind::float64:
        return evaluate_rows(twice_, arrays.soft() ? t.soft_cross_entropy_twice : t.cross_entropy_twice, t.row_steps_twice, wanted, divisor, arrays, threads);
      case Kind::float32: case Kind::float16: case Kind::bfloat16:
        return evaluate_rows(single_, arrays.soft() ? t.soft_cross_entropy_single : t.cross_entropy_single, t.row_steps_single, wanted, divisor, arrays, threads);
      default: return {};
    }
  }

  SoftmaxOptions<float> single_;
  SoftmaxOptions<double> twice_;
  bool soft_;  // whether it serves rows of probabilities
};

// What is needed of NumPy. Kept for as long as the process lives.
struct NumPy {
  nb::object array, empty, float32, float64;

  static const NumPy& get() {
    static const NumPy* numpy = [] {
      const nb::module_ module = nb::module_::import_("numpy");
      return new NumPy{module.attr("ndarray"), module.attr("empty"), module.attr("float32"), module.attr("float64")};
    }();
    return *numpy;
  }
};

// Answers a whole call with arrays as the caller gave them, or returns None: then somebody else has to look.
template <class K>
nb::object answer(const K& kernel, int wanted, nb::handle prediction, nb::handle target, nb::handle weight,
                  nb::handle reduction, nb::handle normalizer, nb::handle empty, nb::handle out) {
  const NumPy& numpy = NumPy::get();
  const auto is = [](nb::handle text, const char* word) {
    return PyUnicode_Check(text.ptr()) && PyUnicode_CompareWithASCIIString(text.ptr(), word) == 0;
  };
  const bool each = is(reduction, "none");
  if (!(each || is(reduction, "mean") || is(reduction, "sum")) || !normalizer.is_none() || !is(empty, "nan")) return nb::none();
  if (!target.type().is(numpy.array) || !(weight.is_none() || weight.type().is(numpy.array))) return nb::none();
  const bool pair = wanted == (wants_gradient | wants_hessian);
  if (pair && !out.is_none() && !(PyTuple_Check(out.ptr()) && PyTuple_GET_SIZE(out.ptr()) == 2)) return nb::none();

  const nb::object shape = prediction.attr("shape"), dtype = prediction.attr("dtype");
  const bool twice = PyObject_RichCompareBool(dtype.attr("type").ptr(), numpy.float64.ptr(), Py_EQ) == 1;
  const nb::object& wide = twice ? numpy.float64 : numpy.float32;
  const auto array_for = [&](int quantity, int place) -> nb::object {
    if (!(wanted & quantity)) return nb::none();
    const nb::handle given = pair && !out.is_none() ? nb::handle(PyTuple_GET_ITEM(out.ptr(), place)) : out;
    return given.is_none() ? numpy.empty(shape, dtype) : nb::borrow(given);
  };
  const nb::object values = each && (wanted & wants_value) ? numpy.empty(K::items(shape), wide) : nb::none();
  const nb::object gradient = array_for(wants_gradient, 0), hessian = array_for(wants_hessian, 1);
  const int quantities = (wanted & wants_value) && !each ? (wanted & ~wants_value) | wants_sum : wanted;
  const double divisor = each || is(reduction, "sum") ? 1.0 : 0.0;
  const auto found = kernel.run(quantities, divisor, prediction, target, weight, values, gradient, hessian, out.is_none(), threads);
  if (!found) return nb::none();
  const nb::object value = !(wanted & wants_value) ? nb::none() : each ? values : wide(*found);
  if (pair) return nb::make_tuple(gradient, hessian);
  if (wanted == (wants_value | wants_gradient)) return nb::make_tuple(value, gradient);
  return wanted & wants_value ? value : wanted & wants_gradient ? gradient : hessian;
}

// The reduced value of tensors and, if it is asked for, its gradient, as two tensors of their library; None where
// they do not suit the kernel.
template <class K>
nb::object answer_tensors(const K& kernel, nb::handle capsule, double divisor, bool differentiates,
                          nb::handle prediction, nb::handle target, nb::handle weight) {
  const Exchange* exchange = Exchange::of(capsule);
  if (!exchange) return nb::none();
  const Tensor p(*exchange, prediction), t(*exchange, target), w(*exchange, weight);
  if (!p.held() || p.kind() == Kind::none || p.kind() >= Kind::int8) return nb::none();
  const auto& lent = p.lent();
  const bool twice = p.kind() == Kind::float64;
  const nb::object value = exchange->empty({std::uint8_t(nb::dlpack::dtype_code::Float), std::uint8_t(twice ? 64 : 32), 1}, 0, nullptr);
  const nb::object gradient = differentiates ? exchange->empty(lent.dtype, lent.ndim, lent.shape) : nb::none();
  const Tensor v(*exchange, value), g(*exchange, gradient), none(*exchange, nb::none());
  if (!v.held()) return nb::none();
  const int wanted = wants_sum | (differentiates ? wants_gradient : 0);
  const auto found = kernel.run_in(wanted, divisor, p, t, w, none, g, none, true, threads);
  if (!found) return nb::none();
  if (twice) *static_cast<double*>(v.data()) = *found;
  else *static_cast<float*>(v.data()) = float(*found);
  return nb::make_tuple(value, gradient);
}

// The sum of an array, or nothing where that is no array of floating-point numbers.
std::optional<double> total_of(nb::handle x, std::size_t threads) {
  const Buffer buffer(x, false);
  const Operand operand = buffer.held() ? buffer.operand(buffer.shape()) : Operand{};
  const auto sum = [&](auto adder) -> double {
    const std::size_t n = buffer.shape().size();
    const double found = amiss::total(adder, operand, n, 1.0, threads);
    return std::isfinite(found) ? found : amiss::total(adder, operand, n, 0x1p-60, threads) / 0x1p-60;
  };
  if (operand.kind() == Kind::float64) return sum(table().total_twice);
  if (operand.kind() == Kind::float32) return sum(table().total_single);
  return {};
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
  m.def("apply", &apply<T>, nb::arg("name"), nb::arg("x").noconvert(), nb::arg("y").noconvert());
}

}  // namespace amiss

#define TENSORS                                                                                            \
  nb::arg("exchange"), nb::arg("divisor"), nb::arg("differentiates"), nb::arg("prediction"), nb::arg("target"), \
      nb::arg("weight").none()

// Anything may be given; what is not an array is left to somebody else.
#define ANSWERS                                                                                            \
  nb::arg("wanted"), nb::arg("prediction").none(), nb::arg("target").none(), nb::arg("weight").none(),     \
      nb::arg("reduction").none(), nb::arg("normalizer").none(), nb::arg("empty").none(), nb::arg("out").none()

NB_MODULE(_compiled, m) {
  amiss::table();  // or an ImportError that says why
  nb::set_leak_warnings(false);  // kernels are kept for as long as the process lives
  amiss::define<double>(m);
  amiss::define<float>(m);
  nb::class_<amiss::ElementwiseKernel>(m, "Kernel")
      .def(nb::init<const std::string&, std::vector<double>>())
      .def_static("items", &amiss::ElementwiseKernel::items)
      .def_static("at", &amiss::ElementwiseKernel::at)
      .def("run", &amiss::ElementwiseKernel::run, nb::arg("wanted"), nb::arg("divisor"), nb::arg("prediction"),
           nb::arg("target"), nb::arg("weight").none(), nb::arg("value").none(), nb::arg("gradient").none(),
           nb::arg("hessian").none(), nb::arg("fresh"), nb::arg("threads"))
      .def("answer_tensors", &amiss::answer_tensors<amiss::ElementwiseKernel>, TENSORS)
      .def("answer", &amiss::answer<amiss::ElementwiseKernel>, ANSWERS);
  nb::class_<amiss::SoftmaxKernel>(m, "SoftmaxKernel")
      .def(nb::init<std::optional<std::vector<double>>, std::optional<std::int64_t>, double, bool>(),
           nb::arg("class_weight").none(), nb::arg("ignored").none(), nb::arg("smoothing"), nb::arg("soft"))
      .def_static("items", &amiss::SoftmaxKernel::items)
      .def("run", &amiss::SoftmaxKernel::run, nb::arg("wanted"), nb::arg("divisor"), nb::arg("prediction"),
           nb::arg("target"), nb::arg("weight").none(), nb::arg("value").none(), nb::arg("gradient").none(),
           nb::arg("hessian").none(), nb::arg("fresh"), nb::arg("threads"))
      .def("answer_tensors", &amiss::answer_tensors<amiss::SoftmaxKernel>, TENSORS)
      .def("answer", &amiss::answer<amiss::SoftmaxKernel>, ANSWERS);
  m.def("set_threads", [](std::size_t count) { amiss::threads = count; });
  m.def("total", &amiss::total_of);
  amiss::bind_training(m);
  m.def("names", [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < amiss::table().count; ++i) names.push_back(amiss::table().entries[i].name);
    return names;
  });
  m.def("instruction_set", [] { return std::string(amiss::table().instruction_set); });
  m.attr("fingerprint") = AMISS_FINGERPRINT;
  m.attr("flags") = AMISS_FLAGS;  // of the compiler, by instruction set
}
