// The softmax of rows with few classes: sixteen rows at a time, turned so that a register holds one class of
// several rows. Nothing is added up across a register, and no lane is idle.
#pragma once

#include <limits>

#include "softmax.h"

namespace AMISS_NAMESPACE {

constexpr std::size_t few_classes = 128;

// Sixteen rows turned: class i of row l at [i * lanes + l].
template <class T> AMISS_INLINE void turn(const T* __restrict rows, std::size_t k, T* __restrict turned) {
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t l = 0; l < lanes; ++l) turned[i * lanes + l] = rows[l * k + i];
}

template <class T> AMISS_INLINE void turn_back(const T* __restrict turned, std::size_t k, T* __restrict rows) {
  for (std::size_t l = 0; l < lanes; ++l)
    for (std::size_t i = 0; i < k; ++i) rows[l * k + i] = turned[i * lanes + l];
}

// What is known of sixteen rows.
template <class T> struct SixteenRows {
  T top[lanes], term[lanes];               // the largest logit and its exponential
  T others[lanes], lost[lanes];            // the sum of the smaller exponentials, with its rounding error
  T ties[lanes];                           // how many logits are the largest
  T far[lanes];                            // the weighted sum of how far the logits lie below the largest one
};

// The largest logits of sixteen turned rows; NaN is passed over.
template <class T> AMISS_INLINE Vector<T> largest_of(const T* z, std::size_t k) {
  Vector<T> best = all<T>(-std::numeric_limits<T>::infinity());
  for (std::size_t i = 0; i < k; ++i) best = larger<T>(load<T>(z + i * lanes), best);
  return best;
}

// The weighted sum of how far the logits of turned rows lie below the largest one.
template <class T> AMISS_INLINE Vector<T> gaps_of(const T* z, std::size_t k, Vector<T> top, const T* c) {
  Vector<T> sum = {}, lost = {};
  for (std::size_t i = 0; i < k; ++i) {
    if (c && c[i] == T(0)) continue;
    const Vector<T> gap = (top - load<T>(z + i * lanes)) * (c ? c[i] : T(1));
    const Vector<T> whole = sum + gap, back = whole - sum;
    lost += (sum - (whole - back)) + (gap - back);
    sum = whole;
  }
  return sum + lost;
}

// Measures sixteen turned rows and replaces their logits by exponentials. Where the largest logit is not finite
// these are any numbers.
template <class T> void measure_turned(T* z, std::size_t k, bool measures_gaps, const T* c, SixteenRows<T>& out) {
  using V = Vector<T>;
  for (std::size_t part = 0; part < lanes; part += Register<T>::width, z += Register<T>::width) {
    const V top = largest_of<T>(z, k), size = top < T(0) ? -top : top;
    const Anchor<V> anchor = anchor_at<T, V>(top, size > Softmax<T>::far ? top : V{});
    store<T>(out.far + part, measures_gaps ? gaps_of<T>(z, k, top, c) : Vector<T>{});
    V sum = {}, lost = {}, ties = {};
    const auto add = [&](V x) {
      const V whole = sum + x, back = whole - sum;
      lost += (sum - (whole - back)) + (x - back);
      sum = whole;
    };
    const auto grow = [&](std::size_t i) {
      const V given = load<T>(z + i * lanes), x = grown<T>(given, anchor);
      store<T>(z + i * lanes, x);
      ties += given == top ? all<T>(T(1)) : V{};
      return given == top ? V{} : x;
    };
    std::size_t i = 0;
    for (; i + 4 <= k; i += 4) add((grow(i) + grow(i + 1)) + (grow(i + 2) + grow(i + 3)));
    for (; i < k; ++i) add(grow(i));
    store<T>(out.top + part, top);
    store<T>(out.term + part, grown<T>(top, anchor));
    store<T>(out.others + part, sum);
    store<T>(out.lost + part, lost);
    store<T>(out.ties + part, ties);
  }
}

// Multiplies the exponentials of turned rows; see `finish`.
template <class T>
void finish_turned(T* e, std::size_t k, const T* slope, const T* then, const T* even, bool has_even, const T* c) {
  for (std::size_t part = 0; part < lanes; part += Register<T>::width) {
    const Vector<T> times = load<T>(slope + part), down = load<T>(then + part), less = load<T>(even + part);
    for (std::size_t i = 0; i < k; ++i) {
      T* at = e + i * lanes + part;
      const Vector<T> x = (load<T>(at) * times) * down;
      store<T>(at, has_even ? x - less * (c ? c[i] : T(1)) : x);
    }
  }
}

}  // namespace AMISS_NAMESPACE
