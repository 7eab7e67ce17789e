// Softmax cross-entropy of rows of logits with class indices.
//
// Rows with few classes come sixteen at a time, turned so that a register holds one class of several rows: nothing
// is added up across a register, and no lane is idle.
#pragma once

#include <vector>

#include "cross_entropy_row.h"

namespace AMISS_NAMESPACE {

constexpr std::size_t few_classes = 128;

// Sixteen rows turned: class i of row l at [i * lanes + l].
template <class T> AMISS_INLINE void turn(const T* __restrict rows, std::size_t k, T* __restrict turned) {
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t l = 0; l < lanes; ++l) turned[i * lanes + l] = rows[l * k + i];
}

template <class T> AMISS_INLINE void turn_back(const T* __restrict turned, std::size_t k, T* __restrict rows) {
  for (std::size_t l = 0; l < lanes; ++l)
    for (std::size_t i = 0; i < k; ++i) rows[l * k + i] = turned[i * lanes + l];
}

// What is known of sixteen rows.
template <class T> struct SixteenRows {
  T top[lanes];                   // the largest logit
  T others[lanes], lost[lanes];   // the sum of the smaller exponentials, with its rounding error
  T ties[lanes];                  // how many logits are the largest
  T far[lanes], far_lost[lanes];  // the weighted sum of how far the logits lie below the largest one
};

// The largest logits of sixteen turned rows; NaN is passed over.
template <class T> AMISS_INLINE Numbers<T> largest_of(const T* z, std::size_t k) {
  Numbers<T> best = all<T>(-std::numeric_limits<T>::infinity());
  for (std::size_t i = 0; i < k; ++i) best = larger<T>(load<T>(z + i * lanes), best);
  return best;
}

// The weighted sum of how far the logits of turned rows lie below the largest one.
template <class T>
AMISS_INLINE void add_gaps(const T* z, std::size_t k, Numbers<T> top, const T* c, T* far, T* far_lost) {
  Numbers<T> sum = {}, lost = {};
  for (std::size_t i = 0; i < k; ++i) {
    if (c && c[i] == T(0)) continue;
    const Numbers<T> gap = (top - load<T>(z + i * lanes)) * (c ? c[i] : T(1));
    const Numbers<T> whole = sum + gap, back = whole - sum;
    lost += (sum - (whole - back)) + (gap - back);
    sum = whole;
  }
  store<T>(far, sum);
  store<T>(far_lost, lost);
}

// Measures sixteen turned rows and replaces their logits by exponentials. Where the largest logit is not finite
// these are any numbers.
template <class T> void measure_turned(T* z, std::size_t k, bool measures_gaps, const T* c, SixteenRows<T>& out) {
  using V = Numbers<T>;
  for (std::size_t part = 0; part < lanes; part += Register<T>::width, z += Register<T>::width) {
    const V top = largest_of<T>(z, k);
    if (measures_gaps) add_gaps<T>(z, k, top, c, out.far + part, out.far_lost + part);
    V sum = {}, lost = {}, ties = {};
    const auto add = [&](V x) {
      const V whole = sum + x, back = whole - sum;
      lost += (sum - (whole - back)) + (x - back);
      sum = whole;
    };
    const auto grow = [&](std::size_t i) {
      const V given = load<T>(z + i * lanes), x = grown<T>(given, top);
      store<T>(z + i * lanes, x);
      ties += given == top ? all<T>(T(1)) : V{};
      return given == top ? V{} : x;
    };
    std::size_t i = 0;
    for (; i + 4 <= k; i += 4) add((grow(i) + grow(i + 1)) + (grow(i + 2) + grow(i + 3)));
    for (; i < k; ++i) add(grow(i));
    store<T>(out.top + part, top);
    store<T>(out.others + part, sum);
    store<T>(out.lost + part, lost);
    store<T>(out.ties + part, ties);
  }
}

// Multiplies the exponentials of turned rows; see `finish`.
template <class T>
void finish_turned(T* e, std::size_t k, const T* slope, const T* then, const T* even, bool has_even, const T* c) {
  for (std::size_t part = 0; part < lanes; part += Register<T>::width) {
    const Numbers<T> times = load<T>(slope + part), down = load<T>(then + part), less = load<T>(even + part);
    for (std::size_t i = 0; i < k; ++i) {
      T* at = e + i * lanes + part;
      const Numbers<T> x = (load<T>(at) * times) * down;
      store<T>(at, has_even ? x - less * (c ? c[i] : T(1)) : x);
    }
  }
}

