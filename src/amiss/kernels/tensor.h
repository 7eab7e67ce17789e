// Tensors of a library that lends their memory by DLPack's functions in C, and new tensors of that library: in a tenth
// of the time that Python takes to ask for an address, and without the library's headers.
#pragma once

#include <cstdint>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "buffer.h"

namespace amiss {

// DLPack's table of functions, version 1. Those that return a number return 0 if all is well.
struct Exchange {
  using Lent = nb::dlpack::dltensor;

  std::uint32_t major, minor;
  void* older;
  int (*allocate)(Lent* like, void** owned, void* context, void (*failed)(void*, const char*, const char*));
  int (*export_owned)(void* object, void** owned);
  int (*to_object)(void* owned, void** object);
  int (*lend)(void* object, Lent* to);
  int (*stream)(std::int32_t device, std::int32_t id, void** to);

  // The table in the capsule of a type, or nothing if this is of another version.
  static const Exchange* of(nb::handle capsule) {
    const auto* table = static_cast<const Exchange*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    if (!table) throw nb::python_error();
    return table->major == 1 && table->allocate && table->to_object && table->lend ? table : nullptr;
  }

  // A new tensor on the CPU, of numbers that are not set; None if there is no memory for it.
  nb::object empty(nb::dlpack::dtype dtype, int rank, std::int64_t* shape) const {
    Lent like{nullptr, {cpu, 0}, rank, dtype, shape, nullptr, 0};
    void *owned = nullptr, *object = nullptr;
    const auto ignore = [](void*, const char*, const char*) {};
    if (allocate(&like, &owned, nullptr, ignore) == 0 && to_object(owned, &object) == 0)
      return nb::steal(static_cast<PyObject*>(object));
    PyErr_Clear();
    return nb::none();
  }

  static constexpr std::int32_t cpu = 1;
};

class Tensor : public Memory {
 public:
  Tensor(const Exchange& exchange, nb::handle object) {
    given_ = !object.is_none();
    if (!given_) return;
    if (exchange.lend(object.ptr(), &lent_) != 0) {
      PyErr_Clear();
      return;
    }
    held_ = lent_.device.device_type == Exchange::cpu && lent_.ndim <= Operand::most && lent_.data;
    if (!held_) return;
    data_ = static_cast<char*>(lent_.data) + lent_.byte_offset;
    kind_ = found(), rank_ = lent_.ndim, lengths_ = own_lengths_, steps_ = own_steps_;
    std::ptrdiff_t step = std::ptrdiff_t(size_of(kind_));
    for (int axis = rank_ - 1; axis >= 0; --axis) {
      own_lengths_[axis] = Py_ssize_t(lent_.shape[axis]);
      own_steps_[axis] = lent_.strides ? std::ptrdiff_t(lent_.strides[axis]) * std::ptrdiff_t(size_of(kind_)) : step;
      step *= own_lengths_[axis];
    }
  }

  const Exchange::Lent& lent() const { return lent_; }
  void* data() const { return data_; }

 private:
  Kind found() const {
    using Code = nb::dlpack::dtype_code;
    const std::size_t bytes = lent_.dtype.bits / 8u;
    if (lent_.dtype.lanes != 1) return Kind::none;
    switch (Code(lent_.dtype.code)) {
      case Code::Int: return whole(Kind::int8, bytes);
      case Code::UInt: return whole(Kind::uint8, bytes);
      case Code::Bool: return Kind::uint8;
      case Code::Bfloat: return Kind::bfloat16;
      case Code::Float: return bytes == 8 ? Kind::float64 : bytes == 4 ? Kind::float32 : Kind::float16;
      default: return Kind::none;
    }
  }

  Exchange::Lent lent_{};
  Py_ssize_t own_lengths_[Operand::most];
  std::ptrdiff_t own_steps_[Operand::most];
};

}  // namespace amiss
