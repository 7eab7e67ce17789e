// The elementary functions that generated kernels call: branch-free, and exact about NaN, infinities and
// subnormal results. Where a product is added without a rounding in between is written, never left to the compiler,
// so that every instruction set gives the same bits. The bounds in ULP are measured by
// tests/kernels/test_elementary_functions.py. T is a number or a vector of numbers.
//
// Reductions of the argument follow the freely published fdlibm (Sun Microsystems, 1993); the polynomials are the
// best of their degree (Remez, 1934) for the relative error of the result.
#pragma once

#include <limits>

#include "vector.h"

namespace AMISS_NAMESPACE {

template <class S> struct Constants;

template <> struct Constants<double> {
  using Bits = std::uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 0x1.8p52;          // adding it rounds to a whole number, held in the low bits
  static constexpr double counter = 0x1p52;          // its low bits count upwards from 0
  static constexpr double log2e = 0x1.71547652b82fep0;
  static constexpr double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_low = -746.0, exp_high = 710.0;
  static constexpr double exp_safe = 708.0;          // exp(x) and exp(-x) are normal numbers below it
  static constexpr double tiny = 0x1p-1022, lift = 0x1p54, lifted = 54.0;
  static constexpr Bits one = 0x3ff0000000000000, root_half = 0x3fe6a09e667f3bcd, top = Bits(1) << 63;
};

template <> struct Constants<float> {
  using Bits = std::uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 0x1.8p23f;
  static constexpr float counter = 0x1p23f;
  static constexpr float log2e = 0x1.715476p0f;
  static constexpr float ln2_high = 0x1.62e3p-1f, ln2_low = 0x1.2fefa2p-17f;
  static constexpr float exp_low = -105.0f, exp_high = 89.0f;
  static constexpr float exp_safe = 87.0f;
  static constexpr float tiny = 0x1p-126f, lift = 0x1p25f, lifted = 25.0f;
  static constexpr Bits one = 0x3f800000, root_half = 0x3f3504f3, top = Bits(1) << 31;
};

template <class T> using Float = Constants<ScalarOf<T>>;
template <class T> constexpr bool is_double = sizeof(ScalarOf<T>) == 8;
template <class T> constexpr ScalarOf<T> infinity = std::numeric_limits<ScalarOf<T>>::infinity();
template <class T> constexpr ScalarOf<T> nan = std::numeric_limits<ScalarOf<T>>::quiet_NaN();

// A kernel runs twice where it must: at first as if every argument were ordinary, so that no result is subnormal,
// infinite or NaN; and where one was not, carefully. An ordinary entry has the same bits either way.
template <class T, bool Careful> struct Zone {
  static constexpr bool careful = Careful;
  BitsOf<T> rare = BitsOf<T>(0);  // the highest bit of a lane: not ordinary

  // Expects 0 <= size < limit.
  AMISS_INLINE void below(T size, ScalarOf<T> limit) {
    rare = rare | (bits_of(size) + (Float<T>::top - bits_of(limit)));
  }
  // Expects a positive normal number.
  AMISS_INLINE void normal(T x) {
    const auto bits = bits_of(x);
    rare = rare | (bits - bits_of(Float<T>::tiny)) | (bits + (Float<T>::top - bits_of(infinity<T>)));
  }
};

// The zone of what somebody asks for, or another one.
template <bool Asked, class Z> AMISS_INLINE Z& zone_if(Z& zone, Z& unused) { return Asked ? zone : unused; }

AMISS_INLINE float sqrt(float x) { return __builtin_sqrtf(x); }
AMISS_INLINE double sqrt(double x) { return __builtin_sqrt(x); }
template <class S> AMISS_INLINE Vector<S> sqrt(Vector<S> x) {
  S all[Vector<S>::lanes];
  x.store(all);
  for (S& one : all) one = sqrt(one);
  return Vector<S>::load(all);
}

template <class T> AMISS_INLINE T abs(T x) { return of_bits<T>(bits_of(x) & BitsOf<T>(~Float<T>::top)); }
template <class T> AMISS_INLINE T with_sign(T size, T x) {
  return of_bits<T>(bits_of(size) | (bits_of(x) & BitsOf<T>(Float<T>::top)));
}

// NaN in either operand comes out, as in every array library.
template <class T> AMISS_INLINE T maximum(T a, T b) { return select((a != a) | (a > b), a, b); }
template <class T> AMISS_INLINE T minimum(T a, T b) { return select((a != a) | (a < b), a, b); }
// The same for a bound that is not NaN.
template <class T> AMISS_INLINE T at_least(T x, T bound) { return larger(bound, x); }
template <class T> AMISS_INLINE T at_most(T x, T bound) { return smaller(bound, x); }
template <class T> AMISS_INLINE T sign(T x) { return select(x > T(0), T(1), select(x < T(0), T(-1), x)); }

// c[I] + c[I + 2] y + c[I + 4] y^2 + ... without a loop, which the compiler might keep and then vectorise nothing.
template <std::size_t I, class T, std::size_t N> AMISS_INLINE T every_other(const ScalarOf<T> (&c)[N], T y) {
  if constexpr (I + 2 < N) return fma(every_other<I + 2>(c, y), y, T(c[I]));
  else return T(c[I]);
}

// c0 + c1 x + c2 x^2 + ..., even and odd terms apart, so that half of the operations need not wait for another.
template <class T, std::size_t N> AMISS_INLINE T polynomial(const ScalarOf<T> (&c)[N], T x, T square) {
  return fma(x, every_other<1>(c, square), every_other<0>(c, square));
}

// --- exponentials ----------------------------------------------------------------------------------------
// x = k ln 2 + r, |r| <= ln 2 / 2; `rounded` holds k in its low bits; `high` is r before ln2_low is taken from it, and
// exact; exp(r) is 1 + r + square * series.
template <class T> struct Reduced {
  T rounded, k, high, r, square, series;
};

template <class T> AMISS_INLINE Reduced<T> reduce_exp(T x) {
  using F = Float<T>;
  const T rounded = fma(x, T(F::log2e), T(F::magic)), k = rounded - F::magic;
  const T high = fnma(k, T(F::ln2_high), x), r = fnma(k, T(F::ln2_low), high), square = r * r;
  if constexpr (is_double<T>) {
    constexpr double c[] = {0x1.000000000000cp-1,  0x1.5555555555561p-3,  0x1.555555554ffebp-5,
                            0x1.111111110d5e9p-7,  0x1.6c16c185b7076p-10, 0x1.a01a01bafd8fap-13,
                            0x1.a0199667c5516p-16, 0x1.71dddf8fc5234p-19, 0x1.28b072eb48a67p-22,
                            0x1.af85e4ef496b0p-26};
    return {rounded, k, high, r, square, polynomial(c, r, square)};
  } else {
    constexpr float c[] = {0.5f, 0x1.55548ep-3f, 0x1.55545cp-5f, 0x1.123b94p-7f, 0x1.6db528p-10f};
    return {rounded, k, high, r, square, polynomial(c, r, square)};
  }
}

// What rounding takes from r.
template <class T> AMISS_INLINE T error_of(const Reduced<T>& x) { return fnma(x.k, T(Float<T>::ln2_low), x.high - x.r); }

// exp(r) - 1 less r.
template <class T> AMISS_INLINE T rest_of(const Reduced<T>& x) {
  const T error = error_of(x);
  return fma(x.square, x.series, fma(error, x.r, error));
}

// 2^k for a whole number k that was rounded by adding `magic`.
template <class T> AMISS_INLINE T power_of_two(T rounded) {
  using F = Float<T>;
  return of_bits<T>((bits_of(rounded) + typename F::Bits(F::bias)) << F::mantissa);
}

// y * 2^k in two steps, so that neither factor overflows and a subnormal result is rounded once.
template <class T> AMISS_INLINE T scale(T y, T k) {
  using F = Float<T>;
  const T half = k * T(0.5) + F::magic;
  const T other = (k - (half - F::magic)) + F::magic;
  return y * power_of_two(half) * power_of_two(other);
}

// x within the numbers whose exponential is neither 0 nor infinite, and a little more.
template <class T> AMISS_INLINE T limited(T x) {
  return at_most(at_least(x, T(Float<T>::exp_low)), T(Float<T>::exp_high));
}

template <class T, class Z> AMISS_INLINE T exp(T x, Z& zone) {
  zone.below(abs(x), Float<T>::exp_safe);
  const Reduced<T> parts = reduce_exp(Z::careful ? limited(x) : x);
  const T y = T(1) + (parts.r + fma(parts.square, parts.series, error_of(parts)));
  if constexpr (Z::careful) return scale(y, parts.k);
  else return of_bits<T>(bits_of(y) + (bits_of(parts.rounded) << Float<T>::mantissa));
}

template <class T, class Z> AMISS_INLINE T expm1(T x, Z& zone) {
  using F = Float<T>;
  zone.below(abs(x), F::exp_safe);
  const Reduced<T> parts = reduce_exp(Z::careful ? limited(x) : x);
  const T two = power_of_two(parts.rounded), less = parts.r + rest_of(parts);
  T result = fma(two, less, two - T(1));
  if constexpr (Z::careful) {
    result = select(x >= F::exp_safe, scale(T(1) + less, parts.k), result);
    result = select(x <= -F::exp_safe, T(-1), result);
  }
  return select(x == T(0), x, result);
}

// --- logarithms ------------------------------------------------------------------------------------------
// log(2^k (1 + f)) where |f / (2 + f)| <= 0.2, plus a small correction; `high` and `low` add up to k ln 2.
template <class T> AMISS_INLINE T log_of_parts(T high, T low, T f) {
  const T s = f / (T(2) + f), z = s * s, half = T(0.5) * f;
  T p;
  if constexpr (is_double<T>) {
    constexpr double c[] = {0x1.5555555555776p-1, 0x1.99999998f0cb5p-2, 0x1.249249b21b6b8p-2, 0x1.c71c0169313c5p-3,
                            0x1.7474e1e57d4fcp-3, 0x1.3852e8d1857a8p-3, 0x1.3abd9573f6e19p-3};
    p = polynomial(c, z, z * z);
  } else {
    constexpr float c[] = {0x1.5555b4p-1f, 0x1.992b0cp-2f, 0x1.36e454p-2f};
    p = polynomial(c, z, z * z);
  }
  return high + (f + fnma(half, f, fma(s, fma(half, f, z * p), low)));
}

// The exponent k and the fraction m in [sqrt(1/2), sqrt 2) of a positive normal number.
template <class T> struct Split {
  T k, m;
};

template <class T> AMISS_INLINE Split<T> split(T x) {
  using F = Float<T>;
  using Bits = typename F::Bits;
  const auto bits = bits_of(x);
  const auto biased = (bits + Bits(F::one - F::root_half)) >> F::mantissa;
  const T m = of_bits<T>(bits - ((biased - Bits(F::bias)) << F::mantissa));
  return {of_bits<T>(biased | bits_of(F::counter)) - (F::counter + F::bias), m};
}

template <class T, class Z> AMISS_INLINE T log(T x, Z& zone) {
  using F = Float<T>;
  zone.normal(x);
  const auto small = x < F::tiny;
  const Split<T> parts = split(Z::careful ? select(small, x * F::lift, x) : x);
  const T k = Z::careful ? select(small, parts.k - F::lifted, parts.k) : parts.k;
  T result = log_of_parts<T>(k * F::ln2_high, k * F::ln2_low, parts.m - T(1));
  if constexpr (Z::careful) {
    result = select(x == infinity<T>, T(infinity<T>), result);
    result = select(x == T(0), T(-infinity<T>), result);
    result = select(x >= T(0), result, T(nan<T>));
  }
  return result;
}

template <class T, class Z> AMISS_INLINE T log1p(T x, Z& zone) {
  using F = Float<T>;
  const T sum = T(1) + x;
  zone.normal(sum);
  const T lost = select(x >= T(1), T(1) - (sum - x), x - (sum - T(1)));
  const auto [k, m] = split(sum);
  const auto near = k == T(0);
  const T correction = select(near, T(0), lost / sum);
  T result = log_of_parts<T>(k * F::ln2_high, k * F::ln2_low + correction, select(near, x, m - T(1)));
  if constexpr (Z::careful) {
    result = select(x == infinity<T>, T(infinity<T>), result);
    result = select(sum == T(0), T(-infinity<T>), result);
    result = select(x >= T(-1), result, T(nan<T>));
  }
  return select(x == T(0), x, result);
}

// log(1 + x) for x from 0 to 1: x - x^2 / 2, and the rest as a series in x / (2 + x).
template <class T> AMISS_INLINE T log1p_fraction(T x) {
  const T s = x / (T(2) + x), z = s * s, half = T(0.5) * x;
  T p;
  if constexpr (is_double<T>) {
    constexpr double c[] = {0x1.5555555555535p-1, 0x1.99999999a06c1p-2, 0x1.24924920910f1p-2, 0x1.c71c741a08643p-3,
                            0x1.745cb45972168p-3, 0x1.3b1dd3b1bcc7dp-3, 0x1.10682e9c83a13p-3, 0x1.efd190b2d8a38p-4,
                            0x1.55cf4a4154fdfp-4, 0x1.5c5c2f78b2761p-3};
    p = polynomial(c, z, z * z);
  } else {
    constexpr float c[] = {0x1.555502p-1f, 0x1.99d208p-2f, 0x1.1ebd0ap-2f, 0x1.1ed7c8p-2f};
    p = polynomial(c, z, z * z);
  }
  return x + fnma(half, x, s * fma(half, x, z * p));
}

}  // namespace AMISS_NAMESPACE

#include "composites.h"
