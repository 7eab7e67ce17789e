// The elementary functions that generated kernels call, each exact about NaN and infinities.
#pragma once

#include <cmath>

namespace amiss {

using std::abs;
using std::exp;
using std::expm1;
using std::log;
using std::log1p;
using std::sqrt;

// NaN in either operand comes out, as in every array library.
template <class T> inline T maximum(T a, T b) { return a != a ? a : (a > b ? a : b); }
template <class T> inline T minimum(T a, T b) { return a != a ? a : (a < b ? a : b); }

template <class T> inline T sign(T x) { return x > T(0) ? T(1) : (x < T(0) ? T(-1) : x); }

}  // namespace amiss
