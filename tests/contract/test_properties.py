"""What mathematics says of every input holds of computed numbers: Hypothesis looks for one that breaks it.

Where two computations take the same steps, or exact ones, the claim is about bits; elsewhere about units in
the last place (ULP). Equal bits are meant up to the sign of a zero.
"""

import math
from contextlib import contextmanager
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from exact import TERMS
from hypothesis import given, settings
from hypothesis import strategies as st
from losses_under_test import (
    distributions,
    draw,
    elementwise,
    few,
    hard,
    has_labels,
    integers,
    let_formulas_answer,
    name,
    rows,
    variants,
    whole_shape,
)

from amiss import CrossEntropy

DTYPES = (np.float64, np.float32)
SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([1e-3, 1.0, 30.0, 1e3])

ITEMISED = [*elementwise(few()), *rows(few())]
"""The losses with a number for each item."""

FROM_LOGITS = [
    loss for loss in few() if getattr(loss, "input", "") == "logits" and whole_shape(loss, ()) != ()
]
"""The losses of a softmax, which forgets a constant that is added to all logits of a row."""


# --- inputs and results ------------------------------------------------------------------------------------
def every_number(domain):
    """Return a strategy for all finite numbers of a domain."""
    if domain.members is not None:
        return st.sampled_from(domain.members)
    options = {"allow_nan": False, "allow_infinity": False}
    if domain.everything:
        return st.floats(**options)
    if np.isinf(domain.high):
        return st.floats(0.0, exclude_min=domain.open_low, **options).map(lambda x: domain.low + x)
    if np.isinf(domain.low):
        return st.floats(0.0, exclude_min=domain.open_high, **options).map(lambda x: domain.high - x)
    ends = {"exclude_min": domain.open_low, "exclude_max": domain.open_high}
    return st.floats(domain.low, domain.high, **ends, **options)


def short_number(domain):
    """Return a strategy for numbers of few digits: what is added to them, and half their sum, is exact."""
    if domain.members is not None:
        return st.sampled_from(domain.members)
    low, high = int(64 * max(domain.low, -32.0)), int(64 * min(domain.high, 32.0))
    return st.integers(low + domain.open_low, high - domain.open_high).map(lambda k: k / 64)


@st.composite
def batches(take, loss, number=every_number, predictions=1, items=6):
    """Return one or more predictions and a target: each of some predictions with each of as many targets."""
    shape = whole_shape(loss, (items,))

    def pool(domain):
        x = np.array(take(st.lists(number(domain), min_size=items, max_size=items)), float)
        return np.stack([np.roll(x, k) for k in range(shape[1])], axis=-1) if len(shape) > 1 else x

    given = [pool(loss.prediction_domain) for _ in range(predictions)]
    if has_labels(loss):
        seed = take(SEEDS)
        target = np.concatenate([hard(loss, (items - 2,), seed), draw(loss, (2,), seed)[1]])
    else:
        target = pool(loss.target_domain)
    return *(np.repeat(x, items, axis=0) for x in given), np.concatenate([target] * items)


def fit(x, dtype):
    """Return numbers in a dtype, the largest it has for what is beyond."""
    return np.clip(x, np.finfo(dtype).min, np.finfo(dtype).max).astype(dtype)


