// Softmax cross-entropy of whole tables of rows, spread over threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <vector>

#include "elementwise.h"
#include "operand.h"
#include "pool.h"
#include "table.h"

namespace amiss {

// What a caller gives: a table of logits, a class index for each row or a table of probabilities, and what is written.
struct RowArrays {
  std::size_t rows, classes;
  Operand prediction, target, weight, value, gradient;

  bool soft() const { return target.kind() < Kind::int8; }  // the targets are probabilities

  bool fit() const {
    if (!target || !rows || !classes || (gradient && gradient.kind() != prediction.kind())) return false;
    for (const Operand* out : {&value, &gradient})
      for (const Operand* in : {&prediction, &target, &weight, &value, &gradient})
        if (*out && *in && out != in && out->overlaps(*in)) return false;
    return true;
  }
};

// The options of a loss in the precision of the computation.
template <class T> struct SoftmaxOptions {
  std::vector<T> class_weight;  // one per class, or empty
  Sum class_sum;
  std::optional<std::int64_t> ignored;
  T smoothing;

  SoftmaxOptions(const std::optional<std::vector<double>>& weights, std::optional<std::int64_t> ignored, double smoothing)
      : ignored(ignored), smoothing(T(smoothing)) {
    if (!weights) return;
    class_weight.assign(weights->begin(), weights->end());
    for (T weight : class_weight) class_sum.add(double(weight));
    const double total = class_sum.total();
    class_sum = {total, class_sum.low - (total - class_sum.high)};
  }

  // What the mean is divided by: the weights of all rows that count; nothing if a label is no class.
  std::optional<double> divisor(std::size_t rows, std::size_t classes, const std::int64_t* label, const T* weight) const {
    if (!ignored && class_weight.empty() && !weight) return double(rows);
    Sum sum;
    for (std::size_t i = 0; i < rows; ++i) {
      const double own = weight ? double(weight[i]) : 1.0;
      if (own == 0.0 || (ignored && label[i] == *ignored)) continue;
      if (label[i] < 0 || std::size_t(label[i]) >= classes) return {};
      sum.add(class_weight.empty() ? own : own * double(class_weight[std::size_t(label[i])]));
    }
    return sum.total();
  }

  // The same where targets are probabilities; nothing if a row weighs what its classes do, each as much as it is
  // probable: who adds that up for the caller rounds in another order.
  std::optional<double> divisor_of_soft(std::size_t rows, const T* weight) const {
    if (!class_weight.empty()) return {};
    if (!weight) return double(rows);
    Sum sum;
    for (std::size_t i = 0; i < rows; ++i) sum.add(double(weight[i]));
    return sum.total();
  }
};

// An operand as a dense array of T: where it lies, or else in memory of its own.
template <class T> class Dense {
 public:
  Dense(const Operand& operand, std::size_t n, Kind kind) : operand_(operand), n_(n) {
    if (!operand) return;
    own_ = operand.kind() != kind || !operand.is_dense();
    if (own_) room_.resize(n);
    data_ = own_ ? room_.data() : operand.at<T>(0);
  }
  const T* read() {
    if (own_) operand_.read(0, n_, data_);
    return data_;
  }
  T* data() { return data_; }
  void write() {
    if (own_) operand_.write(0, n_, data_);
  }

 private:
  const Operand& operand_;
  std::size_t n_;
  std::vector<T> room_;
  T* data_ = nullptr;
  bool own_ = false;
};

// Adds up in the order of the parts, whoever computed them.
inline double in_order(const std::vector<Sum>& parts) {
  Sum sum;
  for (const Sum& part : parts) sum.add(part);
  return sum.total();
}

// Whether several threads have to share a row, so that all of them have something to do.
inline bool shared_rows(std::size_t rows, std::size_t threads, std::size_t classes) {
  return threads > 1 && rows < 4 * threads && rows % threads != 0 && Segments(classes).count > 1;
}

// Softmax cross-entropy of all rows, several rows at a time; returns the sum of their values.
template <class T>
double by_rows(RowKernel<T> kernel, const RowTask<T>& task, std::size_t rows, std::size_t threads, bool& inside) {
  // Few classes are computed for sixteen rows at a time.
  std::size_t step = std::max<std::size_t>(1, 4 * block / task.classes);
  if (step > 16) step = step / 16 * 16;
  const std::size_t blocks = (rows + step - 1) / step;
  std::vector<Sum> sums(blocks);
  std::atomic<bool> fine{true};
  const std::size_t logits = rows * task.classes;
  const auto some = [&](std::size_t i) {
    if (!kernel(task, i * step, std::min(step, rows - i * step), sums[i])) fine = false;
  };
  Pool::of_process().run(blocks, logits <= blocks_alone * block ? 1 : threads, some, logits <= blocks_short * block);
  inside = fine;
  return in_order(sums);
}

// The same, all segments of all rows at a time.
template <class T>
double by_segments(const RowSteps<T>& steps, const RowTask<T>& task, std::size_t rows, std::size_t threads, bool& inside) {
  const std::size_t count = Segments(task.classes).count;
  std::vector<RowPart> parts(rows * count);
  std::vector<Sum> sums(rows);
  std::atomic<bool> fine{true};
  Pool& pool = Pool::of_process();
  pool.run(rows * count, threads, [&](std::size_t i) { steps.measure(task, i / count, i % count, parts[i]); });
  pool.run(rows, threads, [&](std::size_t row) {
    if (!steps.join(task, row, &parts[row * count], sums[row])) fine = false;
  });
  if (task.gradient)
    pool.run(rows * count, threads, [&](std::size_t i) { steps.finish(task, i / count, i % count, parts[i]); });
  inside = fine;
  return in_order(sums);
}

// Divides by `divisor`; if it is 0, by the weights of the rows. Nothing where the kernel does not serve: a label
// is no class, or there is nothing to divide by.
template <class T>
std::optional<double> evaluate_rows(const SoftmaxOptions<T>& options, RowKernel<T> kernel, const RowSteps<T>& steps,
                                    int wanted, double divisor, const RowArrays& arrays, std::size_t threads) {
  const std::size_t rows = arrays.rows, classes = arrays.classes;
  if (!options.class_weight.empty() && options.class_weight.size() != classes) return {};
  const Kind kind = kind_of<T>;
  const Operand none, &label_operand = arrays.soft() ? none : arrays.target, &soft_operand = arrays.soft() ? arrays.target : none;
  Dense<std::int64_t> labels(label_operand, rows, Kind::int64);
  Dense<T> logits(arrays.prediction, rows * classes, kind), weights(arrays.weight, rows, kind);
  Dense<T> targets(soft_operand, rows * classes, kind);
  Dense<T> value(arrays.value, rows, kind), gradient(arrays.gradient, rows * classes, kind);
  const std::int64_t* label = labels.read();
  const T *weight = weights.read(), *target = targets.read();
  if (weight && !std::all_of(weight, weight + rows, [](T w) { return std::isfinite(w); })) return {};
  if (divisor == 0.0) {
    const std::optional<double> all = target ? options.divisor_of_soft(rows, weight)
                                             : options.divisor(rows, classes, label, weight);
    if (!all || *all == 0.0 || !std::isfinite(*all)) return {};
    divisor = *all;
  }
  const bool weighs = !options.class_weight.empty();
  RowTask<T> task{classes, logits.read(), label, target, weight, weighs ? options.class_weight.data() : nullptr,
                  weighs ? options.class_sum : Sum{double(classes), 0.0}, options.ignored.has_value(),
                  options.ignored.value_or(0), options.smoothing, T(1.0 / divisor), (wanted & wants_sum) != 0, 1.0,
                  value.data(), gradient.data()};
  bool inside = true;
  const auto pass = [&] {
    return !target && shared_rows(rows, threads, classes) ? by_segments(steps, task, rows, threads, inside)
                                               : by_rows(kernel, task, rows, threads, inside);
  };
  double sum = pass();
  if (!inside) return {};
  if (task.sums && !std::isfinite(sum)) {
    task.shrink = 0x1p-60;  // the sum may have overflowed where the mean does not
    sum = pass();
  }
  value.write();
  gradient.write();
  return double(T(sum / divisor / task.shrink));
}

}  // namespace amiss
