"""Sums and means in the kernels are within 2 ULP of the exact ones, and overflow only where these do.

The absolute error from 0 makes items that are known: the value is the prediction. With weights of ±1 they get
signs. `math.fsum` rounds the exact sum once, so that 1.5 ULP from it are within 2 of the exact one.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from losses_under_test import draw, elementwise, name, variants

import amiss

DTYPES = (np.float64, np.float32)
SIZES = (1, 2, 15, 16, 17, 4095, 4096, 4097, 100_003)
"""Around the lanes and the blocks that a kernel adds up in."""


def total(items, weight=None):
    """Return the sum of known items."""
    return amiss.AbsoluteError()(items, np.zeros_like(items), weight, "sum")


def mean(items, weight=None):
    """Return the mean of known items."""
    return amiss.AbsoluteError()(items, np.zeros_like(items), weight)


def cross_entropy(items, weight=None, reduction="mean"):
    """Return the sum or mean of known items of 800 and more: a logit on the wrong side costs itself."""
    logits = np.stack([items, np.zeros_like(items)], axis=-1)
    return amiss.CrossEntropy()(logits, np.ones(len(items), int), weight, reduction)


def assert_close(found, exact, ulps=1.5):
    dtype = found.dtype.type
    assert np.isfinite(found), (float(found), float(exact))
    unit = Fraction(float(np.spacing(np.abs(dtype(float(exact))))))
    assert abs(Fraction(float(found)) - Fraction(exact)) <= Fraction(ulps) * unit, (
        float(found),
        float(exact),
    )


def positive(kind, size, dtype):
    """Return positive items: of one size, of thirty orders of magnitude, all the same, all subnormal."""
    rng = np.random.default_rng(size)
    items = {
        "even": lambda: rng.uniform(size=size),
        "wide": lambda: 10.0 ** rng.uniform(-15, 15, size),
        "constant": lambda: np.full(size, 0.1),
        "subnormal": lambda: np.finfo(dtype).smallest_subnormal * rng.integers(1, 1000, size),
    }[kind]()
    return items.astype(dtype)


def cancelling(size, dtype):
    """Return items and weights of ±1 whose sum is far smaller than they are."""
    rng = np.random.default_rng(size)
    half = (10.0 ** rng.uniform(-3, 6, size)).astype(dtype)
    items = np.concatenate([half, half, (half[: size // 2 + 1] * 1e-6).astype(dtype)])
    weight = np.concatenate([np.ones(size), -np.ones(size), np.ones(size // 2 + 1)]).astype(dtype)
    order = rng.permutation(len(items))
    return items[order], weight[order]


# --- sums ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["even", "wide", "constant", "subnormal"])
@pytest.mark.parametrize("size", SIZES)
def test_positive_items(size, kind, dtype):
    items = positive(kind, size, dtype)
    exact = math.fsum(items)
    assert_close(total(items), exact)
    assert_close(mean(items), Fraction(exact) / size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_items_of_both_signs_that_cancel(size, dtype):
    items, weight = cancelling(size, dtype)
    assert_close(total(items, weight), math.fsum(items * weight))


@pytest.mark.parametrize("dtype", DTYPES)
def test_ten_million_items(dtype):
    items = np.random.default_rng(0).random(10_000_000, dtype=dtype)
    items[::1000] *= dtype(1e6)
    exact = math.fsum(items)
    assert_close(total(items), exact)
    assert_close(mean(items), Fraction(exact) / len(items))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", elementwise(variants()), ids=name)
def test_a_sum_is_that_of_the_items(loss, dtype):
    prediction, target = (x.astype(dtype) for x in draw(loss, (5000,)))
    weight = np.random.default_rng(0).normal(size=5000).astype(dtype)
    for given in (None, weight):
        items = loss(prediction, target, given, "none")
        assert_close(loss(prediction, target, given, "sum"), math.fsum(items))


# --- means -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_over_any_weights(dtype):
    rng = np.random.default_rng(1)
    items, weight = (rng.uniform(size=3000).astype(dtype) for _ in range(2))
    exact = sum(Fraction(float(w)) * Fraction(float(x)) for w, x in zip(weight, items, strict=True))
    assert_close(mean(items, weight), exact / sum(Fraction(float(w)) for w in weight), ulps=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_over_weights_that_cancel(dtype):
    items, signs = cancelling(20_000, dtype)
    weight = items * signs
    ones = np.ones_like(weight)
    assert_close(total(ones, weight), math.fsum(weight))
    assert_close(mean(ones, weight), 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_representable_does_not_overflow(dtype):
    huge = np.full(2, {np.float32: 3e38, np.float64: 1.7e308}[dtype], dtype)
    for weight in (None, *(np.full(2, w, dtype) for w in (0.5, 1.0, 2.0, 1e10))):
        assert_close(mean(huge, weight), float(huge[0]))
    ones = np.ones(2, dtype)
    assert mean(ones, np.full(2, {np.float32: 3e38, np.float64: 8e307}[dtype], dtype)) == 1.0
    items, signs = np.concatenate([huge, huge, 3 * ones]), np.array([1, 1, -1, -1, 1, 1], dtype)
    assert_close(total(items, signs), 6.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_representable_overflows(dtype):
    huge = np.full(3, np.finfo(dtype).max, dtype)
    assert total(huge) == np.inf
    assert total(huge, -np.ones(3, dtype)) == -np.inf
    assert mean(huge) == huge[0]


# --- rows ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_means_of_rows(dtype):
    rng = np.random.default_rng(3)
    items = np.floor(10.0 ** rng.uniform(3, 15, 20_001)).astype(dtype)
    exact = math.fsum(items)
    assert_close(cross_entropy(items, None, "sum"), exact)
    assert_close(cross_entropy(items), Fraction(exact) / len(items))
    signs = rng.choice([-1.0, 1.0], len(items)).astype(dtype)
    items, signs = np.repeat(items, 2), np.stack([signs, -signs], axis=-1).ravel()
    items[0] += 2 * np.spacing(items[0])
    assert_close(cross_entropy(items, signs, "sum"), math.fsum(items * signs))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_of_rows_does_not_overflow(dtype):
    huge = np.full(2, {np.float32: 3e38, np.float64: 1.7e308}[dtype], dtype)
    for weight in (None, np.full(2, 2.0, dtype)):
        assert_close(cross_entropy(huge, weight), float(huge[0]))
