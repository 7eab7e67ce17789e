// Every kernel, compiled once for each instruction set: the build sets AMISS_NAMESPACE and the flags.

#include "table.h"

#include "math.h"

namespace AMISS_NAMESPACE {

using amiss::block;
using amiss::Sum;
using amiss::Task;

template <class T> struct Out {
  T value, gradient, hessian;
  bool inside;
};

#include "kernels.inc"

// Adds up in sixteen lanes, each with its rounding errors: vectorised, and in an order that is always the same.
template <class T> void add_up(const T* x, std::size_t n, double shrink, Sum& sum) {
  constexpr std::size_t lanes = 16;
  double high[lanes] = {}, low[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::size_t l = 0; l < lanes; ++l) {
      const double v = double(x[i + l]) * shrink, s = high[l] + v, back = s - high[l];
      low[l] += (high[l] - (s - back)) + (v - back);
      high[l] = s;
    }
  for (std::size_t l = 0; l < lanes; ++l) {
    sum.add(high[l]);
    sum.low += low[l];
  }
  for (; i < n; ++i) sum.add(double(x[i]) * shrink);
}

template <int Wanted, bool Weighted, class T, class K>
bool run(const K& kernel, const Task<T>& task, std::size_t start, std::size_t n, Sum& sum) {
  const T* __restrict prediction = task.prediction + start;
  const T* __restrict target = task.target + start;
  const T* __restrict weight = Weighted ? task.weight + start : nullptr;
  constexpr bool values = (Wanted & (amiss::wants_value | amiss::wants_sum)) != 0;
  T kept[values && !(Wanted & amiss::wants_value) ? block : 1];
  T* __restrict value = (Wanted & amiss::wants_value) ? task.value + start : kept;
  T* __restrict gradient = (Wanted & amiss::wants_gradient) ? task.gradient + start : nullptr;
  T* __restrict hessian = (Wanted & amiss::wants_hessian) ? task.hessian + start : nullptr;
  typename Float<T>::Bits outside = 0;
  for (std::size_t i = 0; i < n; ++i) {
    Out<T> out;
    kernel.template operator()<Wanted>(prediction[i], target[i], out);
    T w = T(1), factor = task.factor;
    bool silent = false;
    if constexpr (Weighted) {
      w = weight[i];
      silent = w == T(0);
      factor = w * factor;
    }
    outside |= (out.inside | silent) ? 0 : 1;
    if constexpr (values) value[i] = Weighted ? (silent ? T(0) : w * out.value) : out.value;
    if constexpr (Wanted & amiss::wants_gradient) gradient[i] = silent ? T(0) : out.gradient * factor;
    if constexpr (Wanted & amiss::wants_hessian) hessian[i] = silent ? T(0) : out.hessian * factor;
  }
  if constexpr (Wanted & amiss::wants_sum) add_up(value, n, task.shrink, sum);
  return outside == 0;
}

template <class T, class K>
bool choose(const K& kernel, const Task<T>& task, std::size_t start, std::size_t n, Sum& sum) {
#define AMISS_CASE(Wanted)                                                                            \
  case Wanted:                                                                                        \
    return task.weight ? run<Wanted, true, T>(kernel, task, start, n, sum)                            \
                       : run<Wanted, false, T>(kernel, task, start, n, sum);
  switch (task.wanted) {
    AMISS_CASE(1)
    AMISS_CASE(2)
    AMISS_CASE(3)
    AMISS_CASE(4)
    AMISS_CASE(6)
    AMISS_CASE(8)
    AMISS_CASE(10)
    default: __builtin_unreachable();  // the caller asks for no other set
  }
#undef AMISS_CASE
}

#define AMISS_ENTRY(Name, ...)                                                                        \
  template <class T> bool call_##Name(const Task<T>& task, std::size_t start, std::size_t n, Sum& sum) { \
    [[maybe_unused]] const double* p = task.parameters;                                               \
    return choose<T>(Name<T>{__VA_ARGS__}, task, start, n, sum);                                      \
  }
AMISS_KERNELS(AMISS_ENTRY)

const amiss::Entry entries[] = {
#define AMISS_ROW(Name, ...) {Name<float>::name, Name<float>::parameters, call_##Name<float>, call_##Name<double>},
    AMISS_KERNELS(AMISS_ROW)
};

}  // namespace AMISS_NAMESPACE

#include "cross_entropy.h"

namespace AMISS_NAMESPACE {

#define AMISS_FUNCTIONS(X) X(exp) X(expm1) X(log) X(log1p) X(tanh)
#define AMISS_MAP(Name)                                                                               \
  template <class T> void map_##Name(std::size_t n, const T* __restrict x, T* __restrict y) {         \
    for (std::size_t i = 0; i < n; ++i) y[i] = Name(x[i]);                                            \
  }
AMISS_FUNCTIONS(AMISS_MAP)

const amiss::NamedFunction functions[] = {
#define AMISS_FUNCTION(Name) {#Name, map_##Name<float>, map_##Name<double>},
    AMISS_FUNCTIONS(AMISS_FUNCTION)
};

constexpr const char* instruction_set() {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__)
  return "AVX2";
#elif defined(__SSE2__)
  return "SSE2";
#elif defined(__aarch64__)
  return "NEON";
#else
  return "generic";
#endif
}

extern const amiss::Table table;
const amiss::Table table = {instruction_set(),     entries,
                            sizeof entries / sizeof *entries,
                            cross_entropy<float>,  cross_entropy<double>,
                            functions,             sizeof functions / sizeof *functions};

}  // namespace AMISS_NAMESPACE
