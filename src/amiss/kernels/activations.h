// A layer's bias and activation in one pass, and the way back through it. The activations are generated.
#pragma once

#include <algorithm>
#include <cstddef>

#include "math.h"
#include "table.h"
#include "vector.h"

namespace AMISS_NAMESPACE {

// Calls f(loads, stores, i) for columns i, i + lanes, ... of a row; the last ones through padded copies.
template <class S, class F> AMISS_INLINE void each_vector(std::size_t width, const F& f) {
  using V = Vector<S>;
  std::size_t i = 0;
  const auto load = [](const S* from) { return V::load(from); };
  const auto store = [](V x, S* to) { x.store(to); };
  for (; i + V::lanes <= width; i += V::lanes) f(load, store, i);
  if (i == width) return;
  const std::size_t left = width - i;
  const auto load_some = [left](const S* from) {
    S padded[V::lanes] = {};
    std::copy(from, from + left, padded);
    return V::load(padded);
  };
  const auto store_some = [left](V x, S* to) {
    S padded[V::lanes];
    x.store(padded);
    std::copy(padded, padded + left, to);
  };
  f(load_some, store_some, i);
}

// Of a vector, where rare arguments take longer.
template <class F, class T> AMISS_INLINE T careful_if_rare(const F& f, T x) {
  Zone<T, false> ordinary;
  const T result = f(x, ordinary);
  if (!any(ordinary.rare)) return result;
  Zone<T, true> careful;
  return f(x, careful);
}

// z = f(z + b), where b may be null.
template <class A, class S> void activate(std::size_t rows, std::size_t width, const S* b, S* z) {
  using V = Vector<S>;
  const auto f = [](V x, auto& zone) __attribute__((always_inline)) { return A::forward(x, zone); };
  for (std::size_t row = 0; row < rows; ++row, z += width)
    each_vector<S>(width, [&](const auto& load, const auto& store, std::size_t i) __attribute__((always_inline)) {
      const V x = load(z + i);
      store(careful_if_rare(f, b ? x + load(b + i) : x), z + i);
    });
}

// From delta = dL/da to dL/dz, and its sum over the rows unless `sum` is null.
template <class A, class S>
void pull(std::size_t rows, std::size_t width, const S* delta, const S* a, S* out, S* sum) {
  using V = Vector<S>;
  each_vector<S>(width, [&](const auto& load, const auto& store, std::size_t i) __attribute__((always_inline)) {
    V total(S(0));
    for (std::size_t at = i; at < rows * width; at += width) {
      Zone<V, true> always;
      const V d = A::backward(load(delta + at), load(a + at), always);
      store(d, out + at);
      total = total + d;
    }
    if (sum) store(total, sum + i);
  });
}

#define AMISS_ACTIVATION(Name)                                                                             \
  {#Name, activate<activation_##Name, float>, activate<activation_##Name, double>,                          \
   pull<activation_##Name, float>, pull<activation_##Name, double>},
const amiss::Activation activations[] = {AMISS_ACTIVATIONS(AMISS_ACTIVATION)};

}  // namespace AMISS_NAMESPACE
