// One exponential per logit, and the sum of them: what every softmax is made of.
//
// A row's exponentials are exp(z - top) 2^lift, so that none that counts is subnormal. The rounding error of the
// difference goes into the exponential: a constant added to all logits changes no bit.
//
// A row goes through the cache up to three times: for the largest logit, for the exponentials with their sum, and,
// if a gradient is wanted, for one multiplication each.
//
// Sixteen lanes, whatever the width of a register, so that all builds add up in one order.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>

#include "math.h"
#include "table.h"
#include "vector.h"

namespace AMISS_NAMESPACE {

constexpr std::size_t lanes = 16;
constexpr std::size_t chunk = 8 * lanes;  // so many logits are added up as a tree

template <class T> struct Register {
  static constexpr std::size_t width = register_bytes / sizeof(T), parts = lanes / width;
};
template <class T> using Numbers = typename Plain<T>::Raw;
template <class T> using RegisterBits = typename Plain<Unsigned<T>>::Raw;

template <class T> AMISS_INLINE Numbers<T> load(const T* from) {
  Numbers<T> x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <class T> AMISS_INLINE void store(T* to, Numbers<T> x) { std::memcpy(to, &x, sizeof x); }

template <class T> AMISS_INLINE Numbers<T> all(T x) { return Numbers<T>{} + x; }

// The larger number; b where one of them is NaN.
template <class T> AMISS_INLINE Numbers<T> larger(Numbers<T> a, Numbers<T> b) { return a > b ? a : b; }

template <class T> struct Softmax;

template <> struct Softmax<float> {
  static constexpr float lowest = -131.0f;  // gaps whose exponentials, lifted, are normal numbers
  static constexpr float ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;  // 8 bits times the first: exact
  // exp(r) = 1 + r + r^2 (p[0] + p[1] r + ...), minimax for |r| <= ln 2 / 2 with a relative error of 2^-28.
  static constexpr float p[] = {0.499999934125f, 0.166665201078f, 0.0416683942109f, 0.00836878041118f,
                                0.00138144670593f};
};

template <> struct Softmax<double> {
  static constexpr double lowest = -752.0;
  static constexpr double ln2_high = Float<double>::ln2_high, ln2_low = Float<double>::ln2_low;
  // The relative error is 2^-57.9.
  static constexpr double p[] = {0.5000000000000010720993,    0.1666666666666641023448,
                                 0.04166666666652918852417,   0.008333333333495623791375,
                                 0.001388888894392265496502,  0.0001984126950476538279388,
                                 0.000024801492762781810918,  0.000002755758734216402550031,
                                 2.763037862521098725365e-7,  2.499996535964057446564e-8};
};

constexpr double lift = 64.0;  // the exponents near the largest one; a term that underflows is 2^-190 or less
constexpr double lifted = 0x1p64;

// Exponentials are multiplied by slope / lifted in two steps, so that no factor is subnormal and nothing overflows.
AMISS_INLINE double first_factor(double slope) { return select(abs(slope) > 1.0, slope / lifted, slope); }
AMISS_INLINE double second_factor(double slope) { return select(abs(slope) > 1.0, 1.0, 1.0 / lifted); }

// exp(z - top) 2^lift, or 0 below the lowest gap, for z <= top; N is a number or a register of them. NaN stays NaN.
template <class T, class N> AMISS_INLINE Numbers<T> grown(Numbers<T> z, N top) {
  using S = Softmax<T>;
  const Numbers<T> minus = Numbers<T>{} - top;
  const Numbers<T> big = minus < z ? minus : z, small = minus > z ? minus : z;  // the larger in size comes first
  const Numbers<T> gap = big + small, error = small - (gap - big);
  constexpr T magic = Float<T>::magic + T(lift) + T(Float<T>::bias);
  const Numbers<T> exponent = fma(gap, all<T>(Float<T>::log2e), all<T>(magic)), k = exponent - magic;
  const Numbers<T> r = fnma(k, all<T>(S::ln2_high), gap) + fnma(k, all<T>(S::ln2_low), error);
  constexpr int degree = sizeof S::p / sizeof *S::p - 1;
  Numbers<T> p = all<T>(S::p[degree]);
  for (int i = degree - 1; i >= 0; --i) p = fma(p, r, all<T>(S::p[i]));
  const auto two = (RegisterBits<T>)exponent << Float<T>::mantissa;
  const Numbers<T> result = (T(1) + fma(r * r, p, r)) * (Numbers<T>)two;
  return gap < S::lowest ? Numbers<T>{} : result;
}

// The sum of sixteen numbers, each with an error of its own: halves are added to each other.
template <class T> amiss::Sum merged(const T* high, const T* low) {
  double sum[lanes], lost[lanes];
  for (std::size_t l = 0; l < lanes; ++l) sum[l] = double(high[l]);
  for (std::size_t l = 0; l < lanes; ++l) lost[l] = double(low[l]);
  for (std::size_t half = lanes / 2; half; half /= 2)
    for (std::size_t l = 0; l < half; ++l) {
      const double whole = sum[l] + sum[l + half], back = whole - sum[l];
      lost[l] += lost[l + half] + ((sum[l] - (whole - back)) + (sum[l + half] - back));
      sum[l] = whole;
    }
  return {sum[0], lost[0]};
}

// Sums in sixteen lanes, with the rounding errors that were made on the way.
template <class T> struct LaneSum {
  static constexpr std::size_t parts = Register<T>::parts;
  Numbers<T> high[parts] = {}, low[parts] = {};

  AMISS_INLINE void add(std::size_t part, Numbers<T> x) {
    const Numbers<T> sum = high[part] + x, back = sum - high[part];
    low[part] += (high[part] - (sum - back)) + (x - back);
    high[part] = sum;
  }

  double total() const { return sum().total(); }

  amiss::Sum sum() const {
    T h[lanes], l[lanes];
    std::memcpy(h, high, sizeof h);
    std::memcpy(l, low, sizeof l);
    return merged(h, l);
  }
};

// Adds up f(i), a register of numbers from index i on, for i < n, a multiple of the chunk.
template <class T, class F> AMISS_INLINE void add_up_chunks(std::size_t n, LaneSum<T>& to, const F& f) {
  LaneSum<T> sum = to;
  for (std::size_t i = 0; i < n; i += chunk)
    for (std::size_t p = 0; p < sum.parts; ++p) {
      const std::size_t at = i + p * Register<T>::width;
      const Numbers<T> near = (f(at) + f(at + 16)) + (f(at + 32) + f(at + 48));
      sum.add(p, near + ((f(at + 64) + f(at + 80)) + (f(at + 96) + f(at + 112))));
    }
  to = sum;
}

// Calls f(i, part, fresh) for the registers of the last n numbers before `end`, where n is less than a chunk and
// at least sixteen numbers are there. The last sixteen overlap those before: `fresh` is the mask of new ones.
template <class T, class F> AMISS_INLINE void each_of_tail(std::size_t start, std::size_t end, const F& f) {
  constexpr std::size_t width = Register<T>::width, parts = Register<T>::parts;
  for (; start + lanes <= end; start += lanes)
    for (std::size_t p = 0; p < parts; ++p) f(start + p * width, p, ~RegisterBits<T>{});
  if (start == end) return;
  Unsigned<T> fresh[lanes];
  for (std::size_t l = 0; l < lanes; ++l) fresh[l] = end - lanes + l < start ? 0 : ~Unsigned<T>(0);
  for (std::size_t p = 0; p < parts; ++p) {
    RegisterBits<T> mask;
    std::memcpy(&mask, fresh + p * width, sizeof mask);
    f(end - lanes + p * width, p, mask);
  }
}

// --- a row of many classes, or a segment of it

template <class T> struct Largest {
  T value;
  std::size_t chunk;  // one of the chunks where it is
};

// The largest of at least sixteen logits; NaN is passed over.
template <class T> Largest<T> largest(const T* z, std::size_t n) {
  using Bits = Unsigned<T>;
  constexpr std::size_t parts = Register<T>::parts;
  Numbers<T> best[parts];
  RegisterBits<T> where[parts];
  for (std::size_t p = 0; p < parts; ++p) best[p] = all<T>(-std::numeric_limits<T>::infinity());
  for (std::size_t p = 0; p < parts; ++p) where[p] = RegisterBits<T>{};
  const auto keep = [&](std::size_t p, Numbers<T> found, Bits here) {
    where[p] = found > best[p] ? RegisterBits<T>{} + here : where[p];
    best[p] = found > best[p] ? found : best[p];
  };
  const std::size_t chunks = n / chunk;
  for (std::size_t c = 0; c < chunks; ++c)
    for (std::size_t p = 0; p < parts; ++p) {
      const auto at = [&](std::size_t i) { return load<T>(z + c * chunk + i * lanes + p * Register<T>::width); };
      const Numbers<T> low = larger<T>(larger<T>(at(0), at(1)), larger<T>(at(2), at(3)));
      const Numbers<T> high = larger<T>(larger<T>(at(4), at(5)), larger<T>(at(6), at(7)));
      keep(p, larger<T>(low, high), Bits(c));
    }
  each_of_tail<T>(chunks * chunk, n, [&](std::size_t i, std::size_t p, RegisterBits<T>) {
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

// Measures a segment of at least sixteen logits. If it Stores, the exponentials are left in e, for `finish`.
template <class T, bool Stores> __attribute__((noinline)) amiss::RowPart measure(const T* z, T* e, std::size_t n) {
  constexpr std::size_t parts = Register<T>::parts;
  const Largest<T> top = largest<T>(z, n);
  const bool empty = top.value == -std::numeric_limits<T>::infinity();  // or all NaN
  const T highest = empty ? T(0) : top.value;
  LaneSum<T> sum;
  Numbers<T> ties[parts] = {};
  const auto grow = [&, highest](std::size_t i) {
    const Numbers<T> x = grown<T>(load<T>(z + i), highest);
    if constexpr (Stores) store<T>(e + i, x);
    return x;
  };
  const auto grow_chunks = [&](std::size_t first, std::size_t last) {
    add_up_chunks<T>((last - first) * chunk, sum, [&](std::size_t i) { return grow(first * chunk + i); });
  };
  // Near the largest logits: these are counted, not added up.
  const auto grow_around = [&](std::size_t i, std::size_t p, RegisterBits<T> fresh) {
    const RegisterBits<T> is_top = (RegisterBits<T>)(load<T>(z + i) == top.value);
    const RegisterBits<T> x = (RegisterBits<T>)grow(i);
    sum.add(p, (Numbers<T>)(x & fresh & ~is_top));
    ties[p] += (Numbers<T>)((RegisterBits<T>)all<T>(T(1)) & fresh & is_top);
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
  const double rest = sum.total() / lifted + (count - 1.0);
  return {double(top.value), top.chunk * chunk, rest, false, 0.0, 0.0, 0, {}, {}};
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
    const Numbers<T> plain = top - load<T>(z + i);
    if (!c) return plain;
    const Numbers<T> weight = load<T>(c + i);
    return weight == T(0) ? Numbers<T>{} : weight * plain;
  };
  const std::size_t whole = n / chunk * chunk;
  add_up_chunks<T>(whole, sum, gap);
  each_of_tail<T>(whole, n, [&](std::size_t i, std::size_t p, RegisterBits<T> fresh) {
    sum.add(p, (Numbers<T>)((RegisterBits<T>)gap(i) & fresh));
  });
  return sum.total();
}

}  // namespace AMISS_NAMESPACE
