// The memory of Python's arrays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>

#include <nanobind/nanobind.h>

#include "operand.h"

namespace amiss {

namespace nb = nanobind;

struct Shape {
  int rank;
  const Py_ssize_t* lengths;

  bool operator==(const Shape& other) const {
    return rank == other.rank && std::equal(lengths, lengths + rank, other.lengths);
  }
  std::size_t size() const {
    return std::accumulate(lengths, lengths + rank, std::size_t(1), [](std::size_t n, Py_ssize_t of) { return n * std::size_t(of); });
  }
};

// An array as somebody else holds it, for as long as a call lasts. Steps are in bytes.
class Memory {
 public:
  bool given() const { return given_; }  // something else than None
  bool held() const { return held_; }    // it is an array
  Kind kind() const { return kind_; }    // none if it is not of real numbers
  Shape shape() const { return {rank_, lengths_}; }

  // The array itself; none if it is of another shape.
  Operand operand(const Shape& wanted) const {
    if (!held_ || rank_ > Operand::most || !(shape() == wanted)) return {};
    return checked({data_, kind_, rank_, lengths_, steps_});
  }

  // The array broadcast to a shape: over the axes after its own, or those where its length is 1.
  Operand broadcast(const Shape& wanted) const {
    const int rank = wanted.rank;
    if (!held_ || rank > Operand::most || rank_ > rank) return {};
    std::ptrdiff_t steps[Operand::most];
    for (int axis = 0; axis < rank; ++axis) {
      const bool same = axis < rank_ && lengths_[axis] == wanted.lengths[axis];
      if (axis < rank_ && !same && !(rank_ == rank && lengths_[axis] == 1)) return {};
      steps[axis] = same ? steps_[axis] : 0;
    }
    return checked({data_, kind_, rank, wanted.lengths, steps});
  }

 protected:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  static Operand checked(Operand operand) { return operand && operand.is_aligned() ? operand : Operand{}; }

  // The kind of whole numbers so wide, given that of one byte.
  static Kind whole(Kind smallest, std::size_t bytes) {
    int wider = 0;
    while (bytes >> (wider + 1)) ++wider;
    return Kind(int(smallest) + wider);
  }

  bool given_ = false, held_ = false;
  void* data_ = nullptr;
  Kind kind_ = Kind::none;
  int rank_ = 0;
  const Py_ssize_t* lengths_ = nullptr;
  const std::ptrdiff_t* steps_ = nullptr;
};

// What offers Python's buffer protocol.
class Buffer : public Memory {
 public:
  Buffer(nb::handle object, bool writes) {
    given_ = !object.is_none();
    if (!given_) return;
    const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writes ? PyBUF_WRITABLE : 0);
    held_ = PyObject_GetBuffer(object.ptr(), &view_, flags) == 0;
    if (!held_) {
      PyErr_Clear();
      return;
    }
    data_ = view_.buf, rank_ = view_.ndim, lengths_ = view_.shape, steps_ = view_.strides, kind_ = found();
  }
  ~Buffer() {
    if (held_) PyBuffer_Release(&view_);
  }

  const Py_buffer& view() const { return view_; }

 private:
  Kind found() const {
    constexpr char ours = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
    const char* format = view_.format;
    if (format[0] == ours || format[0] == '=' || format[0] == '@') ++format;  // so ctypes says what NumPy does not
    if (!format[0] || format[1]) return Kind::none;  // another byte order, a complex number, a structure
    switch (format[0]) {
      case 'f': return Kind::float32;
      case 'd': return Kind::float64;
      case 'e': return Kind::float16;
      case '?': return Kind::uint8;
      case 'b': case 'h': case 'i': case 'l': case 'q': return whole(Kind::int8, std::size_t(view_.itemsize));
      case 'B': case 'H': case 'I': case 'L': case 'Q': return whole(Kind::uint8, std::size_t(view_.itemsize));
      default: return Kind::none;
    }
  }

  Py_buffer view_{};
};

}  // namespace amiss
