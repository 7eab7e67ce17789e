// Softmax cross-entropy of rows of logits with rows of probabilities as targets.
//
// With the share s of each class, its target smoothed and times its weight, the value is the sum of s times the gap
// to the largest logit, plus the sum of s times log1p(rest); the gradient is softmax times the sum of s, less s. What
// multiplies the gradient comes last: where its two terms nearly cancel, a mean is still the sum over the divisor.
#pragma once

#include "cross_entropy.h"

namespace AMISS_NAMESPACE {

// How much a class counts, given its target; N is a number or a register of them.
template <class T> struct Share {
  T kept, even;

  explicit Share(const amiss::RowTask<T>& task)
      : kept(T(1) - task.smoothing), even(task.smoothing / T(task.classes)) {}

  template <class N, class W> AMISS_INLINE N of(N target, W weight) const { return weight * (target * kept + even); }
};

// A row, its shares added up.
struct SharedRow {
  double top, rest, far;
  amiss::Sum shares;
  bool fine;  // all targets are probabilities, and no logit needs a closer look

  AMISS_INLINE double value() const { return (shares.high + shares.low) * log1p(rest) + far; }

  // The gradient in the largest logit, whose two terms may cancel.
  AMISS_INLINE double slope_of_top(double share) const {
    return (((shares.high - share) + shares.low) - share * rest) / (1.0 + rest);
  }
};

// Where a number is infinite or NaN this is not 0.
AMISS_INLINE double strangeness(double top, double rest, double far) {
  return (top - top) + (rest - rest) + (far - far);
}

// Adds a register of shares and their gaps up; returns which targets are no probabilities.
template <class T> struct SoftSums {
  LaneSum<T> shares, far;
  RegisterBits<T> wrong = {};

  AMISS_INLINE void add(std::size_t part, Numbers<T> target, Numbers<T> share, Numbers<T> gap, RegisterBits<T> fresh) {
    wrong |= ~((RegisterBits<T>)(target >= T(0)) & (RegisterBits<T>)(target <= T(1)));
    const Numbers<T> cost = share == T(0) ? Numbers<T>{} : share * gap;
    shares.add(part, (Numbers<T>)((RegisterBits<T>)share & fresh));
    far.add(part, (Numbers<T>)((RegisterBits<T>)cost & fresh));
  }
};

template <class T> AMISS_INLINE bool any_set(RegisterBits<T> bits) {
  Unsigned<T> found = 0;
  for (std::size_t l = 0; l < Register<T>::width; ++l) found |= bits[l];
  return found != 0;
}

// --- many classes: one row at a time

template <class T> SharedRow share_row(const amiss::RowTask<T>& task, const T* z, const T* t, const amiss::RowPart& part) {
  const Share<T> share(task);
  const T top = T(part.top), *c = task.class_weight;
  SoftSums<T> sums;
  const std::size_t whole = task.classes / lanes * lanes;
  each_of_tail<T>(0, whole, [&](std::size_t i, std::size_t p, RegisterBits<T> fresh) {
    const Numbers<T> target = load<T>(t + i), weight = c ? load<T>(c + i) : all<T>(T(1));
    sums.add(p, target, share.of(target, weight), top - load<T>(z + i), fresh);
  });
  SharedRow row{part.top, part.rest, sums.far.total(), sums.shares.sum(), !any_set<T>(sums.wrong)};
  for (std::size_t i = whole; i < task.classes; ++i) {
    const T own = share.of(t[i], c ? c[i] : T(1));
    row.fine &= t[i] >= T(0) && t[i] <= T(1);
    row.shares.add(double(own));
    if (own != T(0)) row.far += double(own) * (part.top - double(z[i]));
  }
  row.fine &= strangeness(row.top, row.rest, row.far) == 0.0;
  return row;
}

template <class T>
__attribute__((noinline)) void finish_soft(const amiss::RowTask<T>& task, const SharedRow& row, double factor,
                                           const T* __restrict t, T* __restrict e) {
  const Share<T> share(task);
  const double slope = row.shares.total() / (1.0 + row.rest);
  const T times = T(first_factor(slope)), then = T(second_factor(slope)), f = T(factor);
  const T* __restrict c = task.class_weight;
  if (c)
    for (std::size_t i = 0; i < task.classes; ++i) e[i] = ((e[i] * times) * then - share.of(t[i], c[i])) * f;
  else
    for (std::size_t i = 0; i < task.classes; ++i) e[i] = ((e[i] * times) * then - share.of(t[i], T(1))) * f;
}

template <class T> bool soft_row_of_many(const amiss::RowTask<T>& task, std::size_t index, amiss::Sum& total) {
  const std::size_t k = task.classes;
  const T *z = task.prediction + index * k, *t = task.target + index * k;
  T* e = task.gradient ? task.gradient + index * k : nullptr;
  const amiss::RowPart part = e ? measure<T, true>(z, e, k) : measure<T, false>(z, nullptr, k);
  const SharedRow row = share_row(task, z, t, part);
  if (!row.fine) return false;
  const T weight = task.weight ? task.weight[index] : T(1);
  write_value(task, index, double(weight), row.value(), total);
  if (!e) return true;
  const double factor = double(weight * task.factor);
  finish_soft(task, row, factor, t, e);
  const std::size_t at = std::size_t(std::find(z + part.near, z + k, T(part.top)) - z);
  const double share = double(Share<T>(task).of(t[at], task.class_weight ? task.class_weight[at] : T(1)));
  e[at] = T(row.slope_of_top(share) * factor);
  return true;
}

// --- few classes: sixteen rows at a time, turned

// The shares of sixteen rows, added up, with the rounding errors.
template <class T> struct SixteenShares {
  T shares[lanes], shares_lost[lanes], far[lanes], far_lost[lanes];
};

// Replaces turned targets by their shares, and adds them up; returns whether all are probabilities.
template <class T>
bool share_turned(const amiss::RowTask<T>& task, const T* z, const T* top, T* t, SixteenShares<T>& out) {
  const Share<T> share(task);
  bool fine = true;
  for (std::size_t first = 0; first < lanes; first += Register<T>::width) {
    SoftSums<T> sums;
    const Numbers<T> highest = load<T>(top + first);
    for (std::size_t i = 0; i < task.classes; ++i) {
      T* at = t + i * lanes + first;
      const Numbers<T> target = load<T>(at);
      const Numbers<T> own = share.of(target, all<T>(task.class_weight ? task.class_weight[i] : T(1)));
      sums.add(0, target, own, highest - load<T>(z + i * lanes + first), ~RegisterBits<T>{});
      store<T>(at, own);
    }
    store<T>(out.shares + first, sums.shares.high[0]);
    store<T>(out.shares_lost + first, sums.shares.low[0]);
    store<T>(out.far + first, sums.far.high[0]);
    store<T>(out.far_lost + first, sums.far.low[0]);
    fine &= !any_set<T>(sums.wrong);
  }
  return fine;
}

// The numbers of sixteen rows, each in an array of its own so that the loops over them are vectorised.
template <class T> struct SoftSixteen {
  double weight[lanes], factor[lanes], value[lanes], slope_of_top[lanes], strange[lanes];
  T slope[lanes], then[lanes], scale[lanes];
};

template <class T>
__attribute__((noinline)) void find_soft(const SixteenRows<T>& __restrict rows, const SixteenShares<T>& __restrict shares,
                                         const T* __restrict share_of_top, SoftSixteen<T>& __restrict to) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const double others = double(rows.others[l]) + double(rows.lost[l]);
    const SharedRow row{double(rows.top[l]), others / lifted + (double(rows.ties[l]) - 1.0),
                        double(shares.far[l]) + double(shares.far_lost[l]),
                        {double(shares.shares[l]), double(shares.shares_lost[l])}, true};
    to.strange[l] = strangeness(row.top, row.rest, row.far);
    to.value[l] = row.value();
    to.slope_of_top[l] = row.slope_of_top(double(share_of_top[l])) * to.factor[l];
    const double slope = (row.shares.high + row.shares.low) / (1.0 + row.rest);
    to.slope[l] = T(first_factor(slope));
    to.then[l] = T(second_factor(slope));
    to.scale[l] = T(to.factor[l]);
  }
}

