// Arrays as callers hold them, of any real dtype and any strides, and blocks of them as kernels read them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "table.h"

namespace amiss {

template <class T> constexpr Kind kind_of = sizeof(T) == 8 ? Kind::float64 : Kind::float32;

inline std::size_t size_of(Kind kind) {
  switch (kind) {
    case Kind::int8: case Kind::uint8: return 1;
    case Kind::float16: case Kind::bfloat16: case Kind::int16: case Kind::uint16: return 2;
    case Kind::float32: case Kind::int32: case Kind::uint32: return 4;
    case Kind::float64: case Kind::int64: case Kind::uint64: return 8;
    case Kind::none: return 0;
  }
  return 0;
}

inline float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline std::uint32_t bits_of_float(float x) { return __builtin_bit_cast(std::uint32_t, x); }

// Half precision is kept in 16 bits: IEEE 754 binary16, and bfloat16, the upper half of a float.
struct Half {
  std::uint16_t bits;

  operator float() const {
    const std::uint32_t shifted = (bits & 0x7fffu) << 13;
    const float size = float_of(shifted) * 0x1p112f;
    const std::uint32_t special = size >= 0x1p16f ? 0x7f800000u | shifted : bits_of_float(size);
    return float_of(special | (bits & 0x8000u) << 16);
  }
  Half& operator=(float x) {  // rounds to the nearest, ties to even
    const std::uint32_t given = bits_of_float(x), size = given & 0x7fffffffu;
    std::uint32_t found;
    if (size > 0x7f800000u) found = 0x7e00;
    else if (float_of(size) < 0x1p-14f) found = bits_of_float(float_of(size) + 0.5f) - bits_of_float(0.5f);
    else if (float_of(size) >= 65520.0f) found = 0x7c00;
    else found = ((size + 0xfff + (size >> 13 & 1)) >> 13) - (112 << 10);
    bits = std::uint16_t(found | (given >> 16 & 0x8000u));
    return *this;
  }
};

struct Brain {
  std::uint16_t bits;

  operator float() const { return float_of(std::uint32_t(bits) << 16); }
  Brain& operator=(float x) {
    const std::uint32_t given = bits_of_float(x);
    bits = std::uint16_t(x != x ? given >> 16 | 0x40 : (given + 0x7fff + (given >> 16 & 1)) >> 16);
    return *this;
  }
};

// An array with one entry per item, walked in the order of its indices.
class Operand {
 public:
  static constexpr int most = 32;  // axes

  Operand() = default;
  Operand(void* data, Kind kind, std::size_t n) : data_(static_cast<char*>(data)), kind_(kind) {
    add_axis(std::ptrdiff_t(n), std::ptrdiff_t(size_of(kind)));
    last_ = data_ + n * size_of(kind);
    first_ = data_;
  }
  // Steps are in bytes. An axis along which an array is broadcast has the step 0.
  Operand(void* data, Kind kind, int rank, const std::ptrdiff_t* shape, const std::ptrdiff_t* steps)
      : data_(static_cast<char*>(data)), kind_(kind), first_(data_), last_(data_ + size_of(kind)) {
    for (int axis = 0; axis < rank; ++axis) {
      add_axis(shape[axis], steps[axis]);
      (steps[axis] < 0 ? first_ : last_) += (shape[axis] - 1) * steps[axis];
    }
  }

  explicit operator bool() const { return kind_ != Kind::none; }
  Kind kind() const { return kind_; }

  // Whether its entries follow each other in memory, and kernels can read and write it where it is.
  bool is_dense() const { return rank_ == 0 || (rank_ == 1 && steps_[0] == std::ptrdiff_t(size_of(kind_))); }
  template <class T> bool is_plain() const { return kind_ == kind_of<T> && is_dense(); }
  bool is_aligned() const {
    const auto size = std::ptrdiff_t(size_of(kind_));
    bool fine = reinterpret_cast<std::uintptr_t>(data_) % std::uintptr_t(size) == 0;
    for (int axis = 0; axis < rank_; ++axis) fine &= steps_[axis] % size == 0;
    return fine;
  }
  bool overlaps(const Operand& other) const { return first_ < other.last_ && other.first_ < last_; }

