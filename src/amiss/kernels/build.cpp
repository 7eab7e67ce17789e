// Every kernel, compiled once for each instruction set: the build sets AMISS_NAMESPACE and the flags.

#include "passes.h"

#include "activations.h"
#include "soft_targets.h"
#include "training.h"

namespace AMISS_NAMESPACE {

// Carefully, one vector at a time.
template <class F, class S> void map(std::size_t n, const S* x, S* y) {
  using T = Vector<S>;
  for (std::size_t i = 0; i < n; i += T::lanes) {
    S padded[T::lanes] = {};
    const std::size_t count = std::min(T::lanes, n - i);
    std::copy(x + i, x + i + count, padded);
    Zone<T, false> ordinary;
    T result = F::of(T::load(padded), ordinary);
    if (any(ordinary.rare)) {
      Zone<T, true> careful;
      result = F::of(T::load(padded), careful);
    }
    result.store(padded);
    std::copy(padded, padded + count, y + i);
  }
}

const amiss::NamedFunction functions[] = {
#define AMISS_FUNCTION(Name) {#Name, map<function_##Name, float>, map<function_##Name, double>},
    AMISS_FUNCTIONS(AMISS_FUNCTION)
};

constexpr const char* instruction_set() {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__)
  return "AVX2";
#elif defined(__aarch64__)
  return "NEON";
#else
  return "generic";
#endif
}

extern const amiss::Table table;
const amiss::Table table = {instruction_set(),     entries,
                            sizeof entries / sizeof *entries,
                            cross_entropy<float>,  cross_entropy<double>,
                            soft_cross_entropy<float>, soft_cross_entropy<double>,
                            row_steps<float>,      row_steps<double>,
                            total<float>,          total<double>,
                            functions,             sizeof functions / sizeof *functions,
                            updates,               sizeof updates / sizeof *updates,
                            activations,           sizeof activations / sizeof *activations,
                            convert_row<float>,    convert_row<double>};

}  // namespace AMISS_NAMESPACE
