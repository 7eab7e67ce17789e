"""The kernels' elementary functions are right to about a unit in the last place, also at the extremes."""

import math
import subprocess
import sys

import mpmath
import numpy as np
import pytest

from amiss import kernels

ULP = {"exp": 1.0, "expm1": 1.6, "log": 1.0, "log1p": 1.0, "tanh": 2.5}
"""The worst error in units in the last place; measured: 0.82, 1.46, 0.78, 0.80, 2.21."""

DTYPES = (np.float64, np.float32)


def grid(name, dtype):
    generator = np.random.default_rng(5)
    largest = 709.0 if dtype == np.float64 else 88.0
    tiniest = -320 if dtype == np.float64 else -44
    draw = generator.uniform
    signed = draw(-1, 1, 400) * 10.0 ** draw(-20, 1, 400)
    ranges = {
        "exp": [draw(-largest, largest, 600), draw(-1, 1, 400), signed, draw(-largest - 40, -largest, 100)],
        "expm1": [draw(-60, largest, 600), draw(-2, 2, 400), signed],
        "log": [10.0 ** draw(tiniest, -tiniest - 12, 600), draw(0.4, 2.5, 400), 1 + signed / 100],
        "log1p": [
            10.0 ** draw(-20, 30, 600),
            draw(-0.999, 3, 400),
            np.abs(signed),
            -(10.0 ** draw(-15, -0.01, 200)),
        ],
        "tanh": [draw(-25, 25, 600), draw(-1, 1, 400), signed],
    }
    return np.concatenate(ranges[name]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ULP)
def test_error_is_below_the_stated_bound(name, dtype):
    x = grid(name, dtype)
    y = kernels.apply(name, x)
    with mpmath.workprec(300):
        for given, got in zip(x.tolist(), y.tolist(), strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(given))
            nearest = dtype(float(exact))
            unit = float(np.spacing(np.abs(nearest)))
            assert abs(mpmath.mpf(got) - exact) <= ULP[name] * unit, (name, given, got, nearest)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ULP)
def test_extremes_are_the_limits_of_the_mathematics(name, dtype):
    x = [math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 3e38, -3e38]
    expected = {
        "exp": [math.nan, math.inf, 0.0, 1.0, 1.0, math.exp(-1), math.inf, 0.0],
        "expm1": [math.nan, math.inf, -1.0, 0.0, -0.0, math.expm1(-1), math.inf, -1.0],
        "log": [math.nan, math.inf, math.nan, -math.inf, -math.inf, math.nan, math.log(3e38), math.nan],
        "log1p": [math.nan, math.inf, math.nan, 0.0, -0.0, -math.inf, math.log(3e38), math.nan],
        "tanh": [math.nan, 1.0, -1.0, 0.0, -0.0, math.tanh(-1), 1.0, -1.0],
    }[name]
    got = kernels.apply(name, np.array(x, dtype))
    np.testing.assert_allclose(got, np.array(expected, dtype), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(got[3:5]), np.signbit(np.array(expected[3:5])))


PRINT = """
import hashlib, numpy as np, amiss
from amiss import kernels
z = np.random.default_rng(0).normal(scale=9, size=20_001)
digest = hashlib.sha256()
for dtype in (np.float64, np.float32):
    for name in ("exp", "expm1", "log", "log1p", "tanh"):
        digest.update(kernels.apply(name, np.abs(z).astype(dtype)).tobytes())
    for result in amiss.BinaryCrossEntropy().value_and_gradient(z.astype(dtype), (z > 1).astype(dtype)):
        digest.update(result.tobytes())
print(kernels.instruction_set(), digest.hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits(monkeypatch):
    seen = {}
    for wish in ("baseline", "avx2", "avx512"):
        monkeypatch.setenv("AMISS_ISA", wish)
        command = [sys.executable, "-c", PRINT]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        name, digest = printed.rsplit(maxsplit=1)
        seen[name] = digest
    assert len(set(seen.values())) == 1, seen
