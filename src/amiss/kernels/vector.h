// Several numbers at once, with the operators of one number. Formulas are templates on it, so that a kernel is
// vectorised because of its type and not by a compiler's luck. A vector is two of the widest registers of this
// build: what one of them waits for is computed while the other one's is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// A call that is not inlined would pass vectors through memory.
#define AMISS_INLINE inline __attribute__((always_inline))

namespace AMISS_NAMESPACE {

#if defined(__AVX512F__)
constexpr std::size_t register_bytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t register_bytes = 32;
#else
constexpr std::size_t register_bytes = 16;
#endif

template <class S> using Signed = std::conditional_t<sizeof(S) == 8, std::int64_t, std::int32_t>;
template <class S> using Unsigned = std::conditional_t<sizeof(S) == 8, std::uint64_t, std::uint32_t>;

// The compiler's own vectors, in registers and wherever in memory.
template <class S> struct Plain;
#define AMISS_PLAIN(S)                                                                                    \
  template <> struct Plain<S> {                                                                           \
    typedef S Raw __attribute__((vector_size(register_bytes)));                                             \
    typedef S Loose __attribute__((vector_size(register_bytes), aligned(sizeof(S)), may_alias));            \
  };
AMISS_PLAIN(double)
AMISS_PLAIN(float)
AMISS_PLAIN(std::int64_t)
AMISS_PLAIN(std::int32_t)
AMISS_PLAIN(std::uint64_t)
AMISS_PLAIN(std::uint32_t)
#undef AMISS_PLAIN

// x y + z and z - x y, rounded once: half the operations of a polynomial, and the same bits on all machines.
AMISS_INLINE float fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
AMISS_INLINE double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
AMISS_INLINE float fnma(float x, float y, float z) { return __builtin_fmaf(-x, y, z); }
AMISS_INLINE double fnma(double x, double y, double z) { return __builtin_fma(-x, y, z); }
#define AMISS_FUSED(S, multiply_add, negative_multiply_add)                                                            \
  AMISS_INLINE Plain<S>::Raw fma(Plain<S>::Raw x, Plain<S>::Raw y, Plain<S>::Raw z) { return multiply_add; }       \
  AMISS_INLINE Plain<S>::Raw fnma(Plain<S>::Raw x, Plain<S>::Raw y, Plain<S>::Raw z) { return negative_multiply_add; }
#if defined(__AVX512F__)
AMISS_FUSED(float, _mm512_fmadd_ps(x, y, z), _mm512_fnmadd_ps(x, y, z))
AMISS_FUSED(double, _mm512_fmadd_pd(x, y, z), _mm512_fnmadd_pd(x, y, z))
#elif defined(__AVX2__)
AMISS_FUSED(float, _mm256_fmadd_ps(x, y, z), _mm256_fnmadd_ps(x, y, z))
AMISS_FUSED(double, _mm256_fmadd_pd(x, y, z), _mm256_fnmadd_pd(x, y, z))
#elif defined(__aarch64__)
AMISS_FUSED(float, vfmaq_f32(z, x, y), vfmsq_f32(z, x, y))
AMISS_FUSED(double, vfmaq_f64(z, x, y), vfmsq_f64(z, x, y))
#else
template <class Raw> AMISS_INLINE Raw fused(Raw x, Raw y, Raw z) {
  for (std::size_t l = 0; l < sizeof x / sizeof x[0]; ++l) z[l] = fma(x[l], y[l], z[l]);
  return z;
}
AMISS_FUSED(float, fused(x, y, z), fused(-x, y, z))
AMISS_FUSED(double, fused(x, y, z), fused(-x, y, z))
#endif
#undef AMISS_FUSED

template <class S> struct Vector {
  using Scalar = S;
  static constexpr std::size_t half = register_bytes / sizeof(S), lanes = 2 * half;
  using Raw = typename Plain<S>::Raw;
  using Loose = typename Plain<S>::Loose;

  Raw first, second;

  Vector() = default;
  AMISS_INLINE Vector(S x) : first(x - Raw{}), second(first) {}  // every lane x: -0 less 0 is -0
  AMISS_INLINE Vector(Raw one, Raw two) : first(one), second(two) {}

  static AMISS_INLINE Vector load(const S* from) {
    const Loose* loose = reinterpret_cast<const Loose*>(from);
    return {Raw(loose[0]), Raw(loose[1])};
  }
  AMISS_INLINE void store(S* to) const {
    Loose* loose = reinterpret_cast<Loose*>(to);
    loose[0] = first;
    loose[1] = second;
  }

  friend AMISS_INLINE Vector operator-(Vector x) { return {-x.first, -x.second}; }
  friend AMISS_INLINE Vector operator~(Vector x) { return {~x.first, ~x.second}; }
  friend AMISS_INLINE Vector operator<<(Vector x, int count) { return {x.first << count, x.second << count}; }
  friend AMISS_INLINE Vector operator>>(Vector x, int count) { return {x.first >> count, x.second >> count}; }

  // A truth is -1 where it holds, else 0: the type that the compiler gives to a comparison of its vectors.
  using Truth = Vector<Signed<S>>;
#define AMISS_OPERATOR(Result, op)                                            \
  friend AMISS_INLINE Result operator op(Vector x, Vector y) {                \
    return {x.first op y.first, x.second op y.second};                        \
  }
  AMISS_OPERATOR(Vector, +)
  AMISS_OPERATOR(Vector, -)
  AMISS_OPERATOR(Vector, *)
  AMISS_OPERATOR(Vector, /)
  AMISS_OPERATOR(Vector, &)
  AMISS_OPERATOR(Vector, |)
  AMISS_OPERATOR(Truth, <)
  AMISS_OPERATOR(Truth, <=)
  AMISS_OPERATOR(Truth, >)
  AMISS_OPERATOR(Truth, >=)
  AMISS_OPERATOR(Truth, ==)
  AMISS_OPERATOR(Truth, !=)
#undef AMISS_OPERATOR

  friend AMISS_INLINE Vector fma(Vector x, Vector y, Vector z) {
    return {fma(x.first, y.first, z.first), fma(x.second, y.second, z.second)};
  }
  friend AMISS_INLINE Vector fnma(Vector x, Vector y, Vector z) {
    return {fnma(x.first, y.first, z.first), fnma(x.second, y.second, z.second)};
  }
  // One instruction each, unlike a comparison that something else looks at too; y where either is NaN.
  friend AMISS_INLINE Vector larger(Vector x, Vector y) {
    return {x.first > y.first ? x.first : y.first, x.second > y.second ? x.second : y.second};
  }
  friend AMISS_INLINE Vector smaller(Vector x, Vector y) {
    return {x.first < y.first ? x.first : y.first, x.second < y.second ? x.second : y.second};
  }
  friend AMISS_INLINE Vector select(Truth c, Vector x, Vector y) {
    return {c.first ? x.first : y.first, c.second ? x.second : y.second};
  }
};

// What holds for a number alone and for a vector of numbers.
template <class T> struct Kind {
  using Scalar = T;
  using Bits = Unsigned<T>;
  using Truth = bool;
};
template <class S> struct Kind<Vector<S>> {
  using Scalar = S;
  using Bits = Vector<Unsigned<S>>;
  using Truth = Vector<Signed<S>>;
};
template <class T> using ScalarOf = typename Kind<T>::Scalar;
template <class T> using BitsOf = typename Kind<T>::Bits;
template <class T> using TruthOf = typename Kind<T>::Truth;

template <class T> AMISS_INLINE BitsOf<T> bits_of(T x) { return __builtin_bit_cast(BitsOf<T>, x); }
template <class T> AMISS_INLINE T of_bits(BitsOf<T> bits) { return __builtin_bit_cast(T, bits); }

// c ? x : y by masks. The compiler turns some conditional expressions into branches, and then vectorises nothing.
template <class S> AMISS_INLINE std::enable_if_t<std::is_floating_point_v<S>, S> select(bool c, S x, S y) {
  const auto mask = -Unsigned<S>(c);
  return of_bits<S>((bits_of(x) & mask) | (bits_of(y) & ~mask));
}

template <class S> AMISS_INLINE std::enable_if_t<std::is_floating_point_v<S>, S> larger(S x, S y) {
  return select(x > y, x, y);
}
template <class S> AMISS_INLINE std::enable_if_t<std::is_floating_point_v<S>, S> smaller(S x, S y) {
  return select(x < y, x, y);
}

// Whether the highest bit of any lane is set, as it is in a truth.
template <class I> AMISS_INLINE bool any(Vector<I> bits) {
  I all[Vector<I>::lanes], joined = 0;
  bits.store(all);
  for (I one : all) joined |= one;
  return std::make_signed_t<I>(joined) < 0;
}

// Doubles from floats, and back.
typedef float HalfRegister __attribute__((vector_size(register_bytes / 2)));
struct HalfRegisters {
  HalfRegister first, second;
};
AMISS_INLINE Vector<double> widened(HalfRegisters x) {
  using Raw = Vector<double>::Raw;
  return {__builtin_convertvector(x.first, Raw), __builtin_convertvector(x.second, Raw)};
}
AMISS_INLINE Plain<float>::Raw narrowed(Vector<double> x) {
  const HalfRegisters halves = {__builtin_convertvector(x.first, HalfRegister),
                                __builtin_convertvector(x.second, HalfRegister)};
  return __builtin_bit_cast(Plain<float>::Raw, halves);
}

// A function of doubles on vectors of floats.
template <class F, class... X> AMISS_INLINE Vector<float> in_doubles(F function, X... x) {
  return {narrowed(function(widened(__builtin_bit_cast(HalfRegisters, x.first))...)),
          narrowed(function(widened(__builtin_bit_cast(HalfRegisters, x.second))...))};
}

}  // namespace AMISS_NAMESPACE
