// What a step of training needs beside the loss: rows gathered into a batch, and the updates of optimisers.
#pragma once

#include "table.h"

namespace AMISS_NAMESPACE {

#define AMISS_UPDATE(Name) {#Name, update_##Name::arrays, update_##Name::numbers, update_##Name::call<float>, update_##Name::call<double>},
const amiss::Update updates[] = {AMISS_UPDATES(AMISS_UPDATE)};

// y = scale * x
template <class S, class T> void convert(std::size_t n, const void* x, T scale, T* __restrict y) {
  const S* __restrict from = static_cast<const S*>(x);
  for (std::size_t i = 0; i < n; ++i) y[i] = T(from[i]) * scale;
}

template <class T> void convert_row(std::size_t n, const void* x, amiss::Kind kind, double scale, T* y) {
  using amiss::Kind;
  switch (kind) {
    case Kind::uint8: return convert<std::uint8_t>(n, x, T(scale), y);
    case Kind::float32: return convert<float>(n, x, T(scale), y);
    case Kind::float64: return convert<double>(n, x, T(scale), y);
    default: __builtin_unreachable();  // the caller knows what is taken
  }
}

}  // namespace AMISS_NAMESPACE
