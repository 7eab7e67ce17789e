// Matrix products: BLAS computes pieces of them, one thread each, and the pool's threads share the pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "pool.h"

namespace amiss {

// The gemm of CBLAS, with whole numbers of 32 or 64 bits.
template <class T, class Int>
using Cblas = void (*)(int order, int a_transposed, int b_transposed, Int m, Int n, Int k, T alpha, const T* a, Int lda,
                       const T* b, Int ldb, T beta, T* c, Int ldc);

// A matrix whose rows or columns are contiguous; `stride` is the distance between two of them.
template <class T> struct Matrix {
  T* data;
  std::ptrdiff_t rows, columns, stride;
  bool by_columns;

  T* at(std::ptrdiff_t row, std::ptrdiff_t column) const {
    return data + (by_columns ? row + column * stride : row * stride + column);
  }
  Matrix part(std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t height, std::ptrdiff_t width) const {
    return {at(row, column), height, width, stride, by_columns};
  }
  const T* end() const { return data + ((by_columns ? columns : rows) - 1) * stride + (by_columns ? rows : columns); }
  bool overlaps(const Matrix& other) const { return data < other.end() && other.data < end(); }
  bool fits(std::ptrdiff_t most) const { return rows <= most && columns <= most && stride <= most; }
};

// A function of BLAS, which computes c = a b + before * c.
struct Gemm {
  std::uintptr_t address;
  bool is_long;  // whether its whole numbers have 64 bits

  std::ptrdiff_t most() const {
    return is_long ? std::numeric_limits<std::ptrdiff_t>::max() : std::numeric_limits<std::int32_t>::max();
  }
  template <class T> void operator()(const Matrix<T>& a, const Matrix<T>& b, T before, const Matrix<T>& c) const {
    is_long ? call<std::int64_t>(a, b, before, c) : call<std::int32_t>(a, b, before, c);
  }

 private:
  template <class Int, class T> void call(const Matrix<T>& a, const Matrix<T>& b, T before, const Matrix<T>& c) const {
    constexpr int by_rows = 101, plain = 111, transposed = 112;
    reinterpret_cast<Cblas<T, Int>>(address)(
        by_rows, a.by_columns ? transposed : plain, b.by_columns ? transposed : plain, Int(c.rows), Int(c.columns),
        Int(a.columns), T(1), a.data, Int(a.stride), b.data, Int(b.stride), before, c.data, Int(c.stride));
  }
};

// How a product of m by k by n is cut, by its shape alone, so that its bits do not depend on how many threads there
// are: what the pieces read and write together is the least. Pieces along k are added up. BLAS copies the operands of
// a larger product before it starts, so that pieces are few; of a million multiplications it does not.
struct Grid {
  static constexpr double least = 1e6;  // multiplications of a product that is worth it

  struct Axis {
    std::ptrdiff_t size, count = 1, length;  // of the whole; how many pieces, and how long

    Axis(std::ptrdiff_t n, int parts) : size(n), length(n) {
      if (parts == 1) return;
      length = ((n + parts - 1) / parts + 15) / 16 * 16;
      count = std::max<std::ptrdiff_t>(1, (n + length - 1) / length);
    }
    std::ptrdiff_t start(std::ptrdiff_t i) const { return i * length; }
    std::ptrdiff_t at(std::ptrdiff_t i) const { return std::min(length, size - start(i)); }
  };
  Axis m, n, k;

  Grid(std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t depth) : m(rows, 1), n(columns, 1), k(depth, 1) {
    const double size = double(rows) * double(columns) * double(depth);
    const int pieces = size < least ? 1 : size < 4 * least ? 4 : size < 30 * least ? 2 : size < 300 * least ? 4 : 16;
    double best = std::numeric_limits<double>::infinity();
    for (int down = 1; down <= pieces; down *= 2)
      for (int across = 1; down * across <= pieces; across *= 2) {
        const int deep = pieces / down / across;
        const double read = double(rows) * double(depth) * across + double(depth) * double(columns) * down;
        const double moved = read + double(rows) * double(columns) * (deep == 1 ? 1.0 : 2.0 * deep);
        if (moved >= best) continue;
        best = moved;
        m = Axis(rows, down), n = Axis(columns, across), k = Axis(depth, deep);
      }
  }

  std::size_t count() const { return std::size_t(m.count * n.count * k.count); }
};

// Memory for the pieces that are added up. It is kept: memory that is new is slow.
template <class T> T* room(std::size_t n) {
  static thread_local std::vector<T> kept;
  if (kept.size() < n) kept.resize(n);
  return kept.data();
}

// c += parts, each as long as c's rows one after the other.
template <class T> void add_pieces(const Matrix<T>& c, const T* parts, std::ptrdiff_t count, std::size_t threads) {
  constexpr std::ptrdiff_t rows_alone = 16;
  const std::size_t blocks = std::size_t((c.rows + rows_alone - 1) / rows_alone);
  Pool::of_process().run(blocks, c.rows * c.columns < 8192 ? 1 : threads, [&](std::size_t block) {
    const std::ptrdiff_t first = std::ptrdiff_t(block) * rows_alone, last = std::min(first + rows_alone, c.rows);
    for (std::ptrdiff_t row = first; row < last; ++row) {
      T* __restrict to = c.at(row, 0);
      for (std::ptrdiff_t i = 0; i < count; ++i) {
        const T* __restrict from = parts + (i * c.rows + row) * c.columns;
        for (std::ptrdiff_t j = 0; j < c.columns; ++j) to[j] += from[j];
      }
    }
  });
}

// c = a b, or c += a b; false if it is too small, too large for BLAS, or in the memory of a or b.
template <class T>
bool multiply(const Gemm& gemm, const Matrix<T>& a, const Matrix<T>& b, const Matrix<T>& c, bool adds,
              std::size_t threads) {
  const Grid grid(c.rows, c.columns, a.columns);
  const std::ptrdiff_t most = gemm.most();
  if (grid.count() <= 1 || c.overlaps(a) || c.overlaps(b) || !a.fits(most) || !b.fits(most) || !c.fits(most))
    return false;
  const std::ptrdiff_t more = grid.k.count - 1, size = c.rows * c.columns;
  T* parts = more ? room<T>(std::size_t(more * size)) : nullptr;
  Pool::of_process().run(grid.count(), threads, [&](std::size_t piece) {
    const std::ptrdiff_t i = std::ptrdiff_t(piece), column = i % grid.n.count, row = i / grid.n.count % grid.m.count;
    const std::ptrdiff_t layer = i / grid.n.count / grid.m.count;
    const Matrix<T> whole = layer ? Matrix<T>{parts + (layer - 1) * size, c.rows, c.columns, c.columns, false} : c;
    const std::ptrdiff_t top = grid.m.start(row), left = grid.n.start(column), deep = grid.k.start(layer);
    const std::ptrdiff_t m = grid.m.at(row), n = grid.n.at(column), k = grid.k.at(layer);
    gemm(a.part(top, deep, m, k), b.part(deep, left, k, n), T(adds && !layer), whole.part(top, left, m, n));
  });
  if (more) add_pieces(c, parts, more, threads);
  return true;
}

}  // namespace amiss
