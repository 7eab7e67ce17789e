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

// The loop stands in a function of its own, so that the compiler knows of no two arrays that overlap.
template <int Wanted, bool Weighted, class T, class K>
__attribute__((noinline)) bool loop(const K& given, std::size_t n, const T* __restrict prediction,
                                    const T* __restrict target, const T* __restrict weight, T scale, T shrink,
                                    T* __restrict value, T* __restrict gradient, T* __restrict hessian) {
  const K kernel = given;
  typename Float<T>::Bits outside = 0;
  for (std::size_t i = 0; i < n; ++i) {
    Out<T> out;
    kernel.template operator()<Wanted>(prediction[i], target[i], out);
    T w = T(1), factor = scale;
    bool silent = false;
    if constexpr (Weighted) {
      w = weight[i];
      silent = w == T(0);
      factor = w * factor;
    }
    outside |= typename Float<T>::Bits(!(out.inside | silent));
    if constexpr (Wanted & (amiss::wants_value | amiss::wants_sum))
      value[i] = Weighted ? select(silent, T(0), (w * shrink) * out.value) : out.value;
    if constexpr (Wanted & amiss::wants_gradient)
      gradient[i] = Weighted ? select(silent, T(0), out.gradient * factor) : out.gradient * factor;
    if constexpr (Wanted & amiss::wants_hessian)
      hessian[i] = Weighted ? select(silent, T(0), out.hessian * factor) : out.hessian * factor;
  }
  return outside == 0;
}

template <int Wanted, bool Weighted, class T, class K>
bool run(const K& kernel, const Task<T>& task, std::size_t start, std::size_t n, Sum& sum) {
  constexpr bool sums = (Wanted & amiss::wants_sum) != 0;
  T kept[sums ? block : 1];
  T* value = sums ? kept : (Wanted & amiss::wants_value) ? task.value + start : nullptr;
  const bool fine = loop<Wanted, Weighted, T>(
      kernel, n, task.prediction + start, task.target + start, Weighted ? task.weight + start : nullptr,
      task.factor, Weighted ? T(task.shrink) : T(1), value, (Wanted & amiss::wants_gradient) ? task.gradient + start : nullptr,
      (Wanted & amiss::wants_hessian) ? task.hessian + start : nullptr);
  if constexpr (sums) add_up(value, n, Weighted ? 1.0 : task.shrink, sum);
  return fine;
}

template <class T> void total(const T* x, std::size_t n, double shrink, Sum& sum) { add_up(x, n, shrink, sum); }

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
#include "training.h"

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
                            row_steps<float>,      row_steps<double>,
                            total<float>,          total<double>,
                            functions,             sizeof functions / sizeof *functions,
                            updates,               sizeof updates / sizeof *updates,
                            convert_row<float>,    convert_row<double>};

}  // namespace AMISS_NAMESPACE