template <class T>
void finish_turned_soft(T* e, std::size_t k, const T* slope, const T* then, const T* factor, const T* shares) {
  for (std::size_t part = 0; part < lanes; part += Register<T>::width) {
    const Numbers<T> times = load<T>(slope + part), down = load<T>(then + part), f = load<T>(factor + part);
    for (std::size_t i = part; i < k * lanes; i += lanes)
      store<T>(e + i, ((load<T>(e + i) * times) * down - load<T>(shares + i)) * f);
  }
}

template <class T>
bool sixteen_soft_rows(const amiss::RowTask<T>& task, std::size_t first, std::size_t count, LaneSum<double>& total) {
  const std::size_t k = task.classes;
  T z[few_classes * lanes], e[few_classes * lanes], t[few_classes * lanes], given[few_classes * lanes];
  const auto turned = [&](const T* from, T* to) {
    if (count < lanes) {
      std::fill(std::copy(from, from + count * k, given), given + lanes * k, T(0));
      from = given;
    }
    turn(from, k, to);
  };
  turned(task.prediction + first * k, z);
  turned(task.target + first * k, t);
  std::copy(z, z + k * lanes, e);
  SixteenRows<T> measured = {};
  measure_turned<T>(e, k, false, nullptr, measured);
  SixteenShares<T> shares;
  if (!share_turned(task, z, measured.top, t, shares)) return false;

  std::size_t place[lanes] = {};  // of the first of the largest logits
  T share_of_top[lanes];
  for (std::size_t i = k; i-- > 0;)
    for (std::size_t l = 0; l < lanes; ++l) place[l] = z[i * lanes + l] == measured.top[l] ? i : place[l];
  SoftSixteen<T> rows;
  for (std::size_t l = 0; l < lanes; ++l) {
    const T weight = l >= count ? T(0) : task.weight ? task.weight[first + l] : T(1);
    share_of_top[l] = t[place[l] * lanes + l];
    rows.weight[l] = double(weight);
    rows.factor[l] = double(weight * task.factor);
  }
  find_soft(measured, shares, share_of_top, rows);
  double strange = 0.0;
  for (std::size_t l = 0; l < lanes; ++l) strange += rows.strange[l];
  if (strange != 0.0) return false;

  double shrunk[lanes];
  for (std::size_t l = 0; l < lanes; ++l) shrunk[l] = (rows.weight[l] * task.shrink) * rows.value[l];
  for (std::size_t p = 0; task.sums && p < total.parts; ++p)
    total.add(p, load<double>(shrunk + p * Register<double>::width));
  for (std::size_t l = 0; task.value && l < count; ++l) task.value[first + l] = T(rows.weight[l] * rows.value[l]);
  if (!task.gradient) return true;

  finish_turned_soft<T>(e, k, rows.slope, rows.then, rows.scale, t);
  for (std::size_t l = 0; l < lanes; ++l) e[place[l] * lanes + l] = T(rows.slope_of_top[l]);
  T* to = count < lanes ? given : task.gradient + first * k;
  turn_back(e, k, to);
  if (count < lanes) std::copy(given, given + count * k, task.gradient + first * k);
  return true;
}

// Returns false where somebody else has to look: a target is no probability, or a logit is infinite or NaN.
template <class T>
bool soft_cross_entropy(const amiss::RowTask<T>& task, std::size_t start, std::size_t n, amiss::Sum& total) {
  bool fine = true;
  if (task.classes <= few_classes) {
    LaneSum<double> sum;
    for (std::size_t i = 0; fine && i < n; i += lanes)
      fine = sixteen_soft_rows(task, start + i, std::min(lanes, n - i), sum);
    total.add(sum.sum());
  } else {
    for (std::size_t row = start; fine && row < start + n; ++row) fine = soft_row_of_many(task, row, total);
  }
  return fine;
}

}  // namespace AMISS_NAMESPACE
