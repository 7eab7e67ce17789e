// The Python module: a table of generated kernels by name, and one loop that runs them.

#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "math.h"

namespace nb = nanobind;

namespace amiss {

template <class T> struct Out {
  T value, gradient, hessian;
};

#include "kernels.inc"

// Wanted: bit 0 asks for the value, bit 1 for the gradient, bit 2 for the Hessian.
template <int Wanted, class T, class Kernel>
void loop(const Kernel& kernel, size_t n, const T* prediction, const T* target, T* value, T* gradient,
          T* hessian) {
  for (size_t i = 0; i < n; ++i) {
    Out<T> out;
    kernel.template operator()<Wanted>(prediction[i], target[i], out);
    if constexpr (Wanted & 1) value[i] = out.value;
    if constexpr (Wanted & 2) gradient[i] = out.gradient;
    if constexpr (Wanted & 4) hessian[i] = out.hessian;
  }
}

template <class T, class Kernel>
void run(const Kernel& kernel, int wanted, size_t n, const T* prediction, const T* target, T* value,
         T* gradient, T* hessian) {
  switch (wanted) {
    case 1: return loop<1>(kernel, n, prediction, target, value, gradient, hessian);
    case 2: return loop<2>(kernel, n, prediction, target, value, gradient, hessian);
    case 3: return loop<3>(kernel, n, prediction, target, value, gradient, hessian);
    case 4: return loop<4>(kernel, n, prediction, target, value, gradient, hessian);
    case 6: return loop<6>(kernel, n, prediction, target, value, gradient, hessian);
    default: return loop<7>(kernel, n, prediction, target, value, gradient, hessian);
  }
}

template <class T> using Input = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T> using Output = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

// Unasked outputs may be any array; asked ones must have as many entries as the inputs.
template <class T>
void evaluate(const std::string& name, int wanted, const std::vector<double>& p, Input<T> prediction,
              Input<T> target, Output<T> value, Output<T> gradient, Output<T> hessian) {
  const size_t n = prediction.size();
  if (wanted < 1 || wanted > 7) throw std::invalid_argument("wanted must be in 1..7");
  if (target.size() != n || ((wanted & 1) && value.size() != n) || ((wanted & 2) && gradient.size() != n) ||
      ((wanted & 4) && hessian.size() != n))
    throw std::invalid_argument("arrays must have one size");
#define AMISS_RUN(Kernel, ...)                                                                         \
  if (name == Kernel<T>::name) {                                                                       \
    if (p.size() != Kernel<T>::parameters) throw std::invalid_argument("wrong number of parameters");  \
    const Kernel<T> kernel{__VA_ARGS__};                                                               \
    nb::gil_scoped_release released;                                                                   \
    return run<T>(kernel, wanted, n, prediction.data(), target.data(), value.data(), gradient.data(),  \
                  hessian.data());                                                                     \
  }
  AMISS_KERNELS(AMISS_RUN)
  throw std::invalid_argument("no kernel is called " + name);
}

std::vector<std::string> names() {
  return {
#define AMISS_NAME(Kernel, ...) Kernel<float>::name,
      AMISS_KERNELS(AMISS_NAME)
  };
}

constexpr const char* instruction_set() {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__)
  return "AVX2";
#elif defined(__x86_64__)
  return "x86-64 (SSE2)";
#elif defined(__aarch64__)
  return "AArch64 (NEON)";
#else
  return "generic";
#endif
}

}  // namespace amiss

NB_MODULE(_compiled, m) {
  m.def("evaluate", &amiss::evaluate<double>, nb::arg("name"), nb::arg("wanted"), nb::arg("parameters"),
        nb::arg("prediction").noconvert(), nb::arg("target").noconvert(), nb::arg("value").noconvert(),
        nb::arg("gradient").noconvert(), nb::arg("hessian").noconvert());
  m.def("evaluate", &amiss::evaluate<float>, nb::arg("name"), nb::arg("wanted"), nb::arg("parameters"),
        nb::arg("prediction").noconvert(), nb::arg("target").noconvert(), nb::arg("value").noconvert(),
        nb::arg("gradient").noconvert(), nb::arg("hessian").noconvert());
  m.def("names", &amiss::names);
  m.attr("instruction_set") = amiss::instruction_set();
  m.attr("fingerprint") = AMISS_FINGERPRINT;
}
