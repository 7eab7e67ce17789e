// Sums in sixteen lanes of doubles that carry their rounding errors: vectorised, and in an order that neither
// threads nor instruction sets change.
#pragma once

#include "table.h"
#include "vector.h"

namespace AMISS_NAMESPACE {

constexpr std::size_t sum_lanes = 16, sum_part = 512;  // entries whose floats are added up in plain doubles

class LaneSums {
  using Wide = Vector<double>;
  static constexpr std::size_t vectors = sum_lanes / Wide::lanes;
  Wide high[vectors], low[vectors];

  static AMISS_INLINE Wide wide(const double* x) { return Wide::load(x); }
  static AMISS_INLINE Wide wide(const float* x) {
    HalfRegisters halves;
    std::memcpy(&halves, x, sizeof halves);
    return widened(halves);
  }

  AMISS_INLINE void add(std::size_t v, Wide x) {
    const Wide s = high[v] + x, back = s - high[v];
    low[v] = low[v] + ((high[v] - (s - back)) + (x - back));
    high[v] = s;
  }

 public:
  AMISS_INLINE LaneSums() {
    for (std::size_t v = 0; v < vectors; ++v) high[v] = low[v] = Wide(0.0);
  }

  // Adds a multiple of sixteen numbers, at most sum_part.
  AMISS_INLINE void add(const double* x, std::size_t n) {
    for (std::size_t i = 0; i < n; i += sum_lanes)
      for (std::size_t v = 0; v < vectors; ++v) add(v, wide(x + i + v * Wide::lanes));
  }

  // So few floats lose nothing that counts in doubles: their sum is off by 2^-48 of the sum of their sizes.
  AMISS_INLINE void add(const float* x, std::size_t n) {
    Wide part[vectors];
    for (std::size_t v = 0; v < vectors; ++v) part[v] = Wide(0.0);
    std::size_t i = 0;
    for (; i + 4 * sum_lanes <= n; i += 4 * sum_lanes)
      for (std::size_t v = 0; v < vectors; ++v) {
        const float* at = x + i + v * Wide::lanes;
        const Wide one = wide(at) + wide(at + sum_lanes);
        const Wide two = wide(at + 2 * sum_lanes) + wide(at + 3 * sum_lanes);
        part[v] = part[v] + (one + two);
      }
    for (; i < n; i += sum_lanes)
      for (std::size_t v = 0; v < vectors; ++v) part[v] = part[v] + wide(x + i + v * Wide::lanes);
    for (std::size_t v = 0; v < vectors; ++v) add(v, part[v]);
  }

  // Beside an infinite sum its errors mean nothing.
  void join(amiss::Sum& sum) const {
    double tall[sum_lanes], short_[sum_lanes];
    for (std::size_t v = 0; v < vectors; ++v) {
      high[v].store(tall + v * Wide::lanes);
      low[v].store(short_ + v * Wide::lanes);
    }
    for (std::size_t l = 0; l < sum_lanes; ++l) {
      sum.add(tall[l]);
      sum.low += short_[l];
    }
  }
};

// Adds up numbers, each times `shrink`.
template <class T> void add_up(const T* x, std::size_t n, double shrink, amiss::Sum& sum) {
  LaneSums lanes;
  const std::size_t whole = n - n % sum_lanes;
  for (std::size_t i = 0; i < whole; i += sum_part) {
    const std::size_t count = whole - i < sum_part ? whole - i : sum_part;
    if (shrink == 1.0) {
      lanes.add(x + i, count);
      continue;
    }
    double shrunk[sum_part];
    for (std::size_t l = 0; l < count; ++l) shrunk[l] = double(x[i + l]) * shrink;
    lanes.add(shrunk, count);
  }
  lanes.join(sum);
  for (std::size_t i = whole; i < n; ++i) sum.add(double(x[i]) * shrink);
}

}  // namespace AMISS_NAMESPACE