// What is asked of sixteen rows: where the label is, and what counts how much.
struct Asked {
  std::size_t place[lanes];
  double counts[lanes];  // 1, or 0 for a row that is left out or has no label
  double weight[lanes], factor[lanes], more[lanes], of_label[lanes], of_others[lanes];
};

// Returns whether all labels are classes.
template <class T> bool ask(const amiss::RowTask<T>& task, std::size_t first, std::size_t count, Asked& asked) {
  bool fine = true;
  for (std::size_t l = 0; l < lanes; ++l) {
    const std::size_t row = first + (l < count ? l : 0);
    const std::int64_t label = task.label[row];
    const T weight = task.weight ? task.weight[row] : T(1);
    const bool left_out = (l >= count) | (weight == T(0)) | (task.ignores & (label == task.ignored));
    const bool inside = std::uint64_t(label) < task.classes;
    fine &= left_out | inside;
    asked.place[l] = left_out | !inside ? 0 : std::size_t(label);
    asked.counts[l] = left_out | !inside ? 0.0 : 1.0;
    asked.weight[l] = double(weight);
    asked.factor[l] = double(weight * task.factor);
  }
  Shares<T> shares(task, asked.place[0]);
  for (std::size_t l = 0; l < lanes; ++l) {
    if (task.class_weight) shares = Shares<T>(task, asked.place[l]);
    asked.more[l] = shares.more;
    asked.of_label[l] = shares.of(shares.label);
    asked.of_others[l] = shares.of_others(shares.label);
  }
  return fine;
}

// The numbers of sixteen rows, each in an array of its own so that the loops over them are vectorised.
struct Sixteen {
  double top[lanes], rest[lanes], sum[lanes], far[lanes];
  double logit[lanes], grown[lanes];  // of the label
  double value[lanes], slope[lanes], label_slope[lanes];
};

template <class T>
__attribute__((noinline)) void gather(const SixteenRows<T>& __restrict rows, Sixteen& __restrict to) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const double others = double(rows.others[l]) + double(rows.lost[l]);
    to.top[l] = double(rows.top[l]);
    to.far[l] = double(rows.far[l]) + double(rows.far_lost[l]);
    to.rest[l] = others / lifted + (double(rows.ties[l]) - 1.0);
    to.sum[l] = 1.0 + to.rest[l];
  }
}

inline __attribute__((noinline)) void find_values(const Asked& __restrict asked, double even, double weights,
                                                  Sixteen& __restrict rows) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const double log_sum = log1p(rows.rest[l]);
    const double alone = asked.more[l] * (log_sum + (rows.top[l] - rows.logit[l]));
    const double others = even * (weights * log_sum + rows.far[l]);
    rows.value[l] = select(asked.more[l] == 0.0, 0.0, alone) + select(even == 0.0, 0.0, others);
  }
}

inline __attribute__((noinline)) void find_slopes(const Asked& __restrict asked, Sixteen& __restrict rows) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const bool is_top = rows.logit[l] == rows.top[l];
    const double term = select(is_top, 1.0, rows.grown[l] / lifted), sum = rows.sum[l];
    const double others = select(is_top, rows.rest[l], sum - term), factor = asked.factor[l];
    rows.slope[l] = (asked.of_label[l] + asked.of_others[l]) * factor / sum;
    rows.label_slope[l] = (asked.of_others[l] * (term / sum) - asked.of_label[l] * (others / sum)) * factor;
  }
}

// Which rows have infinite logits or NaN; returns whether there are any.
inline __attribute__((noinline)) bool find_strange(const Asked& __restrict asked, const Sixteen& __restrict rows,
                                                   double* __restrict strange) {
  double any = 0.0;
  for (std::size_t l = 0; l < lanes; ++l) {
    const double size = (rows.top[l] - rows.top[l]) + (rows.rest[l] - rows.rest[l]) + (rows.far[l] - rows.far[l]);
    strange[l] = select(size == 0.0, 0.0, asked.counts[l]);
  }
  for (std::size_t l = 0; l < lanes; ++l) any += strange[l];
  return any != 0.0;
}

