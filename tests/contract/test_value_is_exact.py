"""Value, gradient and Hessian are exact to a few units in the last place (ULP), tails included.

The truth is the same formula in its textbook form with numbers of 400 digits.
"""

import numpy as np
import pytest
from exact import QUANTITIES, apply, exact, in_dtype, pairs, ulps
from losses_under_test import LIBRARIES, array, cases, name, numbers, rows, variants

from amiss.arrays import namespace_of
from amiss.core import RowLoss

BOUNDS = {
    "BinaryCrossEntropy logits": (3.0, 3.5, 5.0),
    "BinaryCrossEntropy probabilities": (3.0, 2.5, 3.5),
    "CrossEntropy logits": (3.0, 4.0, 5.5),
    "CrossEntropy probabilities": (3.0, 2.0, 2.5),
    "CrossEntropy log_probabilities": (2.0, 1.0, 0.0),
    "Hinge": (0.5, 0.0, 0.0),
    "SquaredError": (2.0, 0.5, 0.0),
    "AbsoluteError": (0.5, 0.0, 0.0),
    "Huber": (2.0, 0.5, 0.0),
    "LogCosh": (5.5, 4.0, 4.0),
}
"""ULP of value, gradient and Hessian in either precision: the worst measured, rounded up to a half."""

UNKNOWN = 4.0, 4.0, 4.0
UNKNOWN_ROW = 8.0, 8.0, 8.0
"""What a loss without a line in the table must keep."""

PEERS_FAULT = {("jax", "float64", "BinaryCrossEntropy probabilities", "value"): 128.0}
"""XLA's log1p of a double in (-0.42, -0.3) is wrong by up to 125 ULP, 1.4e-14."""

FLUSHING = ("jax", "tensorflow")
"""XLA and TensorFlow replace numbers below the smallest normal one, and intermediate results there, by 0."""


def bounds(loss):
    """Return the line of the table for a loss."""
    key = " ".join((type(loss).__name__, *([loss.input] if hasattr(loss, "input") else [])))
    return key, dict(
        zip(QUANTITIES, BOUNDS.get(key, UNKNOWN_ROW if loss in rows([loss]) else UNKNOWN), strict=True)
    )


def formula(loss, quantity, prediction, target):
    """Return what the portable formula gives on NumPy arrays, where a compiled kernel may stand in for it."""
    with np.errstate(all="ignore"):
        return apply(loss, quantity, namespace_of(prediction), prediction, target)


def public(loss, quantity, library, prediction, target):
    """Return what the public interface gives, as a NumPy array of the prediction's dtype."""
    method = loss if quantity == "value" else getattr(loss, quantity)
    result = method(array(library, prediction), array(library, target), reduction="none")
    return numbers(result).astype(prediction.dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_every_quantity_is_within_its_bound_on_every_library(loss, dtype):
    loss = in_dtype(loss, dtype)
    prediction, target, certain = pairs(loss, dtype)
    floor = float(np.finfo(dtype).tiny / np.finfo(dtype).eps)
    small = (np.abs(prediction) < floor) & (prediction != 0.0)
    normal = ~(small if small.ndim == 1 else small.any(-1))
    key, bound = bounds(loss)
    for quantity in QUANTITIES:
        truth, scale = exact(loss, quantity, prediction, target, certain)
        errors = {"formula": ulps(formula(loss, quantity, prediction, target), truth, scale)}
        if isinstance(loss, RowLoss) and quantity != "hessian":
            index = public(loss, quantity, "numpy", prediction[certain], target[certain].argmax(-1))
            errors["class indices"] = ulps(index, truth[certain], scale[certain])
        for library in LIBRARIES:
            computed = public(loss, quantity, library, prediction, target)
            if library in FLUSHING:
                computed, right, size = computed[normal], truth[normal], np.maximum(scale[normal], floor)
                errors[library] = ulps(computed, right, size)
            else:
                errors[library] = ulps(computed, truth, scale)
        for path, error in errors.items():
            allowed = PEERS_FAULT.get((path, dtype.__name__, key, quantity), bound[quantity])
            worst = np.unravel_index(error.argmax(), error.shape)[0]
            assert error.max() <= allowed, (
                f"{quantity} on {path}: {error.max():.1f} ULP, {allowed} are allowed, "
                f"at prediction {prediction[worst]!r}, target {target[worst]!r}"
            )


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_400_digits_are_enough_for_the_truth(loss):
    prediction, target, certain = pairs(loss, np.float64)
    few = slice(None, None, 5)
    for quantity in QUANTITIES:
        truth, _ = exact(loss, quantity, prediction[few], target[few], certain[few])
        finer, _ = exact(loss, quantity, prediction[few], target[few], certain[few], digits=1000)
        for a, b in zip(truth.flat, finer.flat, strict=True):
            assert a == b or abs(a - b) < 1e-20 * max(abs(b), b.context.mpf("1e-324"))


def test_a_formula_that_cancels_is_found():
    from amiss import BinaryCrossEntropy

    class Naive(BinaryCrossEntropy):
        def _gradient(self, xp, prediction, target):
            return xp.sigmoid(prediction) - target

    prediction, target = np.array([30.0]), np.array([1.0])
    truth, scale = exact(Naive(), "gradient", prediction, target, np.array([True]))
    assert ulps(formula(Naive(), "gradient", prediction, target), truth, scale).max() > 1e6
