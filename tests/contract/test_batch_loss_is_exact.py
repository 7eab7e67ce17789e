"""Value and gradient of losses of a whole batch are exact to 8 ULP, and nothing overflows on the way.

The truth is the definition in numbers of 400 digits, written here once more.
"""

import numpy as np
import pytest
from exact import oracle, rounded
from exactness import DTYPES, FLUSHING, LIBRARY_OF
from losses_under_test import array, numbers

import amiss

ULP = 8.0
ITEMS = 40


def assert_exact(loss, prediction, target, weight, value, gradient, terms):
    """Assert that a loss gives a value and a gradient, errors counted in the larger of each entry's terms."""
    dtype = prediction.dtype.type
    value = np.array([value], object)
    expected = rounded(value, np.maximum(abs(value), terms[0]), dtype), rounded(gradient, terms[1], dtype)
    for path, library in LIBRARY_OF.items():
        floor = float(np.finfo(dtype).tiny / np.finfo(dtype).eps) if path in FLUSHING else 0.0
        x, t, w = (array(library, each) for each in (prediction, target, weight))
        found = np.reshape(numbers(loss(x, t, w)), (1,)), numbers(loss.gradient(x, t, w))
        for quantity, got, exact in zip(("value", "gradient"), found, expected, strict=True):
            errors = exact.errors(got.astype(dtype), floor).max()
            assert errors <= ULP, f"{quantity} on {library}: {errors:.1f} ULP"


# --- losses that are not in the catalogue yet ------------------------------------------------------------
@pytest.mark.parametrize("size", ["ordinary", "huge", "tiny", "mixed"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_root_of_the_mean_square(dtype, size):
    rng, xp = np.random.default_rng(0), oracle(400)
    exponent = {"ordinary": 0.0, "huge": 0.8, "tiny": -0.8, "mixed": rng.uniform(-0.5, 0.5, ITEMS)}[size]
    prediction = rng.normal(size=ITEMS) * float(np.finfo(dtype).max) ** exponent
    prediction, weight = prediction.astype(dtype), rng.uniform(size=ITEMS).astype(dtype)
    target = np.zeros_like(prediction)
    error, share = xp.array(prediction), xp.array(weight) / xp.array(weight).sum()
    value = xp.sqrt((share * error * error).sum())
    gradient = share * error / value
    loss = amiss.RootMeanSquaredError()
    assert_exact(loss, prediction, target, weight, value, gradient, (0, abs(gradient)))


def test_where_every_error_is_0_the_gradient_of_its_root_is_0():
    # Any vector of length 1 / sqrt(items) at most is a subgradient there; 0 is the one of least length.
    zeros = np.zeros(5)
    for library in LIBRARY_OF.values():
        gradient = amiss.RootMeanSquaredError().gradient(array(library, zeros), array(library, zeros))
        np.testing.assert_array_equal(numbers(gradient), zeros)


@pytest.mark.parametrize("smooth", [0.0, 0.37])
@pytest.mark.parametrize("given", ["probabilities", "logits"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dice(dtype, given, smooth):
    rng, xp, smooth = np.random.default_rng(0), oracle(400), float(dtype(smooth))
    target = np.eye(3)[rng.integers(0, 3, ITEMS)]
    target[::4] = rng.dirichlet(np.ones(3), len(target[::4]))
    target = target.astype(dtype)
    prediction = (
        rng.dirichlet(np.ones(3), ITEMS) if given == "probabilities" else 5.0 * rng.normal(size=(ITEMS, 3))
    )
    prediction, weight = prediction.astype(dtype), rng.uniform(size=ITEMS).astype(dtype)
    x, t, w = xp.array(prediction), xp.array(target), xp.array(weight)[:, None]
    p = x if given == "probabilities" else xp.exp(x) / xp.sum(xp.exp(x))
    whole = (w * (p + t)).sum(0) + xp.number(smooth)
    overlap = (2 * (w * p * t).sum(0) + xp.number(smooth)) / whole
    slope, terms = w * (overlap - 2 * t) / whole / 3, w * np.maximum(overlap + 0 * t, 2 * t) / whole / 3
    if given == "logits":
        slope, terms = p * (slope - xp.sum(p * slope)), p * terms.max(-1, keepdims=True)
    loss = amiss.Dice(input=given, smooth=smooth)
    assert_exact(loss, prediction, target, weight, (1 - overlap).sum() / 3, slope, (1, terms))


def test_a_vector_of_zeros_has_no_direction_and_a_gradient_of_0():
    row = np.array([[3.0, 0.0, 4.0]])
    for library in LIBRARY_OF.values():
        gradient = amiss.CosineDistance().gradient(array(library, 0 * row), array(library, row))
        np.testing.assert_array_equal(numbers(gradient), 0 * row)
