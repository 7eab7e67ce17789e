// The loops of elementwise kernels: kernels.inc holds their formulas, generated, of the whole catalogue or of one loss.
#pragma once

#include <algorithm>

#include "table.h"

#include "composites.h"
#include "sums.h"

namespace AMISS_NAMESPACE {

using amiss::block;
using amiss::Sum;
using amiss::Task;

template <class T> struct Out {
  T value, gradient, hessian;
  TruthOf<T> inside;
};

#include "kernels.inc"

// Where entries lie, and what multiplies them.
template <class S> struct Arrays {
  const S *prediction, *target, *weight;
  S factor, shrink;
  S *value, *gradient, *hessian;

  Arrays from(std::size_t i) const {
    return {prediction + i, target + i, weight ? weight + i : weight, factor, shrink,
            value ? value + i : value, gradient ? gradient + i : gradient, hessian ? hessian + i : hessian};
  }
};

// What was met among some entries: an argument that is not ordinary, an entry outside its domain.
struct Met {
  bool rare, outside;
};

// Entries in whole vectors.
template <int Wanted, bool Weighted, bool Careful, class S, class K>
__attribute__((noinline)) Met pass(const K& given, const Arrays<S>& arrays, std::size_t n) {
  using T = Vector<S>;
  const K kernel = given;
  const Arrays<S> at = arrays;
  const T factor = at.factor, shrink = at.shrink;
  Zone<T, Careful> zone;
  TruthOf<T> outside = Signed<S>(0);
  for (std::size_t i = 0; i < n; i += T::lanes) {
    Out<T> out;
    out.inside = Signed<S>(-1);
    kernel.template operator()<Wanted>(T::load(at.prediction + i), T::load(at.target + i), out, zone);
    T w = S(1);
    TruthOf<T> silent = Signed<S>(0);
    if constexpr (Weighted) {
      w = T::load(at.weight + i);
      silent = w == T(0);
    }
    const auto weighed = [&](T x, T scale) { return Weighted ? select(silent, T(0), x * (w * scale)) : x * scale; };
    outside = outside | ~(out.inside | silent);
    if constexpr (Wanted & (amiss::wants_value | amiss::wants_sum))
      (Weighted || (Wanted & amiss::wants_sum) ? weighed(out.value, shrink) : out.value).store(at.value + i);
    if constexpr (Wanted & amiss::wants_gradient) weighed(out.gradient, factor).store(at.gradient + i);
    if constexpr (Wanted & amiss::wants_hessian) weighed(out.hessian, factor).store(at.hessian + i);
  }
  return {any(zone.rare), any(outside)};
}

// As if all were ordinary, then carefully where it was not. Where it was rare, it is likely to be so again.
template <int Wanted, bool Weighted, class S, class K>
bool passes(const K& kernel, const Arrays<S>& at, std::size_t n, bool& careful) {
  Met met{careful, false};
  if (!careful) met = pass<Wanted, Weighted, false>(kernel, at, n);
  if constexpr (K::careful)
    if (met.rare) met = pass<Wanted, Weighted, true>(kernel, at, n);
  careful = met.rare;
  return !met.outside;
}

// Fewer entries than a vector holds: the last one fills it.
template <int Wanted, bool Weighted, class S, class K>
bool remainder(const K& kernel, const Arrays<S>& at, std::size_t n, bool& careful) {
  constexpr std::size_t lanes = Vector<S>::lanes;
  S prediction[lanes], target[lanes], weight[lanes], value[lanes], gradient[lanes], hessian[lanes];
  for (std::size_t l = 0; l < lanes; ++l) {
    const std::size_t i = l < n ? l : n - 1;
    prediction[l] = at.prediction[i];
    target[l] = at.target[i];
    weight[l] = Weighted ? at.weight[i] : S(1);
  }
  const Arrays<S> padded{prediction, target, weight, at.factor, at.shrink, value, gradient, hessian};
  const bool fine = passes<Wanted, Weighted>(kernel, padded, lanes, careful);
  for (std::size_t l = 0; l < n; ++l) {
    if constexpr (Wanted & (amiss::wants_value | amiss::wants_sum)) at.value[l] = value[l];
    if constexpr (Wanted & amiss::wants_gradient) at.gradient[l] = gradient[l];
    if constexpr (Wanted & amiss::wants_hessian) at.hessian[l] = hessian[l];
  }
  return fine;
}

// Parts are so small that what is kept of them for the sum stays in the nearest cache.
template <int Wanted, bool Weighted, class S, class K>
bool run(const K& kernel, const Task<S>& task, std::size_t start, std::size_t n, Sum& sum) {
  constexpr bool sums = Wanted & amiss::wants_sum;
  alignas(64) S kept[sums ? sum_part : 1];
  LaneSums lanes;
  bool fine = true, careful = false;
  for (std::size_t i = start; i < start + n; i += sum_part) {
    const std::size_t count = std::min(sum_part, start + n - i), rest = count % Vector<S>::lanes;
    const std::size_t whole = count - rest;
    Arrays<S> at{task.prediction + i, task.target + i, Weighted ? task.weight + i : nullptr, task.factor,
                 S(task.shrink), sums ? kept : (Wanted & amiss::wants_value) ? task.value + i : nullptr,
                 (Wanted & amiss::wants_gradient) ? task.gradient + i : nullptr,
                 (Wanted & amiss::wants_hessian) ? task.hessian + i : nullptr};
    if (whole) fine &= passes<Wanted, Weighted>(kernel, at, whole, careful);
    if (rest) fine &= remainder<Wanted, Weighted>(kernel, at.from(whole), rest, careful);
    if constexpr (sums) {
      // While these are added up, the next ones come from memory. Where there is more to compute, they come anyway.
      for (std::size_t l = 0; !K::careful && task.far && l < count; l += 64 / sizeof(S)) {
        __builtin_prefetch(at.prediction + sum_part + l);
        __builtin_prefetch(at.target + sum_part + l);
      }
      const std::size_t even = count - count % sum_lanes;
      lanes.add(kept, even);
      for (std::size_t l = even; l < count; ++l) sum.add(double(kept[l]));
    }
  }
  if constexpr (sums) lanes.join(sum);
  return fine;
}

template <class T> void total(const T* x, std::size_t n, double shrink, Sum& sum) { add_up(x, n, shrink, sum); }

template <class T, class K>
bool choose(const K& kernel, const Task<T>& task, std::size_t start, std::size_t n, Sum& sum) {
#define AMISS_CASE(Wanted)                                                                            \
  case Wanted:                                                                                        \
    return task.weight ? run<Wanted, true>(kernel, task, start, n, sum)                               \
                       : run<Wanted, false>(kernel, task, start, n, sum);
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
    return choose(Name<Vector<T>>{__VA_ARGS__}, task, start, n, sum);                                 \
  }
AMISS_KERNELS(AMISS_ENTRY)

const amiss::Entry entries[] = {
#define AMISS_ROW(Name, ...) {Name<float>::name, Name<float>::parameters, !Name<float>::careful, call_##Name<float>, call_##Name<double>},
    AMISS_KERNELS(AMISS_ROW)
};

}  // namespace AMISS_NAMESPACE
