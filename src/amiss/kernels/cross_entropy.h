// Softmax cross-entropy of rows of logits with class indices.
//
// The largest logit's term stays out of the sum `rest` and counts as 1, so that a confident, right row keeps all
// its digits: its value is log1p(rest) and its probability falls short of 1 by rest / (1 + rest).
#pragma once

#include <cmath>
#include <vector>

#include "softmax_few_classes.h"
#include "softmax_row.h"

namespace AMISS_NAMESPACE {

// How the classes of a row count: each with `even` times its weight, and the label with `more` besides.
template <class T> struct Shares {
  const T* weight;
  std::size_t label;
  double more, even;
  amiss::Sum weights;

  Shares(const amiss::RowTask<T>& task, std::size_t label)
      : weight(task.class_weight), label(label),
        more(double(T(1) - task.smoothing) * (weight ? double(weight[label]) : 1.0)),
        even(double(task.smoothing / T(task.classes))), weights(task.class_sum) {}

  double weight_of(std::size_t i) const { return weight ? double(weight[i]) : 1.0; }
  double of(std::size_t i) const { return even * weight_of(i) + (i == label ? more : 0.0); }
  double of_all() const { return more + even * weights.high; }

  // Of all others than class i: nothing cancels, also where one class has nearly everything.
  double of_others(std::size_t i) const {
    return even * ((weights.high - weight_of(i)) + weights.low) + (i == label ? 0.0 : more);
  }

  // The gradient in the logit of class i, given its part of a sum of exponentials and that of all others.
  double slope(std::size_t i, double term, double others, double sum) const {
    return of_others(i) * (term / sum) - of(i) * (others / sum);
  }
};

// exp(z - top), the rounding error of the difference put back to first order.
template <class T> inline T below(T z, T top) {
  if (z == top) return T(1);
  const T gap = z - top, back = gap - z;
  const T error = (z - (gap - back)) - (top + back), plain = exp(gap);
  return select(abs(error) < T(1), plain + plain * error, plain);
}

// A row with infinite logits or NaN, one number after the other.
template <class T> double careful_row(const amiss::RowTask<T>& task, const T* z, std::int64_t label, T factor, T* e) {
  const std::size_t k = task.classes;
  const Shares<T> shares(task, std::size_t(label));
  const auto gap_of = [](T x, T top) { return x == top ? 0.0 : double(top) - double(x); };
  T top = z[0];
  for (std::size_t i = 1; i < k; ++i) top = maximum(top, z[i]);
  amiss::Sum sum;
  double ties = 0.0;
  for (std::size_t i = 0; i < k; ++i) {
    if (z[i] == top) ties += 1.0;
    else sum.add(double(below(z[i], top)));
  }
  const double rest = sum.total() + (top != top ? ties : ties - 1.0), whole = 1.0 + rest, log_whole = log1p(rest);
  amiss::Sum parts;
  for (std::size_t i = 0; i < k; ++i)
    if (const double share = shares.of(i); share != 0.0) parts.add(share * (log_whole + gap_of(z[i], top)));
  for (std::size_t i = 0; e && i < k; ++i) {
    const double term = double(below(z[i], top)), others = z[i] == top ? rest : whole - term;
    e[i] = T(shares.slope(i, term, others, whole) * double(factor));
  }
  return parts.total();
}

// What the segments of a row are together.
struct Whole {
  double top, rest;
  std::size_t part;  // a segment where the largest logit is

