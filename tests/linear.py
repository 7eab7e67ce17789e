"""Inputs for the cross-entropy behind a linear layer, and what is right for them in long doubles."""

import numpy as np
from losses_under_test import numbers

N, V, D = 23, 57, 5
LIBRARIES = ("numpy", "torch")
WEIGHTS = tuple(np.random.default_rng(7).uniform(0.1, 2.0, V))
OPTIONS = (
    {},
    {"ignore_index": 3},
    {"ignore_index": -100, "label_smoothing": 0.2},
    {"class_weight": WEIGHTS},
    {"class_weight": WEIGHTS, "label_smoothing": 0.1, "ignore_index": 5},
)
MEMORY = (2**26, 12_000, 6000, 2**11, 1)
"""Budgets of one chunk, of some rows, of a few rows, and of tiles of classes down to one row."""


def inputs(dtype=np.float64, shape=(N,), seed=0):
    """Return hidden, weight, target, bias and sample weights, one of which is 0."""
    rng = np.random.default_rng(seed)
    hidden = 3.0 * rng.normal(size=(*shape, D)).astype(dtype)
    weight, bias = rng.normal(size=(V, D)).astype(dtype), rng.normal(size=V).astype(dtype)
    target, sample_weight = rng.integers(0, V, shape), rng.uniform(0.1, 1.0, shape).astype(dtype)
    target.flat[:2], sample_weight.flat[4] = (3, 5), 0.0
    return hidden, weight, target, bias, sample_weight


def oracle(loss, hidden, weight, target, bias=None, sample_weight=None, reduction="mean", normalizer=None):
    """Return value and gradients from the definition, with all logits, in long doubles."""
    exact = np.longdouble
    x, w = hidden.reshape(-1, hidden.shape[-1]).astype(exact), weight.astype(exact)
    b = np.zeros(len(w), exact) if bias is None else bias.astype(exact)
    c = np.ones(len(w), exact) if loss.class_weight is None else np.array(loss.class_weight, exact)
    y, u = target.ravel(), np.ones(target.size, exact)
    if sample_weight is not None:
        u = sample_weight.ravel().astype(exact)
    if loss.ignore_index is not None:
        u, y = np.where(y == loss.ignore_index, 0.0, u), np.where(y == loss.ignore_index, 0, y)
    z = x @ w.T + b
    z -= z.max(-1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    s = exact(loss.label_smoothing)
    share = c * ((1 - s) * np.eye(len(w), dtype=exact)[y] + s / len(w))
    items = -(share * logs).sum(-1)
    divisor = (u * c[y]).sum() if normalizer is None else normalizer
    factor = u / divisor if reduction == "mean" else u
    slope = factor[:, None] * (share.sum(-1, keepdims=True) * np.exp(logs) - share)
    value = (factor * items).reshape(target.shape) if reduction == "none" else (factor * items).sum()
    return value, (slope @ w).reshape(hidden.shape), slope.T @ x, slope.sum(0)


def agree(found, expected, dtype=np.float64):
    """Assert that results are equal but for the rounding of a product."""
    tolerance = 200 * np.finfo(dtype).eps
    for x, y in zip(found, expected, strict=True):
        assert numbers(x).shape == y.shape
        np.testing.assert_allclose(
            numbers(x), y.astype(np.float64), rtol=tolerance, atol=tolerance * abs(y).max()
        )


def flat(value, gradients):
    return (value, *gradients)
