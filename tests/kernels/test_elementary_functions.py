"""The kernels' elementary functions are right to two units in the last place, also at the extremes."""

import math
import platform
import subprocess
import sys

import mpmath
import numpy as np
import pytest

from amiss import kernels

ULP = 2.0
"""How large an error may be, in units in the last place, in either precision."""

MEASURED = {
    "exp": 0.9,
    "expm1": 1.7,
    "log": 1.0,
    "log1p": 1.0,
    "tanh": 1.6,
    "softplus": 1.7,
    "sigmoid": 2.0,
    "log_sigmoid": 1.7,
}
"""The largest errors that were measured, rounded up."""

DTYPES = (np.float64, np.float32)


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


def log_sigmoid(x):
    return -softplus(-x)


EXACT = {
    **{name: getattr(mpmath, name) for name in ("exp", "expm1", "log", "log1p", "tanh")},
    "softplus": softplus,
    "sigmoid": sigmoid,
    "log_sigmoid": log_sigmoid,
}


def grid(name, dtype):
    generator = np.random.default_rng(5)
    largest = 709.0 if dtype == np.float64 else 88.0
    tiniest = -320 if dtype == np.float64 else -44
    draw = generator.uniform
    signed = draw(-1, 1, 400) * 10.0 ** draw(-20, 1, 400)
    tails = [draw(-largest - 40, largest + 40, 800), draw(-3, 3, 2000), signed]
    ranges = {
        "exp": [draw(-largest, largest, 600), draw(-1, 1, 2000), signed, draw(-largest - 40, -largest, 200)],
        "expm1": [draw(-60, largest, 600), draw(-2, 2, 2000), signed],
        "log": [10.0 ** draw(tiniest, -tiniest - 12, 600), draw(0.4, 2.5, 2000), 1 + signed / 100],
        "log1p": [
            10.0 ** draw(-20, 30, 600),
            draw(-0.999, 3, 2000),
            np.abs(signed),
            -(10.0 ** draw(-15, -0.01, 200)),
        ],
        "tanh": [draw(-25, 25, 600), draw(-1, 1, 2000), signed],
        "softplus": tails,
        "sigmoid": tails,
        "log_sigmoid": tails,
    }
    return np.concatenate(ranges[name]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MEASURED)
def test_error_is_below_the_stated_bound(name, dtype):
    x = grid(name, dtype)
    y = kernels.apply(name, x)
    worst, where = 0.0, None
    with mpmath.workprec(1200 if name in ("softplus", "log_sigmoid", "sigmoid") else 300):
        for given, got in zip(x.tolist(), y.tolist(), strict=True):
            exact = EXACT[name](mpmath.mpf(given))
            nearest = dtype(float(exact))
            if np.isinf(nearest):
                assert got == nearest
                continue
            error = float(abs(mpmath.mpf(got) - exact) / float(np.spacing(np.abs(nearest))))
            if error > worst:
                worst, where = error, (given, got, float(nearest))
    assert worst <= min(ULP, MEASURED[name]), (name, worst, where)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MEASURED)
def test_extremes_are_the_limits_of_the_mathematics(name, dtype):
    x = [math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 3e38, -3e38]
    half, low, one = math.log(2.0), math.log1p(math.exp(-1)), 1 / (1 + math.e)
    expected = {
        "exp": [math.nan, math.inf, 0.0, 1.0, 1.0, math.exp(-1), math.inf, 0.0],
        "expm1": [math.nan, math.inf, -1.0, 0.0, -0.0, math.expm1(-1), math.inf, -1.0],
        "log": [math.nan, math.inf, math.nan, -math.inf, -math.inf, math.nan, math.log(3e38), math.nan],
        "log1p": [math.nan, math.inf, math.nan, 0.0, -0.0, -math.inf, math.log(3e38), math.nan],
        "tanh": [math.nan, 1.0, -1.0, 0.0, -0.0, math.tanh(-1), 1.0, -1.0],
        "softplus": [math.nan, math.inf, 0.0, half, half, low, 3e38, 0.0],
        "sigmoid": [math.nan, 1.0, 0.0, 0.5, 0.5, one, 1.0, 0.0],
        "log_sigmoid": [math.nan, 0.0, -math.inf, -half, -half, -1.0 - low, 0.0, -3e38],
    }[name]
    got = kernels.apply(name, np.array(x, dtype))
    np.testing.assert_allclose(got, np.array(expected, dtype), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(got[3:5]), np.signbit(np.array(expected[3:5])))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MEASURED)
def test_a_result_does_not_depend_on_its_neighbours(name, dtype):
    # What is rare is computed again, carefully, with all that stands beside it.
    ordinary = grid(name, dtype)[:100]
    ordinary = ordinary[np.abs(ordinary) < 50.0]
    rare = np.array([np.nan, np.inf, 0.0, 1e-40, -800.0, 3e38], dtype)
    alone = kernels.apply(name, ordinary)
    for other in rare:
        mixed = np.stack([ordinary, np.full_like(ordinary, other)], axis=-1)
        np.testing.assert_array_equal(kernels.apply(name, mixed)[:, 0], alone)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_entry_of_a_loss_does_not_depend_on_its_neighbours(dtype):
    from losses_under_test import draw, elementwise, variants

    for loss in elementwise(variants()):
        prediction, target = (x.astype(dtype) for x in draw(loss, (2000,)))
        rare = prediction.copy()
        places = np.arange(7, 2000, 97)
        rare[places] = (
            0.0 if not loss.prediction_domain.everything else np.resize([np.nan, 1e30], places.size)
        )
        for method in (loss, loss.gradient, loss.hessian):
            alone = np.delete(method(prediction, target, reduction="none"), places)
            np.testing.assert_array_equal(np.delete(method(rare, target, reduction="none"), places), alone)


PRINT = """
import hashlib, numpy as np, amiss
from amiss import kernels
from losses_under_test import draw, elementwise, variants
z = np.random.default_rng(0).normal(scale=9, size=20_001)
z[::500] *= 1000
digest = hashlib.sha256()
for dtype in (np.float64, np.float32):
    for name in ("exp", "expm1", "log", "log1p", "tanh", "softplus", "sigmoid", "log_sigmoid"):
        digest.update(kernels.apply(name, np.abs(z).astype(dtype)).tobytes())
        digest.update(kernels.apply(name, (-np.abs(z)).astype(dtype)).tobytes())
    for loss in elementwise(variants()):
        given = [x.astype(dtype) for x in draw(loss, (5003,), scale=30.0)]
        for results in (loss.value_and_gradient(*given), loss.gradient_and_hessian(*given)):
            for result in results:
                digest.update(np.nan_to_num(result).tobytes())
print(kernels.instruction_set(), digest.hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits(monkeypatch):
    seen = {}
    monkeypatch.setenv("PYTHONPATH", str(__file__).rsplit("/", 2)[0])
    for wish in ("avx2", "avx512"):
        monkeypatch.setenv("AMISS_ISA", wish)
        command = [sys.executable, "-c", PRINT]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        name, digest = printed.rsplit(maxsplit=1)
        seen[name] = digest
    assert len(set(seen.values())) == 1, seen


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="every other processor has FMA")
def test_a_processor_without_fma_takes_the_portable_path_and_says_so(monkeypatch):
    monkeypatch.setenv("AMISS_ISA", "none")
    command = [sys.executable, "-c", "from amiss.cli.version import version_text as say; print(say())"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "portable, no compiled kernels (the kernels need a processor with AVX2 and FMA)" in printed
    assert "kernels use 0" in printed
