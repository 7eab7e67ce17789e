// Stores that go to memory past the cache: for outputs so large that nobody would find them there again.
//
// A common store first reads the line that it overwrites. For a loss with two inputs and one output these are four
// numbers that move for three.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace amiss {

constexpr std::size_t streamed_bytes = std::size_t(1) << 25;  // from so many on; no core's own cache holds as many

inline bool can_stream() {
#if defined(__SSE2__)
  return true;
#else
  return false;
#endif
}

// Copies numbers; they are seen by other threads after the next lock or atomic operation, as with any store.
template <class T> void stream(const T* from, std::size_t n, T* to) {
#if defined(__SSE2__)
  constexpr std::size_t width = sizeof(__m128i) / sizeof(T);
  const std::size_t before = std::min(n, (0 - reinterpret_cast<std::uintptr_t>(to)) % sizeof(__m128i) / sizeof(T));
  std::copy(from, from + before, to);
  std::size_t i = before;
  for (; i + width <= n; i += width) {
    __m128i x;
    std::memcpy(&x, from + i, sizeof x);
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), x);
  }
  std::copy(from + i, from + n, to + i);
  _mm_sfence();
#else
  std::copy(from, from + n, to);
#endif
}

}  // namespace amiss