  bool plain() const { return top - top == 0.0 && rest - rest == 0.0; }
};

inline Whole joined(const amiss::RowPart* parts, std::size_t count) {
  std::size_t first = 0;
  for (std::size_t i = 1; i < count; ++i)
    if (parts[i].top > parts[first].top) first = i;
  const double top = parts[first].top;
  if (count == 1) return {top, parts[0].rest, 0};
  amiss::Sum sum;
  for (std::size_t i = 0; i < count; ++i) {
    const double root = below(parts[i].top * 0.5, top * 0.5);  // the exponential alone may be subnormal
    sum.add((root * parts[i].rest) * root);
    if (i != first) sum.add(root * root);
  }
  return {top, sum.total(), first};
}

template <class T> struct Row {
  const T* z;
  T* e;
  std::int64_t label;
  T weight;
  bool left_out, bad;

  Row(const amiss::RowTask<T>& task, std::size_t row)
      : z(task.prediction + row * task.classes), e(task.gradient ? task.gradient + row * task.classes : nullptr),
        label(task.label[row]), weight(task.weight ? task.weight[row] : T(1)),
        left_out(weight == T(0) || (task.ignores && label == task.ignored)),
        bad(!left_out && (label < 0 || label >= std::int64_t(task.classes))) {}

  bool silent() const { return left_out || bad; }
};

template <class T> void write_value(const amiss::RowTask<T>& task, std::size_t row, double weight, double value, amiss::Sum& total) {
  if (task.value) task.value[row] = T(weight * value);
  if (task.sums) total.add((weight * task.shrink) * value);
}

// First step of a segment: its exponentials.
template <class T> void measure_part(const amiss::RowTask<T>& task, std::size_t index, std::size_t part, amiss::RowPart& out) {
  const Row<T> row(task, index);
  if (row.silent()) return;
  const amiss::Segments segments(task.classes);
  const std::size_t start = segments.start(part), n = segments.size(part);
  out = row.e ? measure<T, true>(row.z + start, row.e + start, n) : measure<T, false>(row.z + start, nullptr, n);
}

// Second step, for the whole row: its value, and what the last step multiplies each segment by.
template <class T>
bool join_parts(const amiss::RowTask<T>& task, std::size_t index, amiss::RowPart* parts, amiss::Sum& total) {
  const Row<T> row(task, index);
  const amiss::Segments segments(task.classes);
  const std::size_t k = task.classes, count = segments.count;
  if (row.silent()) {
    if (task.value) task.value[index] = T(0);
    for (std::size_t i = 0; i < count; ++i) parts[i].done = true;
    if (row.e) std::fill(row.e, row.e + k, T(0));
    return !row.bad;
  }
  const Whole whole = joined(parts, count);
  const Shares<T> shares(task, std::size_t(row.label));
  const bool values = task.value || task.sums;
  const double far = values && shares.even != 0.0 ? gaps<T>(row.z, k, T(whole.top), task.class_weight) : 0.0;
  const T factor = row.weight * task.factor;
  if (!whole.plain() || far - far != 0.0) {
    const double value = careful_row(task, row.z, row.label, factor, row.e);
    for (std::size_t i = 0; i < count; ++i) parts[i].done = true;
    if (values) write_value(task, index, double(row.weight), value, total);
    return true;
  }
  const double sum = 1.0 + whole.rest;
  if (values) {
    const double log_sum = log1p(whole.rest), gap = whole.top - double(row.z[row.label]);
    const double own = shares.more == 0.0 ? 0.0 : shares.more * (log_sum + gap);
    const double value = own + shares.even * (shares.weights.high * log_sum + far);
    write_value(task, index, double(row.weight), value, total);
  }
  if (!row.e) return true;
  // The label and the largest class, whose terms may cancel, are computed apart.
  const auto exact_at = [&](std::size_t i, bool is_top) {
    const amiss::RowPart& part = parts[segments.of(i)];
    const double term = is_top ? 1.0 : double(row.e[i]) / part.term * below(part.top, whole.top);
    return shares.slope(i, term, is_top ? whole.rest : sum - term, sum) * double(factor);
  };
  for (std::size_t i = 0; i < count; ++i) {
    amiss::RowPart& part = parts[i];
    part.done = false;
    part.slope = shares.of_all() * double(factor) * below(part.top, whole.top) / (part.term / lifted * sum);
    part.even = shares.even * double(factor);
    part.patches = 0;
  }
  const auto patch = [&](std::size_t i, double gradient) {
    amiss::RowPart& part = parts[segments.of(i)];
    part.patch_at[part.patches] = i;
    part.patch[part.patches++] = gradient;
  };
  patch(std::size_t(row.label), exact_at(std::size_t(row.label), double(row.z[row.label]) == whole.top));
  if (shares.even != 0.0) {
    const std::size_t at = std::find(row.z + segments.start(whole.part) + parts[whole.part].near, row.z + k, T(whole.top)) - row.z;
    if (at != std::size_t(row.label)) patch(at, exact_at(at, true));
  }
  return true;
}

// Last step of a segment: its gradient.
template <class T> void finish_part(const amiss::RowTask<T>& task, std::size_t index, std::size_t number, const amiss::RowPart& part) {
  if (part.done || !task.gradient) return;
  const amiss::Segments segments(task.classes);
  const std::size_t start = segments.start(number), n = segments.size(number);
  T* e = task.gradient + index * task.classes;
  finish<T>(e + start, n, part.slope, T(part.even), task.class_weight ? task.class_weight + start : nullptr);
  for (int i = 0; i < part.patches; ++i) e[part.patch_at[i]] = T(part.patch[i]);
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
  double top[lanes], term[lanes], rest[lanes], sum[lanes], far[lanes];
  double logit[lanes], grown[lanes];  // of the label
  double value[lanes], slope[lanes], label_slope[lanes];
};

template <class T>
__attribute__((noinline)) void gather(const SixteenRows<T>& __restrict rows, Sixteen& __restrict to) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const double others = double(rows.others[l]) + double(rows.lost[l]);
    to.top[l] = double(rows.top[l]);
    to.term[l] = double(rows.term[l]);
    to.far[l] = double(rows.far[l]);
    to.rest[l] = others / double(rows.term[l]) + (double(rows.ties[l]) - 1.0);
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
    const double term = select(is_top, 1.0, rows.grown[l] / rows.term[l]), sum = rows.sum[l];
    const double others = select(is_top, rows.rest[l], sum - term), factor = asked.factor[l];
    rows.slope[l] = (asked.of_label[l] + asked.of_others[l]) * factor / (rows.term[l] * (1.0 / lifted) * sum);
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
  SixteenRows<T> measured;
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
    for (std::size_t i = 0; i < count; ++i) finish_part(task, row, i, parts[i]);
  }
  return fine;
}

template <class T> constexpr amiss::RowSteps<T> row_steps = {measure_part<T>, join_parts<T>, finish_part<T>};

}  // namespace AMISS_NAMESPACE
