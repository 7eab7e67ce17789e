// The elementary functions that generated kernels call: branch-free, so that the compiler vectorises them, and
// exact about NaN, infinities and subnormal results. No FMA is ever contracted, so that every instruction set
// gives the same bits. The bounds in ULP are measured by tests/contract/test_kernel_functions.py.
//
// Reductions of the argument and polynomials follow the freely published fdlibm (Sun Microsystems, 1993).
#pragma once

#include <cstdint>
#include <limits>

// A call that is not inlined would keep a loop from being vectorised.
#define AMISS_INLINE inline __attribute__((always_inline))

namespace AMISS_NAMESPACE {

template <class T> struct Float;

template <> struct Float<double> {
  using Bits = std::uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 0x1.8p52;          // adding it rounds to a whole number, held in the low bits
  static constexpr double counter = 0x1p52;          // its low bits count upwards from 0
  static constexpr double splitter = 0x1p27 + 1.0;   // halves the significant bits of a number
  static constexpr double log2e = 0x1.71547652b82fep0;
  static constexpr double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_low = -746.0, exp_high = 710.0;
  static constexpr double tiny = 0x1p-1022, lift = 0x1p54, lifted = 54.0;
  static constexpr Bits one = 0x3ff0000000000000, root_half = 0x3fe6a09e667f3bcd;
};

template <> struct Float<float> {
  using Bits = std::uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 0x1.8p23f;
  static constexpr float counter = 0x1p23f;
  static constexpr float splitter = 0x1p12f + 1.0f;
  static constexpr float log2e = 0x1.715476p0f;
  static constexpr float ln2_high = 0x1.62e3p-1f, ln2_low = 0x1.2fefa2p-17f;
  static constexpr float exp_low = -105.0f, exp_high = 89.0f;
  static constexpr float tiny = 0x1p-126f, lift = 0x1p25f, lifted = 25.0f;
  static constexpr Bits one = 0x3f800000, root_half = 0x3f3504f3;
};

template <class T> AMISS_INLINE typename Float<T>::Bits bits_of(T x) {
  return __builtin_bit_cast(typename Float<T>::Bits, x);
}

template <class T> AMISS_INLINE T of_bits(typename Float<T>::Bits bits) { return __builtin_bit_cast(T, bits); }

template <class T> AMISS_INLINE T abs(T x) { return of_bits<T>(bits_of(x) & (~typename Float<T>::Bits(0) >> 1)); }

// c ? a : b by masks. The compiler turns some conditional expressions into branches, and then vectorises nothing.
template <class T> AMISS_INLINE T select(bool c, T a, T b) {
  const auto mask = -typename Float<T>::Bits(c);
  return of_bits<T>((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

// NaN in either operand comes out, as in every array library.
template <class T> AMISS_INLINE T maximum(T a, T b) { return select((a != a) | (a > b), a, b); }
template <class T> AMISS_INLINE T minimum(T a, T b) { return select((a != a) | (a < b), a, b); }
template <class T> AMISS_INLINE T sign(T x) { return select(x > T(0), T(1), select(x < T(0), T(-1), x)); }
template <class T> AMISS_INLINE T sqrt(T x) {
  if constexpr (sizeof(T) == 8) return __builtin_sqrt(x);
  else return __builtin_sqrtf(x);
}

// 2^k for a whole number k that was rounded by adding `magic`.
template <class T> AMISS_INLINE T power_of_two(T rounded) {
  using F = Float<T>;
  return of_bits<T>((bits_of(rounded) + F::bias) << F::mantissa);
}

// x = k ln 2 + r, |r| <= ln 2 / 2, and exp(r) - 1 with the rounding error of r put back.
template <class T> struct Reduced {
  T k, minus_one;
};

template <class T> AMISS_INLINE Reduced<T> reduce_exp(T x) {
  using F = Float<T>;
  const T k = (x * F::log2e + F::magic) - F::magic;
  const T high = x - k * F::ln2_high, low = k * F::ln2_low;
  const T r = high - low, error = (high - r) - low;
  T p;
  if constexpr (sizeof(T) == 8) {
    p = T(1.0 / 6227020800.0);
    p = p * r + T(1.0 / 479001600.0);
    p = p * r + T(1.0 / 39916800.0);
    p = p * r + T(1.0 / 3628800.0);
    p = p * r + T(1.0 / 362880.0);
    p = p * r + T(1.0 / 40320.0);
    p = p * r + T(1.0 / 5040.0);
  } else {
    p = T(1.0 / 5040.0);
  }
  p = p * r + T(1.0 / 720.0);
  p = p * r + T(1.0 / 120.0);
  p = p * r + T(1.0 / 24.0);
  p = p * r + T(1.0 / 6.0);
  p = p * r + T(0.5);
  return {k, r + (r * r * p + (error + error * r))};
}

// y * 2^k in two steps, so that neither factor overflows and a subnormal result is rounded once.
template <class T> AMISS_INLINE T scale(T y, T k) {
  using F = Float<T>;
  const T half = k * T(0.5) + F::magic;
  const T other = (k - (half - F::magic)) + F::magic;
  return y * power_of_two(half) * power_of_two(other);
}

template <class T> AMISS_INLINE T exp(T x) {
  using F = Float<T>;
  T limited = select(x < F::exp_low, F::exp_low, x);
  limited = select(limited > F::exp_high, F::exp_high, limited);
  const auto [k, minus_one] = reduce_exp(limited);
  return scale(T(1) + minus_one, k);
}

template <class T> AMISS_INLINE T expm1(T x) {
  using F = Float<T>;
  T limited = select(x < F::exp_low, F::exp_low, x);
  limited = select(limited > F::exp_high, F::exp_high, limited);
  const auto [k, minus_one] = reduce_exp(limited);
  const T small = select(k > T(64), T(64), select(k < T(-64), T(-64), k));
  const T two = power_of_two(small + F::magic);
  const T moderate = two * minus_one + (two - T(1));
  const T large = scale(T(1) + minus_one, k);
  const T result = select(k > T(63), large, moderate);
  return select(k == T(0), select(x == T(0), x, minus_one), result);
}

// log(2^k (1 + f)) where 1 + f lies in [sqrt(1/2), sqrt 2), plus a small correction.
template <class T> AMISS_INLINE T log_of_parts(T k, T f, T correction) {
  using F = Float<T>;
  const T s = f / (T(2) + f), z = s * s, half_square = T(0.5) * f * f;
  T p;
  if constexpr (sizeof(T) == 8) {
    p = T(1.479819860511658591e-01);
    p = p * z + T(1.531383769920937332e-01);
    p = p * z + T(1.818357216161805012e-01);
    p = p * z + T(2.222219843214978396e-01);
    p = p * z + T(2.857142874366239149e-01);
    p = p * z + T(3.999999999940941908e-01);
    p = p * z + T(6.666666666666735130e-01);
  } else {
    p = T(0.24279078841f);
    p = p * z + T(0.28498786688f);
    p = p * z + T(0.40000972152f);
    p = p * z + T(0.66666662693f);
  }
  return k * F::ln2_high - ((half_square - (s * (half_square + z * p) + (k * F::ln2_low + correction))) - f);
}

// The exponent k and the fraction m in [sqrt(1/2), sqrt 2) of a positive normal number.
template <class T> struct Split {
  T k, m;
};

template <class T> AMISS_INLINE Split<T> split(T x) {
  using F = Float<T>;
  const auto bits = bits_of(x);
  const auto biased = (bits + (F::one - F::root_half)) >> F::mantissa;
  const T m = of_bits<T>(bits - ((biased - F::bias) << F::mantissa));
  return {of_bits<T>(biased | bits_of(F::counter)) - (F::counter + T(F::bias)), m};
}

template <class T> AMISS_INLINE T log(T x) {
  using F = Float<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const bool small = x < F::tiny;
  const auto [k, m] = split(select(small, x * F::lift, x));
  T result = log_of_parts(select(small, k - F::lifted, k), m - T(1), T(0));
  result = select(x == infinity, infinity, result);
  result = select(x == T(0), -infinity, result);
  return select(x >= T(0), result, nan);
}

template <class T> AMISS_INLINE T log1p(T x) {
  constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T sum = T(1) + x;
  const T lost = select(x >= T(1), T(1) - (sum - x), x - (sum - T(1)));
  const auto [k, m] = split(sum);
  const bool near = k == T(0);
  T result = log_of_parts(k, select(near, x, m - T(1)), select(near, T(0), lost / sum));
  result = select(x == infinity, infinity, result);
  result = select(sum == T(0), -infinity, result);
  result = select(x == T(0), x, result);
  return select(x >= T(-1), result, nan);
}

template <class T> AMISS_INLINE T tanh(T x) {
  const T size = abs(x), limited = select(size > T(22), T(22), size);
  const T grown = expm1(T(2) * limited);
  const T result = grown / (grown + T(2));
  return select((x != x) | (x == T(0)), x, select(x < T(0), -result, result));
}

// A number as the sum of a double and what rounding took from it (Dekker, 1971).
struct Pair {
  double high, low;
};

AMISS_INLINE Pair add(double x, double y) {
  const double sum = x + y, back = sum - x;
  return {sum, (x - (sum - back)) + (y - back)};
}

AMISS_INLINE Pair multiply(double x, double y) {
  constexpr double splitter = Float<double>::splitter;
  const double a = splitter * x - (splitter * x - x), b = x - a;
  const double c = splitter * y - (splitter * y - y), d = y - c;
  const double product = x * y;
  return {product, ((a * c - product) + a * d + b * c) + b * d};
}

// sigmoid(x)^power = exp(-power (max(-x, 0) + log(1 + exp(-|x|)))). The power multiplies every rounding error
// before it, so that the exponential and the logarithm carry what rounding takes from them.
AMISS_INLINE double sigmoid_power(double x, double power) {
  using F = Float<double>;
  const double size = abs(x), limited = select(size > 700.0, 700.0, size);
  const auto [k, plain] = reduce_exp(-limited);
  // The same reduction again, split into the argument and the rest of the series.
  const double r = (-limited - k * F::ln2_high) - k * F::ln2_low;
  const Pair grown = add(1.0, r), more = add(grown.high, plain - r);
  const double two = power_of_two(k + F::magic);
  const Pair whole = add(1.0, more.high * two);
  const double lost = whole.low + (more.low + grown.low) * two;
  const auto [exponent, m] = split(whole.high);
  const double f = m - 1.0, s = f / (2.0 + f), z = s * s;
  const Pair square = multiply(0.5 * f, f);
  double p = 1.479819860511658591e-01;
  p = p * z + 1.531383769920937332e-01;
  p = p * z + 1.818357216161805012e-01;
  p = p * z + 2.222219843214978396e-01;
  p = p * z + 2.857142874366239149e-01;
  p = p * z + 3.999999999940941908e-01;
  p = p * z + 6.666666666666735130e-01;
  const double series = s * (square.high + z * p) + exponent * F::ln2_low + lost / whole.high - square.low;
  const Pair first = add(exponent * F::ln2_high, f), second = add(first.high, -square.high);
  const Pair near = add(second.high, series + (first.low + second.low));
  // The logarithm of the sigmoid, and its product with the power.
  const Pair log = add(-near.high, select(x < 0.0, x, 0.0));
  const Pair result = multiply(power, log.high);
  const double rest = result.low + power * (log.low - near.low);
  const double value = exp(result.high);
  const double corrected = select(abs(rest) < 1.0, value + value * rest, value);
  return select(x != x, x, select(power == 0.0, 1.0, corrected));
}

AMISS_INLINE float sigmoid_power(float x, float power) {
  const double size = abs(double(x));
  const double log = select(x < 0.0f, double(x), 0.0) - log1p(exp(-size));
  const double value = exp(double(power) * log);
  return select(x != x, x, select(power == 0.0f, 1.0f, float(value)));
}

}  // namespace AMISS_NAMESPACE
