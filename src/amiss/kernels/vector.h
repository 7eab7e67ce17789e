// Several numbers at once, with the operators of one number. Formulas are templates on it, so that a kernel is
// vectorised because of its type and not by a compiler's luck. A vector is two of the widest registers of this
// build: what one of them waits for is computed while the other one's is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

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
