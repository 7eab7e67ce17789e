// What formulas of losses call as one operation, so that its parts are computed once: `fading` is exp(-|x|) of a
// sigmoid or exp(-2 |x|) of a hyperbolic function, `small` is fading / (1 + fading). arrays/recorded.py puts them
// together; textbook forms stand in arrays/namespace.py.
#pragma once

#include "math.h"

namespace AMISS_NAMESPACE {

// The functions above for a number alone, whatever it is.
template <class S> AMISS_INLINE std::enable_if_t<std::is_floating_point_v<S>, S> exp(S x) {
  Zone<S, true> zone;
  return exp(x, zone);
}
template <class S> AMISS_INLINE std::enable_if_t<std::is_floating_point_v<S>, S> log1p(S x) {
  Zone<S, true> zone;
  return log1p(x, zone);
}

// fading / (1 + fading), with what rounding takes from the sum and the quotient put back.
template <class T> AMISS_INLINE T small_of(T fading) {
  const T small = fading / (T(1) + fading);
  return fma(fnma(small, fading, fading - small), T(1) - small, small);
}

// What rounding took from a product.
template <class T> AMISS_INLINE T rounding_of(T x, T y, T product) { return fma(x, y, -product); }

// weight * x for an x that is finite where its arguments are ordinary; a weight of zero silences an infinity.
template <class T, class Z> AMISS_INLINE T weigh(T weight, T x, Z&) {
  if constexpr (Z::careful) return weight * select((weight == T(0)) & (abs(x) == infinity<T>), T(0), x);
  else return weight * x;
}

// weight * sigmoid(x) * sigmoid(-x), given size = |x| and what rounding took from the weight.
// Far away the exponential alone may be subnormal, and a weight would multiply what that loses.
template <class T, class Z>
AMISS_INLINE T sigmoid_slope(T size, T small, T weight, T lost, Z& zone) {
  const T slope = small * (T(1) - small), near = fma(slope, weight, slope * lost);
  if constexpr (Z::careful) {
    const T late = exp(T(64) - size, zone), shrink = T(0x1.969d47321e4ccp-93);  // exp(-64)
    return select(size >= Float<T>::exp_safe, (weight * shrink) * late + (lost * shrink) * late, near);
  } else {
    return near;
  }
}

// tanh(x) where small = sigmoid(-2 |x|): 1 - 2 small far from 0, and its series near 0.
template <class T> AMISS_INLINE T tanh_of_parts(T x, T small) {
  const T size = abs(x), z = size * size;
  T p;
  if constexpr (is_double<T>) {
    constexpr double c[] = {-0x1.5555555555448p-2, 0x1.11111110fca47p-3, -0x1.ba1ba1a8eaaf2p-5,
                            0x1.664f44ec3cb50p-6, -0x1.226dc6ee38c8ap-7, 0x1.d6c351a3cb00dp-9,
                            -0x1.7cd843340b519p-10, 0x1.2f0088286c4e8p-11, -0x1.b4ede38ecae72p-13,
                            0x1.a0b78419741b1p-15};
    p = polynomial(c, z, z * z);
  } else {
    constexpr float c[] = {-0x1.555548p-2f, 0x1.110c8cp-3f, -0x1.b90d14p-5f, 0x1.584c44p-6f, -0x1.95942p-8f};
    p = polynomial(c, z, z * z);
  }
  return with_sign(select(size < T(0.5625), fma(size, z * p, size), T(1) - (small + small)), x);
}

// log(cosh(x)) of size = |x|: one logarithm of either cosh(x), from its series, or of 1 + exp(-2 |x|).
template <class T> AMISS_INLINE T log_cosh(T size, T fading) {
  const auto near = size <= T(1);
  const T z = size * size;
  T p;
  if constexpr (is_double<T>) {
    constexpr double c[] = {0.5, 0x1.5555555555502p-5, 0x1.6c16c16c212e5p-10, 0x1.a01a01907900ep-16,
                            0x1.27e5069f1dbc2p-22, 0x1.1ee563851e73fp-29, 0x1.9984b8306085fp-37};
    p = polynomial(c, z, z * z);
  } else {
    constexpr float c[] = {0.5f, 0x1.555556p-5f, 0x1.6c16dep-10f, 0x1.a00626p-16f, 0x1.2d8ce8p-22f};
    p = polynomial(c, z, z * z);
  }
  const T curve = log1p_fraction(select(near, z * p, fading));
  return select(near, curve, (size - T(0.6931471805599453)) + curve);
}

// exp(x) - 1 - x given expm1(x); near 0, where it is x squared over 2, from its series.
template <class T> AMISS_INLINE T expm1_minus(T x, T grown) {
  const T square = x * x;
  T p;
  if constexpr (is_double<T>) {
    constexpr double c[] = {0.5, 0x1.5555555555555p-3, 0x1.5555555555506p-5,
                            0x1.111111111124bp-7, 0x1.6c16c16c20d89p-10, 0x1.a01a019ff4f05p-13,
                            0x1.a01a0190d4cd2p-16, 0x1.71de3a72387a9p-19, 0x1.27e50672c0020p-22,
                            0x1.ae6442c041125p-26, 0x1.1ee577464c1d4p-29, 0x1.6128d428a2e76p-33,
                            0x1.997e1ffb95450p-37, 0x1.b054618edf4c8p-41};
    p = polynomial(c, x, square);
  } else {
    constexpr float c[] = {0.5f,           0x1.555556p-3f,  0x1.55557ap-5f,  0x1.1110ep-7f,
                           0x1.6bffbp-10f, 0x1.a028cap-13f, 0x1.a9622ap-16f, 0x1.7416f4p-19f};
    p = polynomial(c, x, square);
  }
  return select(abs(x) <= T(1), square * p, grown - at_most(x, T(1e3)));
}

// scale * grown, where grown is exp(x) or exp(x) - 1: infinite only where the product overflows.
template <class T, class Z> AMISS_INLINE T scaled(T scale, T x, T grown, Z& zone) {
  if constexpr (Z::careful) {
    const T late = (scale * T(0x1.425982cf597cdp+92)) * exp(x - T(64), zone);  // exp(64)
    return select(grown == infinity<T>, late, scale * grown);
  } else {
    return scale * grown;
  }
}

// --- a power of a sigmoid --------------------------------------------------------------------------------
// A number as the sum of a number of the dtype and what rounding took from it (Dekker, 1971).
template <class T> struct Pair {
  T high, low;
};

template <class T> AMISS_INLINE Pair<T> add(T x, T y) {
  const T sum = x + y, back = sum - x;
  return {sum, (x - (sum - back)) + (y - back)};
}

template <class T> AMISS_INLINE Pair<T> multiply(T x, T y) {
  const T product = x * y;
  return {product, rounding_of(x, y, product)};
}

// sigmoid(x)^power = exp(-power (max(-x, 0) + log(1 + exp(-|x|)))). The power multiplies every rounding error
// before it, so that the exponential and the logarithm carry what rounding takes from them.
template <class Z>
AMISS_INLINE Vector<double> sigmoid_power(Vector<double> x, Vector<double> size, Vector<double> small,
                                          Vector<double> power, Z& zone) {
  using T = Vector<double>;
  using F = Float<T>;
  zone.below(size, F::exp_safe);
  const Reduced<T> parts = reduce_exp(-(Z::careful ? at_most(size, T(700.0)) : size));
  const Pair<T> grown = add(T(1), parts.r), more = add(grown.high, rest_of(parts));
  const T two = power_of_two(parts.rounded);
  const Pair<T> whole = add(T(1), more.high * two);
  const T lost = fma(more.low + grown.low, two, whole.low);
  const auto far = whole.high >= T(1.5);
  const T f = select(far, T(0.5) * whole.high, whole.high) - T(1), s = f / (T(2) + f), z = s * s;
  const Pair<T> square = multiply(T(0.5) * f, f);
  constexpr double c[] = {0x1.5555555555776p-1, 0x1.99999998f0cb5p-2, 0x1.249249b21b6b8p-2, 0x1.c71c0169313c5p-3,
                          0x1.7474e1e57d4fcp-3, 0x1.3852e8d1857a8p-3, 0x1.3abd9573f6e19p-3};
  const T low = fma(lost, T(1) - small, select(far, T(F::ln2_low), T(0)));
  const T series = fma(s, fma(z, polynomial(c, z, z * z), square.high), low) - square.low;
  const Pair<T> first = add(select(far, T(F::ln2_high), T(0)), f), second = add(first.high, -square.high);
  const Pair<T> near = add(second.high, series + (first.low + second.low));
  // The logarithm of the sigmoid, and its product with the power.
  const Pair<T> log = add(-near.high, select(x < T(0), x, T(0)));
  const Pair<T> result = multiply(power, log.high);
  const T rest = fma(power, log.low - near.low, result.low);
  const T value = exp(result.high, zone), corrected = select(abs(rest) < T(1), fma(value, rest, value), value);
  return select(x != x, x, select(power == T(0), T(1), corrected));
}

// exp(x) for -700 <= x <= 0 with a relative error of 2^-37: enough where single precision is wanted in the end.
AMISS_INLINE Vector<double> short_exp(Vector<double> x) {
  using T = Vector<double>;
  using F = Float<T>;
  constexpr double c[] = {0.5, 0x1.555555676c1bbp-3, 0x1.5555555c910d6p-5, 0x1.1110c5ed7d6c9p-7,
                          0x1.6c1685542fcb2p-10, 0x1.a152099da25bap-13, 0x1.a113930ccbff5p-16};
  const T rounded = fma(x, T(F::log2e), T(F::magic)), r = fnma(rounded - F::magic, T(0.6931471805599453), x);
  const T square = r * r;
  return power_of_two(rounded) * (T(1) + fma(square, polynomial(c, r, square), r));
}

// log(1 + f) for 0 <= f <= 1 with a relative error of 2^-38.
AMISS_INLINE Vector<double> short_log1p(Vector<double> f) {
  using T = Vector<double>;
  constexpr double c[] = {2.0, 0x1.555555307b1fap-1, 0x1.9999c2d758fa7p-2, 0x1.2489ad1fd0049p-2,
                          0x1.c8cf405b264b5p-3, 0x1.5eaa1fd8c1a18p-3, 0x1.bfb8898caf8cap-3};
  const T s = f / (T(2) + f), z = s * s;
  return s * polynomial(c, z, z * z);
}

// In double precision; a power below exp(-200) is 0 in single precision.
template <class Z>
AMISS_INLINE Vector<float> sigmoid_power(Vector<float> x, Vector<float> size, Vector<float>,
                                         Vector<float> power, Z&) {
  using T = Vector<double>;
  const auto in_double = [](T z, T length, T exponent) __attribute__((always_inline)) {
    const T log = select(z < T(0), z, T(0)) - short_log1p(short_exp(-at_most(length, T(700.0))));
    return short_exp(at_least(exponent * log, T(-200.0)));
  };
  const Vector<float> value = in_doubles(in_double, x, size, power);
  return select(x != x, x, select(power == 0.0f, Vector<float>(1.0f), value));
}

}  // namespace AMISS_NAMESPACE
