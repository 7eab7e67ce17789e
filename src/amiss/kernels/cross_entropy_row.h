// Softmax cross-entropy of a row of logits with a class index, in three steps: each segment of the row is measured,
// the segments are joined, and each is finished.
//
// The largest logit's term stays out of the sum `rest` and counts as 1, so that a confident, right row keeps all
// its digits: its value is log1p(rest) and its probability falls short of 1 by rest / (1 + rest).
#pragma once

#include "softmax.h"

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
  return select(abs(error) < T(1), fma(plain, error, plain), plain);
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

template <class T>
void write_value(const amiss::RowTask<T>& task, std::size_t row, double weight, double value, amiss::Sum& total) {
  if (task.value) task.value[row] = T(weight * value);
  if (task.sums) total.add((weight * task.shrink) * value);
}

// First step of a segment: its exponentials.
template <class T>
void measure_part(const amiss::RowTask<T>& task, std::size_t index, std::size_t part, amiss::RowPart& out) {
  const Row<T> row(task, index);
  if (row.silent()) return;
  const amiss::Segments segments(task.classes);
  const std::size_t start = segments.start(part), n = segments.size(part);
  out = row.e ? measure<T, true>(row.z + start, row.e + start, n) : measure<T, false>(row.z + start, nullptr, n);
}

// What the last step does to each segment of a row with a gradient.
template <class T>
void plan_finish(const amiss::RowTask<T>& task, const Row<T>& row, const Whole& whole, amiss::RowPart* parts) {
  const amiss::Segments segments(task.classes);
  const Shares<T> shares(task, std::size_t(row.label));
  const double factor = double(row.weight * task.factor), sum = 1.0 + whole.rest;
  for (std::size_t i = 0; i < segments.count; ++i) {
    amiss::RowPart& part = parts[i];
    part.slope = shares.of_all() * factor * below(part.top, whole.top) / sum;
    part.even = shares.even * factor;
  }
  // The label and the largest class, whose terms may cancel, are computed apart.
  const auto apart = [&](std::size_t i, bool is_top) {
    amiss::RowPart& part = parts[segments.of(i)];
    const double term = is_top ? 1.0 : double(row.e[i]) / lifted * below(part.top, whole.top);
    part.patch_at[part.patches] = i;
    part.patch[part.patches++] = shares.slope(i, term, is_top ? whole.rest : sum - term, sum) * factor;
  };
  apart(std::size_t(row.label), double(row.z[row.label]) == whole.top);
  if (shares.even == 0.0) return;
  const T* near = row.z + segments.start(whole.part) + parts[whole.part].near;
  const std::size_t at = std::size_t(std::find(near, row.z + task.classes, T(whole.top)) - row.z);
  if (at != std::size_t(row.label)) apart(at, true);
}

// Second step, for the whole row: its value, and what is left to do. Returns whether its label is a class.
template <class T>
bool join_parts(const amiss::RowTask<T>& task, std::size_t index, amiss::RowPart* parts, amiss::Sum& total) {
  const Row<T> row(task, index);
  const std::size_t k = task.classes, count = amiss::Segments(k).count;
  const auto nothing_left = [&] {
    for (std::size_t i = 0; i < count; ++i) parts[i].done = true;
  };
  if (row.silent()) {
    if (task.value) task.value[index] = T(0);
    if (row.e) std::fill(row.e, row.e + k, T(0));
    nothing_left();
    return !row.bad;
  }
  const Whole whole = joined(parts, count);
  const Shares<T> shares(task, std::size_t(row.label));
  const bool values = task.value || task.sums;
  const double far = values && shares.even != 0.0 ? gaps<T>(row.z, k, T(whole.top), task.class_weight) : 0.0;
  double value = 0.0;
  if (whole.plain() && far - far == 0.0) {
    const double log_sum = values ? log1p(whole.rest) : 0.0, gap = whole.top - double(row.z[row.label]);
    const double alone = shares.more == 0.0 ? 0.0 : shares.more * (log_sum + gap);
    value = alone + shares.even * (shares.weights.high * log_sum + far);
    if (row.e) plan_finish(task, row, whole, parts);
  } else {
    value = careful_row(task, row.z, row.label, row.weight * task.factor, row.e);
    nothing_left();
  }
  if (values) write_value(task, index, double(row.weight), value, total);
  return true;
}

// Last step of a segment: its gradient.
template <class T>
void finish_part(const amiss::RowTask<T>& task, std::size_t index, std::size_t number, const amiss::RowPart& part) {
  if (part.done || !task.gradient) return;
  const amiss::Segments segments(task.classes);
  const std::size_t start = segments.start(number), n = segments.size(number);
  T* e = task.gradient + index * task.classes;
  finish<T>(e + start, n, part.slope, T(part.even), task.class_weight ? task.class_weight + start : nullptr);
  for (int i = 0; i < part.patches; ++i) e[part.patch_at[i]] = T(part.patch[i]);
}

template <class T> constexpr amiss::RowSteps<T> row_steps = {measure_part<T>, join_parts<T>, finish_part<T>};

}  // namespace AMISS_NAMESPACE
