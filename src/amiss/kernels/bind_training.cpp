// What a network's training needs beside its loss, for Python.

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "buffer.h"
#include "gather.h"
#include "operand.h"
#include "pool.h"
#include "products.h"
#include "table.h"

namespace amiss {

// One step of an optimiser. Returns whether it was done: the arrays are contiguous and of one dtype.
bool update(const std::string& name, const std::vector<nb::object>& given, const std::vector<double>& numbers,
            std::size_t threads) {
  const Update* end = table().updates + table().update_count;
  const Update* found = std::find_if(table().updates, end, [&](const Update& u) { return name == u.name; });
  if (found == end || int(given.size()) != found->arrays || int(numbers.size()) != found->numbers)
    throw std::invalid_argument("no update is called " + name + " with so many arrays and numbers");
  std::vector<std::unique_ptr<Buffer>> buffers;
  for (std::size_t i = 0; i < given.size(); ++i) buffers.push_back(std::make_unique<Buffer>(given[i], i != 1));
  const Buffer& first = *buffers[0];
  if (!first.held()) return false;
  const std::size_t n = first.shape().size();
  const auto run = [&](auto loop, auto* sample) {
    using T = std::remove_pointer_t<decltype(sample)>;
    std::vector<T*> arrays;
    for (const auto& buffer : buffers) {
      const Operand operand = buffer->operand(first.shape());
      if (!operand.is_plain<T>()) return false;
      arrays.push_back(operand.at<T>(0));
    }
    const auto work = [&](std::size_t i) {
      loop(i * block, std::min(block, n - i * block), numbers.data(), arrays.data());
    };
    // Steps come far apart, so that threads that sleep would have to be woken up each time.
    constexpr std::size_t alone = 64 * block;
    nb::gil_scoped_release released;
    Pool::of_process().run((n + block - 1) / block, n < alone && !Pool::kept_awake() ? 1 : threads, work);
    return true;
  };
  if (first.kind() == Kind::float32) return run(found->single, static_cast<float*>(nullptr));
  if (first.kind() == Kind::float64) return run(found->twice, static_cast<double*>(nullptr));
  return false;
}

// Writes scale * x[rows] to y. Returns whether it was done: both arrays are tables, and the rows are in them.
bool gather(nb::handle given, nb::ndarray<const std::int64_t, nb::c_contig, nb::device::cpu> rows, double scale, nb::handle out, std::size_t threads) {
  const Buffer x(given, false), y(out, true);
  if (!x.held() || !y.held() || x.view().ndim != 2 || y.view().ndim != 2) return false;
  const Kind from = x.kind(), to = y.kind();
  const std::ptrdiff_t n = x.view().shape[0], width = x.view().shape[1];
  const bool taken = from == Kind::uint8 || from == Kind::float32 || from == Kind::float64;
  if (!taken || (to != Kind::float32 && to != Kind::float64)) return false;
  if (y.view().shape[0] != std::ptrdiff_t(rows.size()) || y.view().shape[1] != width) return false;
  if (!PyBuffer_IsContiguous(&x.view(), 'C') || !PyBuffer_IsContiguous(&y.view(), 'C')) return false;
  const std::int64_t* row = rows.data();
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (row[i] < 0 || row[i] >= n) return false;
  const Rows from_rows{static_cast<char*>(x.view().buf), from, std::size_t(width)};
  const Rows to_rows{static_cast<char*>(y.view().buf), to, std::size_t(width)};
  nb::gil_scoped_release released;
  if (to == Kind::float32)
    gather_rows(table().convert_single, from_rows, row, rows.size(), scale, to_rows, threads);
  else
    gather_rows(table().convert_twice, from_rows, row, rows.size(), scale, to_rows, threads);
  return true;
}

const Activation& activation_of(const std::string& name) {
  const Activation* end = table().activations + table().activation_count;
  const Activation* found = std::find_if(table().activations, end, [&](const Activation& a) { return name == a.name; });
  if (found == end) throw std::invalid_argument("no activation is called " + name);
  return *found;
}

// z = f(z + b), b or None; returns whether it was done: the arrays are contiguous and of one dtype.
bool activate(const std::string& name, nb::handle given, nb::handle added) {
  const Activation& activation = activation_of(name);
  const Buffer z(given, true), b(added, false);
  if (!z.held() || z.view().ndim != 2) return false;
  const Shape table_shape = z.shape(), row{1, table_shape.lengths + 1};
  const Operand numbers = z.operand(table_shape), bias = b.held() ? b.operand(row) : Operand{};
  const auto run = [&](auto forward, auto* sample) {
    using T = std::remove_pointer_t<decltype(sample)>;
    if (!numbers.is_plain<T>() || (b.given() && !bias.is_plain<T>())) return false;
    forward(std::size_t(row.lengths[-1]), std::size_t(row.lengths[0]), b.given() ? bias.at<T>(0) : nullptr,
            numbers.at<T>(0));
    return true;
  };
  if (z.kind() == Kind::float32) return run(activation.forward_single, static_cast<float*>(nullptr));
  return run(activation.forward_twice, static_cast<double*>(nullptr));
}

// out = dL/dz, sum = its sum over the rows or None; returns whether it was done.
bool pull(const std::string& name, nb::handle delta, nb::handle activated, nb::handle out, nb::handle sum) {
  const Activation& activation = activation_of(name);
  const Buffer d(delta, false), a(activated, false), o(out, true), s(sum, true);
  if (!d.held() || d.view().ndim != 2) return false;
  const Shape all = d.shape(), row{1, all.lengths + 1};
  const Operand from = d.operand(all), at = a.operand(all), to = o.operand(all), total = s.held() ? s.operand(row) : Operand{};
  const auto run = [&](auto backward, auto* sample) {
    using T = std::remove_pointer_t<decltype(sample)>;
    for (const Operand* operand : {&from, &at, &to})
      if (!operand->is_plain<T>()) return false;
    if (s.given() && !total.is_plain<T>()) return false;
    backward(std::size_t(all.lengths[0]), std::size_t(all.lengths[1]), from.at<T>(0), at.at<T>(0), to.at<T>(0),
             s.given() ? total.at<T>(0) : nullptr);
    return true;
  };
  if (d.kind() == Kind::float32) return run(activation.backward_single, static_cast<float*>(nullptr));
  return run(activation.backward_twice, static_cast<double*>(nullptr));
}

// The matrix in a buffer; none if neither its rows nor its columns are contiguous.
template <class T> std::optional<Matrix<T>> matrix_of(const Buffer& buffer) {
  if (!buffer.held() || buffer.view().ndim != 2 || buffer.kind() != kind_of<T>) return {};
  const Py_ssize_t *shape = buffer.view().shape, *steps = buffer.view().strides, size = sizeof(T);
  for (const bool by_columns : {false, true}) {
    const Py_ssize_t near = steps[by_columns ? 0 : 1], far = steps[by_columns ? 1 : 0];
    const Py_ssize_t length = shape[by_columns ? 0 : 1];
    if (near == size && far % size == 0 && far >= length * size)
      return Matrix<T>{static_cast<T*>(buffer.view().buf), shape[0], shape[1], far / size, by_columns};
  }
  return {};
}

// out = a b, or out += a b. Returns whether it was done.
template <class T>
bool multiply_by(const Gemm& gemm, const Buffer& a, const Buffer& b, const Buffer& out, bool adds, std::size_t threads) {
  const auto left = matrix_of<T>(a), right = matrix_of<T>(b), result = matrix_of<T>(out);
  if (!left || !right || !result || result->by_columns || !left->columns) return false;
  if (left->columns != right->rows || result->rows != left->rows || result->columns != right->columns) return false;
  nb::gil_scoped_release released;
  return multiply<T>(gemm, *left, *right, *result, adds, threads);
}

bool product(std::uintptr_t sgemm, std::uintptr_t dgemm, bool is_long, nb::handle a, nb::handle b, nb::handle out,
             bool adds, std::size_t threads) {
  const Buffer left(a, false), right(b, false), result(out, true);
  if (!result.held()) return false;
  return result.kind() == Kind::float32 ? multiply_by<float>({sgemm, is_long}, left, right, result, adds, threads)
                                        : multiply_by<double>({dgemm, is_long}, left, right, result, adds, threads);
}

void bind_training(nb::module_& m) {
  m.def("update", &update);
  m.def("gather", &gather);
  m.def("activate", &activate, nb::arg("name"), nb::arg("z"), nb::arg("bias").none());
  m.def("pull", &pull, nb::arg("name"), nb::arg("delta"), nb::arg("a"), nb::arg("out"), nb::arg("sum").none());
  m.def("product", &product);
  m.def("keep_awake", &Pool::keep_awake);
}

}  // namespace amiss
