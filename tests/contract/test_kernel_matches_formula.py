"""The compiled kernels are there, are made from the formulas of today, and give what these give."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest
from exact import QUANTITIES, TERMS, apply, certain_targets, in_dtype, oracle, pairs
from losses_under_test import (
    answers_of_kernels,
    array,
    cases,
    draw,
    elementwise,
    has_labels,
    integers,
    let_formulas_answer,
    members,
    name,
    numbers,
    rows,
    variants,
)

import amiss
from amiss import kernels
from amiss.arrays import namespace_of
from amiss.codegen import source
from amiss.codegen.cpp import elementwise_variants

ULP = 8.0
"""How far a kernel may be from the formula: each is within 5 of the truth, most within 2."""

DRIVEN = [loss for loss in rows(cases()) if getattr(loss, "input", "") == "logits"]
"""Row losses with a driver of their own, for class indices."""


# --- the build -------------------------------------------------------------------------------------------
def test_the_compiled_module_is_there():
    assert kernels.available(), "built without a compiler: install with one and build again"
    assert kernels.instruction_set() != "none"


def test_every_elementwise_loss_has_a_kernel_for_each_structural_option():
    assert kernels.names() == {key for key, _, _ in elementwise_variants()}
    assert len(kernels.names()) == len(elementwise(variants()))


def test_the_kernels_are_made_from_the_formulas_of_today():
    today = hashlib.sha256(source().encode()).hexdigest()
    assert kernels.fingerprint() == today, "formulas changed since the kernels were built: build again"


# --- that kernels are used ---------------------------------------------------------------------------------
@pytest.fixture
def calls(monkeypatch):
    """Return a list that grows by one with every result that a kernel gives."""
    return answers_of_kernels(monkeypatch)


@pytest.fixture
def without_kernels(monkeypatch):
    let_formulas_answer(monkeypatch)


METHODS = ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("loss", elementwise(variants()), ids=name)
def test_numpy_arrays_and_cpu_tensors_go_through_a_kernel(loss, library, dtype, weighted, calls):
    prediction, target = (array(library, x, dtype) for x in draw(loss, (4, 2)))
    weight = array(library, np.arange(1.0, 5.0), dtype) if weighted else None
    for count, method in enumerate(METHODS[:3], 1):
        getattr(loss, method)(prediction, target, weight)
        assert len(calls) == count


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("loss", DRIVEN, ids=name)
def test_class_indices_go_through_the_driver_of_cross_entropy(loss, dtype, calls):
    for library in ("numpy", "torch"):
        prediction, target = array(library, draw(loss, (4,))[0], dtype), array(library, integers(loss, (4,)))
        loss(prediction, target)
        loss.gradient(prediction, target)
    assert len(calls) == 4


def test_a_loss_of_ones_own_runs_its_own_formula(calls):
    @dataclass(frozen=True)
    class Huber(amiss.Huber):
        def _value(self, xp, prediction, target):
            return 100.0 * super()._value(xp, prediction, target)

    assert Huber()([1.0], [0.0]) == 50.0
    assert not calls


# --- that they give what the formulas give ----------------------------------------------------------------
def distance(found, expected, scale):
    """Return how many units in the last place two arrays differ; NaN and infinities must be the same."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    size = np.minimum(np.maximum(np.abs(expected), scale), np.finfo(expected.dtype).max / 2)
    wide = np.longdouble(found[finite]) - np.longdouble(expected[finite])
    return np.max(np.abs(wide) / np.spacing(size[finite]), initial=0.0)


def subtracted(loss, quantity, xp, prediction, target, certain):
    """Return the larger of the terms that are subtracted, as the gradient of a soft target does, else 0."""
    if (type(loss).__name__, quantity) in TERMS:
        long = oracle(50)
        epsilon = float(np.finfo(prediction.dtype).eps)
        given = long.array(prediction), long.array(target), epsilon
        terms = TERMS[type(loss).__name__, quantity](loss, long, *given)
        sizes = [np.abs(term).astype(float).astype(prediction.dtype) for term in terms]
        return np.max(sizes, axis=0) if sizes else np.zeros((), prediction.dtype)
    if quantity != "gradient" or not has_labels(loss) or members(loss):
        return np.zeros((), prediction.dtype)
    terms = [
        loss._gradient(xp, prediction, t.astype(prediction.dtype)) for t in certain_targets(loss, prediction)
    ]
    mixed = ~certain | (getattr(loss, "label_smoothing", 0.0) > 0)
    return np.where(mixed[:, None] if prediction.ndim > 1 else mixed, np.max(np.abs(terms), axis=0), 0.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", elementwise(cases()), ids=name)
def test_a_kernel_gives_what_the_formula_gives_at_ordinary_and_extreme_numbers(loss, dtype, calls):
    loss = in_dtype(loss, dtype)
    prediction, target, certain = pairs(loss, dtype)
    xp = namespace_of(prediction)
    for quantity in QUANTITIES:
        method = loss if quantity == "value" else getattr(loss, quantity)
        with np.errstate(all="ignore"):
            expected = apply(loss, quantity, xp, prediction, target)
            scale = subtracted(loss, quantity, xp, prediction, target, certain)
        assert distance(method(prediction, target, reduction="none"), expected, scale) <= ULP
    assert len(calls) == 3


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", elementwise(variants()), ids=name)
def test_a_kernel_gives_what_the_formula_gives_at_nan_and_infinities(loss, dtype, calls):
    domain = loss.prediction_domain
    special = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal]
    )
    special = special[np.isnan(special) | domain.contains(special)]
    known = np.array(members(loss) or (0.0, 1.0, 0.5))
    prediction, target = (x.ravel().astype(dtype) for x in np.meshgrid(special, known))
    for quantity in QUANTITIES:
        method = loss if quantity == "value" else getattr(loss, quantity)
        with np.errstate(all="ignore"):
            expected = apply(loss, quantity, namespace_of(prediction), prediction, target)
        assert distance(method(prediction, target, reduction="none"), expected, 0.0) <= ULP
    assert len(calls) == 3


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", DRIVEN, ids=name)
def test_the_driver_of_cross_entropy_gives_what_the_formula_gives(loss, dtype, calls):
    loss = in_dtype(loss, dtype)
    prediction, target, certain = pairs(loss, dtype)
    prediction, target = prediction[certain], target[certain]
    extreme = np.array(
        [[np.nan, 0, 1], [np.inf, 0, 1], [-np.inf, 0, 1], [-np.inf] * 3, [np.inf, np.inf, 0]], dtype
    )
    prediction = np.concatenate([prediction, *[extreme] * 3])
    target = np.concatenate([target, np.eye(3, dtype=dtype).repeat(5, 0)])
    xp = namespace_of(prediction)
    for quantity in ("value", "gradient"):
        method = loss if quantity == "value" else loss.gradient
        with np.errstate(all="ignore"):
            expected = apply(loss, quantity, xp, prediction, target)
            scale = subtracted(loss, quantity, xp, prediction, target, np.full(len(target), True))
        found = method(prediction, target.argmax(-1), reduction="none")
        assert distance(found, expected, np.nan_to_num(scale)) <= ULP
    assert len(calls) == 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", DRIVEN, ids=name)