// Sixteen rows of few classes, or `count` of them.
template <class T>
bool sixteen_rows(const amiss::RowTask<T>& task, std::size_t first, std::size_t count, LaneSum<double>& total) {
  const std::size_t k = task.classes;
  const bool values = task.value || task.sums, smooth = task.smoothing != T(0);
  T turned[few_classes * lanes], given[few_classes * lanes];
  const T* z = task.prediction + first * k;
  if (count < lanes) {
    std::fill(std::copy(z, z + count * k, given), given + lanes * k, T(0));
    z = given;
  }
  turn(z, k, turned);
  SixteenRows<T> measured = {};
  measure_turned<T>(turned, k, values && smooth, task.class_weight, measured);
  Asked asked;
  const bool fine = ask(task, first, count, asked);
  Sixteen rows;
  gather(measured, rows);
  for (std::size_t l = 0; l < lanes; ++l) {
    rows.logit[l] = double(z[l * k + asked.place[l]]);
    rows.grown[l] = double(turned[asked.place[l] * lanes + l]);
  }
  double strange[lanes];
  const bool any_strange = find_strange(asked, rows, strange);
  const auto careful = [&](std::size_t l, T* e) {
    return careful_row(task, z + l * k, std::int64_t(asked.place[l]), T(asked.factor[l]), e);
  };
  const double even = Shares<T>(task, 0).even;

  if (values) {
    find_values(asked, even, task.class_sum.high, rows);
    for (std::size_t l = 0; any_strange && l < lanes; ++l)
      if (strange[l] != 0.0) rows.value[l] = careful(l, nullptr);
    double shrunk[lanes];
    for (std::size_t l = 0; l < lanes; ++l)
      shrunk[l] = select(asked.counts[l] == 0.0, 0.0, (asked.weight[l] * task.shrink) * rows.value[l]);
    for (std::size_t p = 0; task.sums && p < total.parts; ++p)
      total.add(p, load<double>(shrunk + p * Register<double>::width));
    for (std::size_t l = 0; task.value && l < count; ++l)
      task.value[first + l] = asked.counts[l] == 0.0 ? T(0) : T(asked.weight[l] * rows.value[l]);
  }
  if (!task.gradient) return fine;

  find_slopes(asked, rows);
  T slope[lanes], then[lanes], less[lanes];
  for (std::size_t l = 0; l < lanes; ++l) slope[l] = T(first_factor(rows.slope[l]));
  for (std::size_t l = 0; l < lanes; ++l) then[l] = T(second_factor(rows.slope[l]));
  for (std::size_t l = 0; l < lanes; ++l) less[l] = T(even * asked.factor[l]);
  finish_turned<T>(turned, k, slope, then, less, smooth, task.class_weight);
  T* e = task.gradient + first * k;
  T padded[few_classes * lanes];
  T* to = count < lanes ? padded : e;
  turn_back(turned, k, to);
  for (std::size_t l = 0; smooth && l < count; ++l) {  // the largest class, whose terms may cancel
    const std::size_t at = std::find(z + l * k, z + l * k + k, T(rows.top[l])) - (z + l * k);
    if (at == k) continue;  // NaN
    to[l * k + at] = T(Shares<T>(task, asked.place[l]).slope(at, 1.0, rows.rest[l], rows.sum[l]) * asked.factor[l]);
  }
  for (std::size_t l = 0; l < lanes; ++l) to[l * k + asked.place[l]] = T(rows.label_slope[l]);
  for (std::size_t l = 0; l < count; ++l)
    if (asked.counts[l] == 0.0) std::fill(to + l * k, to + l * k + k, T(0));
  for (std::size_t l = 0; any_strange && l < count; ++l)
    if (strange[l] != 0.0) careful(l, to + l * k);
  if (count < lanes) std::copy(padded, padded + count * k, e);
  return fine;
}

template <class T>
bool rows_of_few_classes(const amiss::RowTask<T>& task, std::size_t start, std::size_t n, amiss::Sum& total) {
  LaneSum<double> sum;
  bool fine = true;
  for (std::size_t i = 0; i < n; i += lanes) fine &= sixteen_rows(task, start + i, std::min(lanes, n - i), sum);
  total.add(sum.sum());
  return fine;
}

template <class T>
bool cross_entropy(const amiss::RowTask<T>& task, std::size_t start, std::size_t n, amiss::Sum& total) {
  if (task.classes <= few_classes) return rows_of_few_classes(task, start, n, total);
  const std::size_t count = amiss::Segments(task.classes).count;
  amiss::RowPart few[8];
  std::vector<amiss::RowPart> many(count > 8 ? count : 0);
  amiss::RowPart* parts = count > 8 ? many.data() : few;
  bool fine = true;
  for (std::size_t row = start; row < start + n; ++row) {
    for (std::size_t i = 0; i < count; ++i) measure_part(task, row, i, parts[i]);
    fine &= join_parts(task, row, parts, total);
    for (std::size_t i = count; i > 0; --i) finish_part(task, row, i - 1, parts[i - 1]);  // the last is in the cache
  }
  return fine;
}

}  // namespace AMISS_NAMESPACE
