// Rows of a table gathered into a batch, converted and scaled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "operand.h"
#include "pool.h"
#include "table.h"

namespace amiss {

// A table of numbers of some kind, one row after the other.
struct Rows {
  char* data;
  Kind kind;
  std::size_t width;

  char* at(std::size_t row, std::size_t column) const {
    return data + (row * width + column) * std::size_t(size_of(kind));
  }
};

// Writes scale * x[row] for each row to y, part of the columns.
template <class T>
void gather_columns(Converter<T> convert, const Rows& x, const std::int64_t* row, std::size_t rows, double scale,
                    const Rows& y, std::size_t first, std::size_t last) {
  constexpr std::size_t ahead = 8, line = 64;
  for (std::size_t i = 0; i < rows; ++i) {
    if (i + ahead < rows) {  // the rows lie anywhere in memory: nobody else could know where
      const char* next = x.at(std::size_t(row[i + ahead]), first);
      const char* end = x.at(std::size_t(row[i + ahead]), last);
      for (; next < end; next += line) __builtin_prefetch(next);
    }
    convert(last - first, x.at(std::size_t(row[i]), first), x.kind, scale, reinterpret_cast<T*>(y.at(i, first)));
  }
}

// The same for all columns. Threads that are awake share them.
template <class T>
void gather_rows(Converter<T> convert, const Rows& x, const std::int64_t* row, std::size_t rows, double scale,
                 const Rows& y, std::size_t threads) {
  constexpr std::size_t least = 4096;  // numbers of a part
  const std::size_t most = std::max<std::size_t>(1, rows * x.width / least);
  const std::size_t parts = Pool::kept_awake() ? std::min(threads, most) : 1;
  const auto cut = [&](std::size_t part) { return part == parts ? x.width : x.width * part / parts / 16 * 16; };
  Pool::of_process().run(parts, threads, [&](std::size_t part) {
    gather_columns(convert, x, row, rows, scale, y, cut(part), cut(part + 1));
  });
}

}  // namespace amiss
