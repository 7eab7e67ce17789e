"""Rows for the softmax driver, and what is right for them: the definition in long doubles.

The 11 digits more than float64 that these have are no part of the error.
"""

import numpy as np

from amiss import kernels

ULP = 8.0
DTYPES = (np.float64, np.float32)
LONG = np.longdouble
FEW = tuple(range(1, 34))
MANY = (64, 65, 127, 128, 129, 143, 144, 145, 255, 256, 257, 1000, 1031)
SEGMENT = 16384
"""How many classes of a long row are computed together."""


def truth(z, target, weight=None, class_weight=None, ignored=None, smoothing=0.0, factor=1.0):
    """Return value, gradient and what errors of the gradient are measured in: the larger of its two terms.

    The target holds a class index for each row, or a row of probabilities.
    """
    rows, classes = z.shape
    weight = np.ones(rows) if weight is None else weight
    each = np.ones(classes) if class_weight is None else np.asarray(class_weight, z.dtype)
    smoothing, each = LONG(z.dtype.type(smoothing)), each.astype(LONG)
    if target.ndim == 1:
        weight = np.where(target == ignored, 0.0, weight)
        target = np.where(target == ignored, 0, target)[:, None] == np.arange(classes)
    weight = weight.astype(LONG)
    share = (target.astype(LONG) * (1 - smoothing) + smoothing / classes) * each
    top = z.argmax(-1)[:, None] == np.arange(classes)
    gap = z.max(-1, keepdims=True).astype(LONG) - z.astype(LONG)
    grown = np.exp(-gap)
    rest = np.where(top, 0, grown).sum(-1, keepdims=True)
    up = sum_of_others(share) * grown / (1 + rest)
    down = share * np.where(top, rest, 1 + rest - grown) / (1 + rest)
    cost = np.where(share == 0, 0, share * np.where(share == 0, 0, np.log1p(rest) + gap))
    value = weight * cost.sum(-1)
    scale = weight[:, None] * LONG(z.dtype.type(factor))
    return value, scale * (up - down), abs(scale) * np.maximum(up, down)


def sum_of_others(share):
    """Return the sum of all shares of a row but each one, where nothing cancels."""
    zeros = np.zeros_like(share[:, :1])
    before = np.hstack([zeros, share.cumsum(-1)[:, :-1]])
    after = np.hstack([share[:, ::-1].cumsum(-1)[:, ::-1][:, 1:], zeros])
    return before + after


def driven(z, label, wanted=("value", "gradient"), weight=None, factor=1.0, **options):
    """Return one value per row and the gradient times a factor, or their sum, from the kernel."""
    kernel = softmax(**options)
    if wanted == ("sum",):
        return kernels.evaluate(kernel, ("value",), z, label, weight, divisor=1.0)
    if factor == 1.0:
        return kernels.evaluate(kernel, wanted, z, label, weight, divisor=None)
    found = {"value": kernels.evaluate(kernel, ("value",), z, label, weight, divisor=None)}
    found["gradient"] = kernels.evaluate(kernel, ("gradient",), z, label, weight, divisor=1 / factor)
    return [found[quantity][0] for quantity in wanted]


def softmax(class_weight=None, ignored=None, smoothing=0.0):
    return kernels.softmax(
        None if class_weight is None else tuple(map(float, class_weight)), ignored, smoothing
    )


def errors(found, right, size):
    unit = np.spacing(np.abs(size).astype(found.dtype)).astype(LONG)
    return np.max(np.abs(found.astype(LONG) - right) / unit, initial=0.0)


def assert_exact(z, label, **options):
    value, gradient, size = truth(z, label, **options)
    found = driven(z, label, **options)
    assert errors(found[0], value, value) <= ULP
    assert errors(found[1], gradient, size) <= ULP
    assert np.array_equal(driven(z, label, ("value",), **options)[0], found[0])
    assert np.array_equal(driven(z, label, ("gradient",), **options)[0], found[1])


def draw(rows, classes, dtype, scale=4.0, seed=0):
    rng = np.random.default_rng((seed, rows, classes))
    z = rng.normal(scale=scale, size=(rows, classes)) * 10.0 ** rng.uniform(-1, 1, (rows, 1))
    return z.astype(dtype), rng.integers(0, classes, rows)


def options_for(rows, classes, dtype):
    """Return all options together; a class weight, a weight and a label count nothing."""
    rng = np.random.default_rng(classes)
    class_weight = 10.0 ** rng.uniform(-3, 3, classes)
    class_weight[0] = 0.0
    weight = rng.uniform(0.1, 2.0, rows).astype(dtype)
    weight[rows // 2] = 0.0
    return {"weight": weight, "class_weight": class_weight, "ignored": -3, "smoothing": 0.2, "factor": 0.25}