@contextmanager
def formulas():
    """Let the formulas give what a compiled kernel gives elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        let_formulas_answer(patch)
        yield


def quantities(loss, *arguments):
    """Return value, gradient and Hessian, of each item if there are any, by kernels and by formulas."""
    reduction = "none" if loss in ITEMISED else "mean"
    methods = [loss, loss.gradient, loss.hessian]
    compiled = [method(*arguments, reduction=reduction) for method in methods]
    with formulas():
        return [*compiled, *(method(*arguments, reduction=reduction) for method in methods)]


def ulp(x):
    """Return the unit in the last place of numbers."""
    return np.spacing(np.abs(x))


# --- symmetries --------------------------------------------------------------------------------------------
def has_opposites(loss):
    """Return whether a loss of numbers treats errors of either sign, or the two labels, alike."""
    weights = getattr(loss, "positive_weight", 1.0), getattr(loss, "negative_weight", 1.0)
    signed = has_labels(loss) and loss.prediction_domain.everything and weights[0] == weights[1]
    return whole_shape(loss, ()) == () and (loss.facts.symmetric or signed)


@pytest.mark.parametrize("loss", [loss for loss in variants() if has_opposites(loss)], ids=name)
@settings(max_examples=100)
@given(data=st.data())
def test_opposite_predictions_and_targets_cost_the_same_bits(loss, data):
    # The binary cross-entropy of a logit x with label 1 is that of -x with label 0.
    batch = data.draw(batches(loss))
    for dtype in DTYPES:
        prediction, target = (fit(x, dtype) for x in batch)
        opposite = -target
        if has_labels(loss) and loss.target_domain.low == 0.0:
            target, opposite = target.round(), 1 - target.round()
        found, mirrored = quantities(loss, prediction, target), quantities(loss, -prediction, opposite)
        for place, (x, y) in enumerate(zip(found, mirrored, strict=True)):
            np.testing.assert_array_equal(x, -y if place in (1, 4) else y)  # the gradients turn round


@pytest.mark.parametrize("loss", ITEMISED, ids=name)
@settings(max_examples=50)
@given(seed=SEEDS, scale=SCALES)
def test_items_in_another_order_have_the_same_bits(loss, seed, scale):
    # 37 items fill some vector registers and leave a remainder, whose items then change places.
    rng = np.random.default_rng(seed)
    order, weight = rng.permutation(37), rng.integers(0, 5, 37) / 2
    for dtype in DTYPES:
        given = [x.astype(dtype) for x in (*draw(loss, (37,), seed, scale), weight)]
        for x, y in zip(quantities(loss, *given), quantities(loss, *(x[order] for x in given)), strict=True):
            np.testing.assert_array_equal(x[order], y)


# --- rows of logits ----------------------------------------------------------------------------------------
SHIFTS = st.integers(-(2**16), 2**16) | st.integers(-6, 16).map(lambda k: 2.0**k)
"""Whole numbers and powers of two, which logits of 1/64, 2/64, ... take up without rounding."""


@pytest.mark.parametrize("loss", FROM_LOGITS, ids=name)
@settings(max_examples=250)
@given(shift=SHIFTS, seed=SEEDS)
def test_a_constant_added_to_all_logits_changes_no_bit(loss, shift, seed):
    rng = np.random.default_rng(seed)
    for dtype in DTYPES:
        logits = (rng.integers(-(2**11), 2**11, whole_shape(loss, (8,))) / 64).astype(dtype)
        shifted = logits + dtype(shift)
        assert np.all(shifted - dtype(shift) == logits)
        for target in (draw(loss, (8,), seed)[1].astype(dtype), integers(loss, (8,), seed)):
            before, after = quantities(loss, logits, target), quantities(loss, shifted, target)
            for x, y in zip(before, after, strict=True):
                np.testing.assert_array_equal(x, y)


def row_of_logits(width, scale, shift, seed):
    """Return a row of logits and the place of its class."""
    rng = np.random.default_rng(seed)
    return shift + scale * rng.normal(size=width), int(rng.integers(width))


WIDE, NARROW = (
    {"width": width, "scale": SCALES, "shift": st.sampled_from([0.0, -1.0, 1e3, -1e6]), "seed": SEEDS}
    for width in (st.integers(1, 9) | st.integers(1, 1000), st.integers(1, 5))
)


@settings(max_examples=1000)
@given(**NARROW)
def test_at_any_logits_cross_entropy_is_right_to_8_ulp(width, scale, shift, seed):
    # Where adding the constant rounds the logits, the truth is that of the rounded ones.
    logits, label = row_of_logits(width, scale, shift, seed)
    value, gradient = CrossEntropy().value_and_gradient(logits, label)
    with mpmath.workprec(150):
        odds = [mpmath.exp(mpmath.mpf(z) - mpmath.mpf(logits[label])) for z in logits]
        others = mpmath.fsum(odds[:label] + odds[label + 1 :])
        truth = [mpmath.log1p(others), *(odd / (1 + others) for odd in odds)]
        truth[1 + label] = -others / (1 + others)
        for found, exact in zip([value, *gradient], truth, strict=True):
            assert abs(mpmath.mpf(float(found)) - exact) <= 8 * ulp(float(exact)), (found, exact)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=1000)
@given(weight=st.sampled_from([1.0, 0.3, 7.7, -2.0]), **WIDE)
def test_a_gradient_of_cross_entropy_sums_to_0_over_the_classes(dtype, width, scale, shift, seed, weight):
    """With a certain target within 4 ULP of the largest entry, else within 4 ULP of the weight.

    A certain target's entry is minus the sum of the others. With a soft one both terms of each entry, p and
    the target, are rounded before they are subtracted, and they sum to 1 however small the entries. The
    weight and the divisor of a mean multiply each entry alike and round it once more.
    """
    logits, label = row_of_logits(width, scale, shift, seed)
    logits, weight, certain = logits.astype(dtype), np.array(weight, dtype), np.eye(width, dtype=dtype)[label]
    soft = np.random.default_rng(seed).dirichlet(np.ones(width)).astype(dtype)
    smooth = CrossEntropy(label_smoothing=0.1)
    for loss, target in (
        (CrossEntropy(), label),
        (CrossEntropy(), certain),
        (CrossEntropy(), soft),
        (smooth, label),
        (smooth, soft),
    ):
        gradient = loss.gradient(logits, target, weight, "sum")
        assert gradient.dtype == dtype
        unit = np.finfo(dtype).eps * abs(weight)
        if loss is not smooth and target is not soft:
            unit = ulp(np.abs(gradient).max())
        assert abs(math.fsum(gradient)) <= 4 * unit, (loss, target)


# --- sums --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", ITEMISED, ids=name)
@settings(max_examples=50)
@given(seed=SEEDS, items=st.integers(1, 30))
def test_a_mean_times_its_divisor_is_the_sum(loss, seed, items):
    # Sum, divisor, mean and the factor of a gradient are each rounded once.
    weight = np.random.default_rng(seed).exponential(size=items)
    for dtype in DTYPES:
        given = [x.astype(dtype) for x in (*draw(loss, (items,), seed), weight)]
        divisor = Fraction(float(loss.total_weight(*given[1:])))
        for method, ulps in ((loss, 2), (loss.gradient, 4)):
            means, sums = (np.ravel(method(*given, reduction)) for reduction in ("mean", "sum"))
            for mean, total in zip(means, sums, strict=True):
                gap = abs(Fraction(float(mean)) * divisor - Fraction(float(total)))
                assert gap <= ulps * Fraction(float(ulp(total))), (method, mean, total)


# --- bounds ------------------------------------------------------------------------------------------------
def values(loss, *arguments):
    """Return the values of the items, by the kernels and by the formulas; of a batch loss the only one."""
    return np.concatenate([np.ravel(x) for x in quantities(loss, *arguments)[::3]])


@pytest.mark.parametrize("loss", few(), ids=name)
@settings(max_examples=50)
@given(data=st.data())
def test_no_value_is_below_its_lower_bound_or_nan(loss, data):
    prediction, target = data.draw(batches(loss))
    for dtype in DTYPES:
        given = fit(distributions(loss, prediction), dtype), fit(target, dtype)
        # Where terms of both signs add up to 0 the last bits may take the sum below it.
        rounding = 8 * np.finfo(dtype).eps if (type(loss).__name__, "value") in TERMS else 0.0
        assert np.all(values(loss, *given) >= loss.facts.lower_bound - rounding)


@pytest.mark.parametrize("loss", [loss for loss in few() if loss.facts.convex], ids=name)
@settings(max_examples=50)
@given(data=st.data())
def test_a_convex_loss_lies_below_its_chords(loss, data):
    # The middle of short numbers is exact: what the value exceeds the chord by is the rounding of values.
    one, other, target = data.draw(batches(loss, short_number, predictions=2))
    middle, *ends = (values(loss, x, target) for x in ((one + other) / 2, one, other))
    rounding = 4 * np.finfo(float).eps * np.maximum(*np.abs(ends))
    assert np.all(middle <= (ends[0] + ends[1]) / 2 + rounding)