def test_rows_of_probabilities_give_what_the_formula_gives(loss, dtype):
    loss = in_dtype(loss, dtype)
    prediction, target, certain = pairs(loss, dtype)
    xp = namespace_of(prediction)
    for quantity in ("value", "gradient"):
        method = loss if quantity == "value" else loss.gradient
        with np.errstate(all="ignore"):
            expected = apply(loss, quantity, xp, prediction, target)
        scale = subtracted(loss, quantity, xp, prediction, target, certain)
        assert distance(method(prediction, target, reduction="none"), expected, scale) <= ULP


@pytest.mark.parametrize("items", [(), (1,), (0,), (7,), (3, 0), (16, 5), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("loss", [*elementwise(variants()), *DRIVEN[:2]], ids=name)
def test_any_number_of_items_gives_what_the_formula_gives(loss, items, monkeypatch):
    prediction, target = draw(loss, items)
    if loss in DRIVEN:
        target = integers(loss, items)
    weight = np.random.default_rng(0).integers(0, 3, items) * 1.0
    for given in (None, weight):
        for reduction in ("mean", "sum", "none"):
            compiled = [getattr(loss, method)(prediction, target, given, reduction) for method in METHODS]
            with monkeypatch.context() as patch:
                let_formulas_answer(patch)
                portable = [getattr(loss, method)(prediction, target, given, reduction) for method in METHODS]
            for found, expected in zip(compiled, portable, strict=True):
                for x, y in zip(
                    *((r if isinstance(r, tuple) else (r,)) for r in (found, expected)), strict=True
                ):
                    assert np.shape(x) == np.shape(y)
                    assert x.dtype == y.dtype
                    np.testing.assert_allclose(x, y, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("loss", [*elementwise(variants()), *DRIVEN[:2]], ids=name)
def test_without_kernels_the_package_works_the_same(loss, without_kernels):
    prediction, target = draw(loss, (5,))
    value, gradient = loss.value_and_gradient(prediction, target)
    with np.errstate(all="ignore"):
        expected = apply(loss, "value", namespace_of(prediction), prediction, target)
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-14)
    with pytest.raises(amiss.ShapeError):
        loss(prediction, target[:2])
    assert gradient.shape == prediction.shape


# --- sums ------------------------------------------------------------------------------------------------
def test_a_sum_of_many_numbers_keeps_its_digits():
    # A plain float32 sum of these is 9 % off; the exact mean of 2e6 times 0.1f is 0.1f.
    prediction = np.full(2_000_000, 0.1, np.float32)
    assert amiss.AbsoluteError()(prediction, np.zeros_like(prediction)) == np.float32(0.1)


def test_a_mean_that_is_representable_does_not_overflow():
    for dtype in (np.float32, np.float64):
        huge = np.full(100, np.finfo(dtype).max / 2, dtype)
        assert amiss.AbsoluteError()(huge, np.zeros_like(huge)) == huge[0]
        assert amiss.AbsoluteError()(huge, np.zeros_like(huge), np.full(100, 0.5, dtype)) == huge[0]


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_an_infinite_item_makes_sum_and_mean_infinite(library):
    loss = amiss.BinaryCrossEntropy(input="probabilities")
    prediction = array(library, np.array([0.5] * 40 + [0.0]))
    target = array(library, np.ones(41))
    assert numbers(loss(prediction, target)) == np.inf
    assert numbers(loss(prediction, target, reduction="sum")) == np.inf
    huge = array(library, np.full(3, 1e200))
    assert numbers(amiss.SquaredError()(huge, huge * 0)) == np.inf
