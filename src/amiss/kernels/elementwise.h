// One pass of an elementwise kernel over whole arrays: blocks of them are spread over threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

#include "operand.h"
#include "pool.h"
#include "stream.h"
#include "table.h"

namespace amiss {

// What a caller gives: inputs and outputs of n entries each. Those that are not there have no kind.
struct Arrays {
  std::size_t n;
  Operand prediction, target, weight, value, gradient, hessian;
  bool fresh;  // the outputs are our own, and nobody has written to their memory yet

  // Whether derivatives have the prediction's dtype, or single precision of our own choice, and nothing is written
  // over what is still to be read.
  bool outputs_fit() const {
    for (const Operand* out : {&gradient, &hessian})
      if (*out && out->kind() != prediction.kind() && !(fresh && out->kind() == Kind::float32)) return false;
    for (const Operand* out : {&value, &gradient, &hessian})
      for (const Operand* in : {&prediction, &target, &weight, &value, &gradient, &hessian})
        if (*out && *in && out != in && out->overlaps(*in)) return false;
    return true;
  }
};

// So many blocks a thread computes faster alone than with another one, of entries that cost about a nanosecond: if
// that is awake, and if it must be woken up first. Of cheap entries it is four times as many.
constexpr std::size_t blocks_alone = 1, blocks_short = 16;

// Runs work(i) for each block and adds up what these return, in the order of the blocks, whoever computed them.
template <class Work> Sum in_blocks(std::size_t blocks, bool cheap, std::size_t threads, const Work& work) {
  const std::size_t times = cheap ? 4 : 1;
  Sum sum;
  if (threads <= 1 || blocks <= times * blocks_alone) {
    for (std::size_t i = 0; i < blocks; ++i) {
      Sum part;
      work(i, part);
      sum.add(part);
    }
    return sum;
  }
  std::vector<Sum> parts(blocks);
  const bool is_short = blocks <= times * blocks_short;
  Pool::of_process().run(blocks, threads, [&](std::size_t i) { work(i, parts[i]); }, is_short);
  for (const Sum& part : parts) sum.add(part);
  return sum;
}

// A few blocks of numbers for each thread, for entries that kernels cannot read where they are.
template <class T> T* scratch(int place) {
  static thread_local std::unique_ptr<T[]> numbers;
  if (!numbers) numbers.reset(new T[6 * block]);
  return numbers.get() + std::size_t(place) * block;
}

// One block of an operand as a kernel sees it.
template <class T> class View {
 public:
  View(const Operand& operand, std::size_t start, std::size_t n, int place, bool streams = false)
      : operand_(operand), start_(start), n_(n) {
    if (!operand) return;
    plain_ = operand.is_plain<T>();
    streams_ = streams && plain_;
    data_ = plain_ && !streams_ ? operand.at<T>(start) : scratch<T>(place);
  }
  const T* read() {
    if (data_ && !plain_) operand_.read(start_, n_, data_);
    return data_;
  }
  T* data() { return data_; }
  void write() const {
    if (data_ && streams_) stream(data_, n_, operand_.at<T>(start_));
    else if (data_ && !plain_) operand_.write(start_, n_, data_);
  }

 private:
  const Operand& operand_;
  std::size_t start_, n_;
  T* data_ = nullptr;
  bool plain_ = true, streams_ = false;
};

template <class T> Kernel<T> kernel_of(const Entry& entry) {
  if constexpr (sizeof(T) == 8) return entry.twice;
  else return entry.single;
}

// Returns whether every entry lies in its domain.
template <class T>
bool pass(const Entry& entry, Task<T> task, const Arrays& arrays, std::size_t threads, Sum& total) {
  const Kernel<T> kernel = kernel_of<T>(entry);
  // Where there is more to compute, common stores cost nothing: they wait while that is done. Nor do they in fresh
  // memory: the system has just put zeros there, which are in the cache.
  const bool far = entry.cheap && arrays.n * sizeof(T) >= streamed_bytes, streams = far && can_stream() && !arrays.fresh;
  std::atomic<bool> inside{true};
  total = in_blocks((arrays.n + block - 1) / block, entry.cheap, threads, [&](std::size_t i, Sum& sum) {
    const std::size_t start = i * block, n = std::min(block, arrays.n - start);
    View<T> prediction(arrays.prediction, start, n, 0), target(arrays.target, start, n, 1);
    View<T> weight(arrays.weight, start, n, 2), value(arrays.value, start, n, 3, streams);
    View<T> gradient(arrays.gradient, start, n, 4, streams), hessian(arrays.hessian, start, n, 5, streams);
    Task<T> part = task;
    part.far = far;
    part.prediction = prediction.read();
    part.target = target.read();
    part.weight = weight.read();
    part.value = value.data();
    part.gradient = gradient.data();
    part.hessian = hessian.data();
    if (!kernel(part, 0, n, sum)) inside = false;
    value.write();
    gradient.write();
    hessian.write();
  });
  return inside;
}

// The sum of an array, times `shrink`, which keeps it finite where the numbers are large.
template <class T> double total(Adder<T> adder, const Operand& x, std::size_t n, double shrink, std::size_t threads) {
  return in_blocks((n + block - 1) / block, true, threads, [&](std::size_t i, Sum& sum) {
    const std::size_t start = i * block, count = std::min(block, n - start);
    adder(View<T>(x, start, count, 0).read(), count, shrink, sum);
  }).total();
}

struct Result {
  bool fits;     // whether the kernel serves: every entry in its domain, and something to divide by
  double value;  // the sum over the divisor, if one was asked for
};

// Divides by `divisor`; if it is 0, by the number of entries or the sum of their weights.
template <class T>
Result evaluate(const Entry& entry, Adder<T> adder, const double* parameters, int wanted, double divisor,
                const Arrays& arrays, std::size_t threads) {
  const bool mean = divisor == 0.0;
  const double all = arrays.weight ? total(adder, arrays.weight, arrays.n, 1.0, threads) : double(arrays.n);
  if (!std::isfinite(all)) return {false, 0.0};  // a weight is not a number, or they are very large
  if (mean) divisor = all;
  if (divisor == 0.0) return {false, 0.0};
  Task<T> task{parameters, wanted, nullptr, nullptr, nullptr, T(1.0 / divisor), 1.0, nullptr, nullptr, nullptr, false};
  Sum sum;
  if (!pass<T>(entry, task, arrays, threads, sum)) return {false, 0.0};
  double found = sum.total();
  if ((wanted & wants_sum) && !std::isfinite(found)) {
    // The sum may have overflowed where the mean does not: add up shrunk values instead.
    task.shrink = 0x1p-60;
    pass<T>(entry, task, arrays, threads, sum);
    found = sum.total();
  }
  return {true, double(T(found / divisor / task.shrink))};
}

}  // namespace amiss
