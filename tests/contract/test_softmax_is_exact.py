"""Softmax cross-entropy is exact to 8 ULP at any gap and any shift of the logits, and for many classes.

The truth is the definition in numbers of 400 digits: p = exp(z) / sum(exp(z)), the value -log p of the label.
"""

import numpy as np
import pytest
from exact import TAILS, oracle, rounded
from exactness import DTYPES, FLUSHING, LIBRARY_OF, portable

import amiss

ULP = 8.0
SHIFTS = (0.0, -7.3, 1e3, -1e6, 1e10, 1e15)


def truth(z, label, smoothing=0.0):
    """Return exact value and gradient of each row, errors counted in the larger of the terms of p - t."""
    xp, dtype, classes = oracle(400), z.dtype.type, z.shape[-1]
    share = xp.number(smoothing) / classes + np.eye(classes)[label] * (1 - xp.number(smoothing))
    z = xp.array(z)
    below = z - z.max(-1, keepdims=True)
    grown = xp.exp(below)
    whole = xp.sum(grown)
    value = xp.sum(share * (xp.log(whole) - below))[:, 0]
    up, down = (1 - share) * (grown / whole), share * ((whole - grown) / whole)
    return rounded(value, abs(value), dtype), rounded(up - down, np.maximum(up, down), dtype)


def by_driver(z, label, smoothing=0.0):
    """Return value and gradient from the compiled driver, which takes class indices."""
    loss = amiss.CrossEntropy(label_smoothing=smoothing)
    return loss(z, label, reduction="none"), loss.gradient(z, label, reduction="none")


def by_formula(library, z, label):
    """Return value and gradient from the portable formula, which takes rows of probabilities."""
    target = np.eye(z.shape[-1], dtype=z.dtype)[label]
    return [
        portable(library, amiss.CrossEntropy(), quantity, z, target) for quantity in ("value", "gradient")
    ]


def assert_exact(results, expected, z, floor=0.0):
    for quantity, found, right in zip(("value", "gradient"), results, expected, strict=True):
        errors = right.errors(found, floor)
        worst = np.unravel_index(errors.argmax(), errors.shape)[0]
        assert errors.max() <= ULP, f"{quantity}: {errors.max():.1f} ULP at {z[worst]}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_gap_at_any_shift(dtype):
    gaps = np.stack([TAILS, 0 * TAILS, -TAILS / 3], axis=-1)
    z = np.concatenate([gaps + shift for shift in SHIFTS]).astype(dtype)
    z, label = np.concatenate([z] * 3), np.repeat(np.arange(3), len(z))
    expected = truth(z, label)
    assert_exact(by_driver(z, label), expected, z)
    for path, library in LIBRARY_OF.items():
        floor = float(np.finfo(dtype).tiny / np.finfo(dtype).eps) if path in FLUSHING else 0.0
        assert_exact(by_formula(library, z, label), expected, z, floor)


def crowds(classes, dtype):
    """Return rows of many logits: far apart, near each other, all equal, and one far above the others."""
    rng = np.random.default_rng(0)
    z = np.stack([rng.normal(scale=scale, size=classes) for scale in (10.0, 0.1, 0.0, 0.1, 0.1)])
    z[3, 7] += 20.0
    z[4, 7] += 45.0
    z[1] += 1e3
    return z.astype(dtype), np.array([int(z[0].argmax()), 3, 5, 7, 8])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_classes_in_the_driver(dtype, smoothing):
    z, label = crowds(500, dtype)
    smoothing = float(dtype(smoothing))
    assert_exact(by_driver(z, label, smoothing), truth(z, label, smoothing), z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_classes_in_the_formula(dtype):
    z, label = crowds(100, dtype)
    expected = truth(z, label)
    for library in LIBRARY_OF.values():
        assert_exact(by_formula(library, z, label), expected, z)


def test_the_naive_formula_is_found_out():
    z, label = np.array([[40.0, 0.0, 0.0]]), np.array([0])
    p = np.exp(z) / np.exp(z).sum()
    with pytest.raises(AssertionError, match=r"value: \d+\.\d ULP"):
        assert_exact((-np.log(p[:, 0]), p - np.eye(3)[label]), truth(z, label), z)
