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

// The memory of a Python object for as long as a call lasts; it fits if the object is an array of real numbers.
class Buffer {
 public:
  Buffer(nb::handle object, bool writes) {
    if (object.is_none()) return;
    given_ = true;
    const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writes ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) PyErr_Clear();
    else held_ = true;
  }
  ~Buffer() {
    if (held_) PyBuffer_Release(&view_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  bool given() const { return given_; }
  bool held() const { return held_; }
  const Py_buffer& view() const { return view_; }

  Kind kind() const {
    const char* format = view_.format;
    if (!format[0] || format[1]) return Kind::none;  // another byte order, a complex number, a structure
    switch (format[0]) {
      case 'f': return Kind::float32;
      case 'd': return Kind::float64;
      case 'e': return Kind::float16;
      case '?': return Kind::uint8;
      case 'b': case 'h': case 'i': case 'l': case 'q': return whole(Kind::int8);
      case 'B': case 'H': case 'I': case 'L': case 'Q': return whole(Kind::uint8);
      default: return Kind::none;
    }
  }

  Shape shape() const { return {view_.ndim, view_.shape}; }

  // The array itself; none if it is of another shape.
  Operand operand(const Shape& wanted) const {
    if (!held_ || view_.ndim > Operand::most || !(shape() == wanted)) return {};
    return checked({view_.buf, kind(), view_.ndim, view_.shape, view_.strides});
  }

  // The array broadcast to a shape: over the axes after its own, or those where its length is 1.
  Operand broadcast(const Shape& wanted) const {
    const int rank = wanted.rank, own = view_.ndim;
    if (!held_ || rank > Operand::most || own > rank) return {};
    std::ptrdiff_t steps[Operand::most];
    for (int axis = 0; axis < rank; ++axis) {
      const bool same = axis < own && view_.shape[axis] == wanted.lengths[axis];
      if (axis < own && !same && !(own == rank && view_.shape[axis] == 1)) return {};
      steps[axis] = same ? view_.strides[axis] : 0;
    }
    return checked({view_.buf, kind(), rank, wanted.lengths, steps});
  }

 private:
  Kind whole(Kind smallest) const {
    int wider = 0;
    while (view_.itemsize >> (wider + 1)) ++wider;
    return Kind(int(smallest) + wider);
  }
  static Operand checked(Operand operand) { return operand && operand.is_aligned() ? operand : Operand{}; }

  Py_buffer view_{};
  bool given_ = false, held_ = false;
};

}  // namespace amiss
