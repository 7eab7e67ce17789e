// Softmax cross-entropy of rows of logits with class indices: one exponential per logit.
//
// The largest logit's term is exactly 1 and stays out of the sum `rest`, so that a confident, right row keeps
// all its digits: its value is log1p(rest) and its probability falls short of 1 by rest / (1 + rest).
#pragma once

#include <vector>

#include "table.h"

namespace AMISS_NAMESPACE {

constexpr std::size_t row_lanes = 16;

template <class T> T largest(const T* __restrict z, std::size_t k) {
  T lane[row_lanes];
  for (std::size_t l = 0; l < row_lanes; ++l) lane[l] = z[l < k ? l : 0];
  std::size_t i = row_lanes;
  for (; i + row_lanes <= k; i += row_lanes)
    for (std::size_t l = 0; l < row_lanes; ++l) lane[l] = maximum(lane[l], z[i + l]);
  T top = lane[0];
  for (std::size_t l = 1; l < row_lanes; ++l) top = maximum(top, lane[l]);
  for (; i < k; ++i) top = maximum(top, z[i]);
  return top;
}

// exp(z - top), the rounding error of the difference put back to first order; 0 for the largest logits.
template <class T> AMISS_INLINE T below(T z, T top) {
  const T gap = z - top, back = gap - z;
  const T error = (z - (gap - back)) - (top + back);
  const T grown = exp(gap);
  const T fixed = select(abs(error) < T(1), grown + grown * error, grown);
  return select(z == top, T(0), fixed);
}

template <class T>
bool cross_entropy(const amiss::RowTask<T>& task, std::size_t start, std::size_t n, amiss::Sum& total) {
  const std::size_t k = task.classes;
  std::vector<T> scratch(task.gradient ? 0 : k);
  bool fine = true;
  for (std::size_t row = start; row < start + n; ++row) {
    const T* __restrict z = task.prediction + row * k;
    T* __restrict e = task.gradient ? task.gradient + row * k : scratch.data();
    const std::int64_t label = task.label[row];
    const T w = task.weight ? task.weight[row] : T(1);
    const bool left_out = w == T(0) || (task.ignores && label == task.ignored);
    if (left_out || label < 0 || label >= std::int64_t(k)) {
      fine &= left_out;
      if (task.value) task.value[row] = T(0);
      if (task.gradient)
        for (std::size_t i = 0; i < k; ++i) e[i] = T(0);
      continue;
    }
    const T top = largest(z, k);
    T ties = T(0);
    for (std::size_t i = 0; i < k; ++i) e[i] = below(z[i], top);
    for (std::size_t i = 0; i < k; ++i) ties += z[i] == top ? T(1) : T(0);
    amiss::Sum sum;
    add_up(e, k, 1.0, sum);
    const double rest = sum.total() + double(top != top ? ties : ties - T(1));
    const double whole = 1.0 + rest, log_whole = log1p(rest);

    const T* c = task.class_weight;
    const T even = task.smoothing / T(k), kept = T(1) - task.smoothing;
    const T own = (kept + even) * (c ? c[label] : T(1));
    if (task.value || task.sums) {
      amiss::Sum parts;
      parts.add(double(own) * (log_whole + (z[label] == top ? 0.0 : double(top) - double(z[label]))));
      if (task.smoothing != T(0))
        for (std::size_t i = 0; i < k; ++i) {
          const double share = std::int64_t(i) == label ? 0.0 : double(even * (c ? c[i] : T(1)));
          const double gap = z[i] == top ? 0.0 : double(top) - double(z[i]);
          parts.add(share == 0.0 ? 0.0 : share * (log_whole + gap));
        }
      const double value = parts.total();
      if (task.value) task.value[row] = T(double(w) * value);
      if (task.sums) total.add((double(w) * task.shrink) * value);
    }
    if (task.gradient) {
      const T factor = w * task.factor;
      const bool own_top = z[label] == top;
      const double own_rest = (own_top ? rest : whole - double(e[label])) / whole;
      if (task.smoothing == T(0)) {
        const T grow = T(double(own) * double(factor) / whole);
        if (ties > T(1) || !own_top)  // the largest terms are 1
          for (std::size_t i = 0; i < k; ++i) e[i] = z[i] == top ? T(1) : e[i];
        for (std::size_t i = 0; i < k; ++i) e[i] *= grow;
        e[label] = T(-double(own) * double(factor) * own_rest);
      } else {
        amiss::Sum shares;
        for (std::size_t i = 0; i < k; ++i)
          shares.add(double(std::int64_t(i) == label ? own : even * (c ? c[i] : T(1))));
        const double all = shares.total();
        for (std::size_t i = 0; i < k; ++i) {
          const double share = double(std::int64_t(i) == label ? own : even * (c ? c[i] : T(1)));
          const bool is_top = z[i] == top;
          const double term = is_top ? 1.0 : double(e[i]), others = is_top ? rest : whole - term;
          e[i] = T(((all - share) * (term / whole) - share * (others / whole)) * double(factor));
        }
      }
    }
  }
  return fine;
}

}  // namespace AMISS_NAMESPACE