  template <class T> T* at(std::size_t start) const { return reinterpret_cast<T*>(data_) + start; }

  template <class T> void read(std::size_t start, std::size_t n, T* out) const {
    visit([&](auto sample) {
      using S = decltype(sample);
      walk(start, n, [&](const char* x, std::ptrdiff_t step, std::size_t count) {
        const S* dense = reinterpret_cast<const S*>(x);
        if (step == std::ptrdiff_t(sizeof(S)))  // a loop that the compiler vectorises
          for (std::size_t i = 0; i < count; ++i) out[i] = T(dense[i]);
        else
          for (std::size_t i = 0; i < count; ++i, x += step) out[i] = T(*reinterpret_cast<const S*>(x));
        out += count;
      });
    });
  }
  template <class T> void write(std::size_t start, std::size_t n, const T* values) const {
    visit([&](auto sample) {
      using S = decltype(sample);
      walk(start, n, [&](char* x, std::ptrdiff_t step, std::size_t count) {
        S* dense = reinterpret_cast<S*>(x);
        if (step == std::ptrdiff_t(sizeof(S)))
          for (std::size_t i = 0; i < count; ++i) dense[i] = values[i];
        else
          for (std::size_t i = 0; i < count; ++i, x += step) *reinterpret_cast<S*>(x) = values[i];
        values += count;
      });
    });
  }

 private:
  // Joins an axis to the one before where both lie evenly in memory.
  void add_axis(std::ptrdiff_t length, std::ptrdiff_t step) {
    if (length == 1) return;
    if (rank_ > 0 && steps_[rank_ - 1] == step * length) {
      shape_[rank_ - 1] *= length;
      steps_[rank_ - 1] = step;
      return;
    }
    shape_[rank_] = length;
    steps_[rank_++] = step;
  }

  template <class F> void visit(F&& use) const {
    switch (kind_) {
      case Kind::float16: return use(Half{});
      case Kind::bfloat16: return use(Brain{});
      case Kind::float32: return use(float{});
      case Kind::float64: return use(double{});
      case Kind::int8: return use(std::int8_t{});
      case Kind::int16: return use(std::int16_t{});
      case Kind::int32: return use(std::int32_t{});
      case Kind::int64: return use(std::int64_t{});
      case Kind::uint8: return use(std::uint8_t{});
      case Kind::uint16: return use(std::uint16_t{});
      case Kind::uint32: return use(std::uint32_t{});
      case Kind::uint64: return use(std::uint64_t{});
      case Kind::none: return;
    }
  }

  // Calls use(address, step, count) for each run of entries along the last axis, in order.
  template <class F> void walk(std::size_t start, std::size_t n, F&& use) const {
    if (rank_ == 0) return use(data_, std::ptrdiff_t(0), n);
    std::ptrdiff_t index[most];
    char* x = data_;
    for (int axis = rank_ - 1; axis >= 0; --axis) {
      index[axis] = std::ptrdiff_t(start % std::size_t(shape_[axis]));
      start /= std::size_t(shape_[axis]);
      x += index[axis] * steps_[axis];
    }
    const int last = rank_ - 1;
    while (n > 0) {
      const std::size_t left = std::size_t(shape_[last] - index[last]), count = n < left ? n : left;
      use(x, steps_[last], count);
      n -= count;
      x -= index[last] * steps_[last];
      index[last] = 0;
      for (int axis = last - 1; axis >= 0; --axis) {
        x += steps_[axis];
        if (++index[axis] < shape_[axis]) break;
        x -= shape_[axis] * steps_[axis];
        index[axis] = 0;
      }
    }
  }

  char* data_ = nullptr;
  Kind kind_ = Kind::none;
  int rank_ = 0;
  char *first_ = nullptr, *last_ = nullptr;  // the bytes it lies in
  std::ptrdiff_t shape_[most] = {}, steps_[most] = {};
};

}  // namespace amiss
