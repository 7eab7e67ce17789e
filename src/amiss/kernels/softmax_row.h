// The softmax of a row with many classes, in segments that stay in the cache: the largest logit, then the
// exponentials with their sum, then, if a gradient is wanted, one multiplication each.
//
// A segment depends on the length of the row alone, so that it makes no difference who computes it.
#pragma once

#include <algorithm>
#include <limits>

#include "softmax.h"

namespace AMISS_NAMESPACE {

template <class T> struct Largest {
  T value;
  std::size_t chunk;  // one of the chunks where it is
};

// The largest of at least sixteen logits; NaN is passed over.
template <class T> Largest<T> largest(const T* z, std::size_t n) {
  using Bits = typename Float<T>::Bits;
  constexpr std::size_t parts = Register<T>::parts;
  Vector<T> best[parts];
  VectorBits<T> where[parts];
  for (std::size_t p = 0; p < parts; ++p) best[p] = all<T>(-std::numeric_limits<T>::infinity());
  for (std::size_t p = 0; p < parts; ++p) where[p] = VectorBits<T>{};
  const auto keep = [&](std::size_t p, Vector<T> found, Bits here) {
    where[p] = found > best[p] ? VectorBits<T>{} + here : where[p];
    best[p] = found > best[p] ? found : best[p];
  };
  const std::size_t chunks = n / chunk;
  for (std::size_t c = 0; c < chunks; ++c)
    for (std::size_t p = 0; p < parts; ++p) {
      const auto at = [&](std::size_t i) { return load<T>(z + c * chunk + i * lanes + p * Register<T>::width); };
      const Vector<T> low = larger<T>(larger<T>(at(0), at(1)), larger<T>(at(2), at(3)));
      const Vector<T> high = larger<T>(larger<T>(at(4), at(5)), larger<T>(at(6), at(7)));
      keep(p, larger<T>(low, high), Bits(c));
    }
  each_of_tail<T>(chunks * chunk, n, [&](std::size_t i, std::size_t p, VectorBits<T>) {
    keep(p, load<T>(z + i), Bits(chunks));
  });

  T top[lanes], most[lanes];
  Bits number[lanes];
  std::memcpy(top, best, sizeof top);
  std::memcpy(number, where, sizeof number);
  std::memcpy(most, top, sizeof most);
  for (std::size_t half = lanes / 2; half; half /= 2)
    for (std::size_t l = 0; l < half; ++l) most[l] = most[l] > most[l + half] ? most[l] : most[l + half];
  for (std::size_t l = 0; l < lanes; ++l) number[l] = top[l] == most[0] ? number[l] : Bits(chunks);
  for (std::size_t half = lanes / 2; half; half /= 2)
    for (std::size_t l = 0; l < half; ++l) number[l] = number[l] < number[l + half] ? number[l] : number[l + half];
  return {most[0], std::size_t(number[0])};
}

// The exponential of the largest logit: exact, where that is cheap.
inline double grown_alone(float z, const Anchor<float>& anchor) {
  const double raise = double(anchor.magic) - Float<float>::magic - Float<float>::bias;
  return exp(double(z - anchor.shift)) * power_of_two(raise + Float<double>::magic);
}
inline double grown_alone(double z, const Anchor<double>& anchor) { return grown<double>(all(z), anchor)[0]; }

// Measures a segment of at least sixteen logits. If it Stores, the exponentials are left in e, in a unit that
// `finish` knows.
template <class T, bool Stores> __attribute__((noinline)) amiss::RowPart measure(const T* z, T* e, std::size_t n) {
  constexpr std::size_t parts = Register<T>::parts;
  const Largest<T> top = largest<T>(z, n);
  const bool empty = top.value == -std::numeric_limits<T>::infinity();  // or all NaN
  const Anchor<T> anchor = anchor_at<T>(empty ? T(0) : top.value);
  LaneSum<T> sum;
  Vector<T> ties[parts] = {};
  const auto grow = [&, anchor](std::size_t i) {
    const Vector<T> x = grown<T>(load<T>(z + i), anchor);
    if constexpr (Stores) store<T>(e + i, x);
    return x;
  };
  const auto grow_chunks = [&](std::size_t first, std::size_t last) {
    add_up_chunks<T>((last - first) * chunk, sum, [&](std::size_t i) { return grow(first * chunk + i); });
  };
  // Near the largest logits: these are counted, not added up.
  const auto grow_around = [&](std::size_t i, std::size_t p, VectorBits<T> fresh) {
    const VectorBits<T> is_top = (VectorBits<T>)(load<T>(z + i) == top.value);
    const VectorBits<T> x = (VectorBits<T>)grow(i);
    sum.add(p, (Vector<T>)(x & fresh & ~is_top));
    ties[p] += (Vector<T>)((VectorBits<T>)all<T>(T(1)) & fresh & is_top);
  };
  const std::size_t chunks = n / chunk;
  grow_chunks(0, top.chunk);
  if (top.chunk < chunks) {
    each_of_tail<T>(top.chunk * chunk, (top.chunk + 1) * chunk, grow_around);
    grow_chunks(top.chunk + 1, chunks);
  }
  each_of_tail<T>(chunks * chunk, n, grow_around);

  T tied[lanes];
  std::memcpy(tied, ties, sizeof tied);
  double count = empty ? 1.0 : 0.0;
  for (std::size_t l = 0; l < lanes; ++l) count += double(tied[l]);
  const double term = empty ? lifted : grown_alone(top.value, anchor);
  return {double(top.value), top.chunk * chunk, term, sum.total() / term + (count - 1.0), false, 0.0, 0.0, 0, {}, {}};
}

// Multiplies the exponentials that `measure` left: each becomes its share of the row's sum, as `slope` says, less
// `even`, times the weight of its class if there are any.
template <class T>
__attribute__((noinline)) void finish(T* __restrict e, std::size_t n, double slope, T even, const T* __restrict c) {
  const T times = T(first_factor(slope)), then = T(second_factor(slope));
  if (even == T(0))
    for (std::size_t i = 0; i < n; ++i) e[i] = (e[i] * times) * then;
  else if (!c)
    for (std::size_t i = 0; i < n; ++i) e[i] = (e[i] * times) * then - even;
  else
    for (std::size_t i = 0; i < n; ++i) e[i] = (e[i] * times) * then - even * c[i];
}

// The sum of how far n logits lie below the largest, each times the weight of its class if there are any.
template <class T> double gaps(const T* z, std::size_t n, T top, const T* c) {
  LaneSum<T> sum;
  const auto gap = [&](std::size_t i) {
    const Vector<T> plain = top - load<T>(z + i);
    if (!c) return plain;
    const Vector<T> weight = load<T>(c + i);
    return weight == T(0) ? Vector<T>{} : weight * plain;
  };
  const std::size_t whole = n / chunk * chunk;
  add_up_chunks<T>(whole, sum, gap);
  each_of_tail<T>(whole, n, [&](std::size_t i, std::size_t p, VectorBits<T> fresh) {
    sum.add(p, (Vector<T>)((VectorBits<T>)gap(i) & fresh));
  });
  return sum.total();
}

}  // namespace AMISS_NAMESPACE
