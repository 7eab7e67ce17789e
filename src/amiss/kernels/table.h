// What a build for one instruction set offers: a table of kernels by name.
#pragma once

#include <cstddef>
#include <cstdint>

// What every build includes must leave no function behind: the linker keeps one copy for all of them, which
// may hold instructions that this machine has not.
#define AMISS_ALWAYS_INLINE inline __attribute__((always_inline))

namespace amiss {

// Numbers of dtypes, which Python knows too.
enum class Kind {
  none, float16, bfloat16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64
};

constexpr std::size_t block = 4096;  // entries that one call of a kernel handles: a few arrays fit the L1 cache

enum Wanted { wants_value = 1, wants_gradient = 2, wants_hessian = 4, wants_sum = 8 };

// A sum with the rounding errors that were made on the way. Beside an infinite sum the errors mean nothing.
struct Sum {
  double high = 0.0, low = 0.0;

  AMISS_ALWAYS_INLINE double total() const { return high - high == 0.0 ? high + low : high; }

  AMISS_ALWAYS_INLINE void add(double x) {
    const double s = high + x, back = s - high;
    low += (high - (s - back)) + (x - back);
    high = s;
  }
  AMISS_ALWAYS_INLINE void add(const Sum& other) {
    add(other.high);
    low += other.low;
  }
};

template <class T> struct Task {
  const double* parameters;
  int wanted;
  const T* prediction;
  const T* target;
  const T* weight;  // one per entry, or null
  T factor;         // multiplies gradient and Hessian
  double shrink;    // multiplies what is summed, so that neither the sum nor weight * value overflows
  T* value;
  T* gradient;
  T* hessian;
  bool far;         // whether entries come from memory, and not from a cache
};

// Handles entries [start, start + n) and adds to the sum; returns whether all of them lie in their domains.
template <class T>
using Kernel = bool (*)(const Task<T>& task, std::size_t start, std::size_t n, Sum& sum);

struct Entry {
  const char* name;
  int parameters;
  bool cheap;  // a handful of operations an entry: memory is what it waits for
  Kernel<float> single;
  Kernel<double> twice;
};

template <class T> struct RowTask {
  std::size_t classes;
  const T* prediction;
  const std::int64_t* label;   // class indices, or null
  const T* target;             // rows of probabilities, or null
  const T* weight;             // one per row, or null
  const T* class_weight;       // one per class, or null
  Sum class_sum;               // of the class weights, or of ones; high is all but the error
  bool ignores;
  std::int64_t ignored;
  T smoothing;
  T factor;                    // multiplies the gradient
  bool sums;                   // whether the values are added up
  double shrink;               // multiplies what is summed, so that the sum does not overflow
  T* value;                    // one per row, or null
  T* gradient;                 // one row per row, or null
};

// A row of many classes is cut into segments, so that several threads may share it: by its length alone, so that
// it makes no difference whether they do. The last segment takes what is left, from half to one and a half.
struct Segments {
  static constexpr std::size_t length = 16384;
  std::size_t classes, count;

  explicit Segments(std::size_t k) : classes(k), count(k < length ? 1 : (k + length / 2) / length) {}
  std::size_t start(std::size_t i) const { return i * length; }
  std::size_t size(std::size_t i) const { return (i + 1 < count ? start(i + 1) : classes) - start(i); }
  std::size_t of(std::size_t place) const { return place / length < count ? place / length : count - 1; }
};

// What is known of a segment of a row.
struct RowPart {
  double top;         // its largest logit
  std::size_t near;   // the place where the chunk with it starts
  double rest;        // the sum of the exponentials of the other logits over that of the largest
  bool done;          // nothing is left to do
  double slope, even;
  int patches;        // numbers that replace those at some places of the row
  std::size_t patch_at[2];
  double patch[2];
};

// Softmax cross-entropy of rows [start, start + n), added to the sum; returns whether all labels are classes, or
// all targets probabilities.
template <class T>
using RowKernel = bool (*)(const RowTask<T>& task, std::size_t start, std::size_t n, Sum& sum);

// The same for one row in three steps, of which the first and the last take one segment.
template <class T> struct RowSteps {
  void (*measure)(const RowTask<T>& task, std::size_t row, std::size_t segment, RowPart& part);
  bool (*join)(const RowTask<T>& task, std::size_t row, RowPart* parts, Sum& sum);
  void (*finish)(const RowTask<T>& task, std::size_t row, std::size_t segment, const RowPart& part);
};

// Adds the numbers of an array, each times `shrink`, to the sum.
template <class T> using Adder = void (*)(const T* x, std::size_t n, double shrink, Sum& sum);

// One elementary function on an array: what the tests measure.
template <class T> using Function = void (*)(std::size_t n, const T* x, T* y);

struct NamedFunction {
  const char* name;
  Function<float> single;
  Function<double> twice;
};

// Changes entries [start, start + n) of parameters and memories; the second array is the gradient.
template <class T>
using UpdateLoop = void (*)(std::size_t start, std::size_t n, const double* numbers, T* const* arrays);

struct Update {
  const char* name;
  int arrays, numbers;
  UpdateLoop<float> single;
  UpdateLoop<double> twice;
};

// z = f(z + b) in rows, where b may be null.
template <class T> using Activate = void (*)(std::size_t rows, std::size_t width, const T* b, T* z);

// From delta = dL/da to dL/dz, and its sum over the rows unless `sum` is null.
template <class T>
using Pull = void (*)(std::size_t rows, std::size_t width, const T* delta, const T* a, T* out, T* sum);

struct Activation {
  const char* name;
  Activate<float> forward_single;
  Activate<double> forward_twice;
  Pull<float> backward_single;
  Pull<double> backward_twice;
};

// Converts a row of n numbers, of 8 bits or floating-point, and multiplies it by a scale.
template <class T> using Converter = void (*)(std::size_t n, const void* x, Kind kind, double scale, T* y);

struct Table {
  const char* instruction_set;
  const Entry* entries;
  std::size_t count;
  RowKernel<float> cross_entropy_single;
  RowKernel<double> cross_entropy_twice;
  RowKernel<float> soft_cross_entropy_single;
  RowKernel<double> soft_cross_entropy_twice;
  RowSteps<float> row_steps_single;
  RowSteps<double> row_steps_twice;
  Adder<float> total_single;
  Adder<double> total_twice;
  const NamedFunction* functions;
  std::size_t function_count;
  const Update* updates;
  std::size_t update_count;
  const Activation* activations;
  std::size_t activation_count;
  Converter<float> convert_single;
  Converter<double> convert_twice;
};

const Table& table();  // that of this machine; defined in bind.cpp

}  // namespace amiss
