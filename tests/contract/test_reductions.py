"""The mean is Σ w·l / Σ w, whatever removes items; nothing to average is NaN and moves no parameter."""

import copy
import pickle
from dataclasses import replace

import jax
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from losses_under_test import (
    LIBRARIES,
    TRACED,
    K,
    array,
    cases,
    close,
    draw,
    few,
    hard,
    integers,
    is_batch,
    is_row,
    itemised,
    name,
    numbers,
    rows,
    tape_gradient,
    variants,
)

import amiss

WEIGHT = np.array([1.0, 0.5, 2.0, 0.0])
WEIGHTED = [
    replace(loss, class_weight=(0.5, 2.0, 1.0), label_smoothing=smoothing)
    for loss in rows(variants())
    for smoothing in (0.0, 0.3)
    if "class_weight" in loss.parameters()
]
IGNORING = [
    replace(loss, ignore_index=-100) for loss in rows(variants()) if "ignore_index" in loss.parameters()
]


def mass(loss, target):
    """Return each item's share of the divisor: 1, or the weight of its classes."""
    if getattr(loss, "class_weight", None) is None:
        return np.ones(target.shape[: -1 if is_row(loss) else None])
    return target @ np.array(loss.class_weight)


def spread(loss, items):
    """Return one number per item in a shape that multiplies predictions."""
    return items[..., None] if is_row(loss) else items


def by_tape(library, loss, prediction, *arguments, **options):
    """Return the gradient of the value by the library's own differentiation."""
    return tape_gradient(library, lambda x: loss(x, *arguments, **options), prediction)


# --- what a reduction is ---------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", itemised(cases()), ids=name)
def test_each_reduction_is_what_its_name_says(loss, library):
    prediction, target = draw(loss, (4,))
    here = [array(library, x) for x in (prediction, target, WEIGHT)]
    items = loss(prediction, target, reduction="none")
    share = mass(loss, target) * WEIGHT
    close(loss(*here, "none"), WEIGHT * items)
    close(loss(*here, "sum"), np.sum(WEIGHT * items))
    close(loss(*here, "mean"), np.sum(WEIGHT * items) / np.sum(share))
    close(loss(*here), np.sum(WEIGHT * items) / np.sum(share))
    close(loss(*here[:2]), np.sum(items) / np.sum(mass(loss, target)))


@pytest.mark.parametrize("quantity", ["gradient", "hessian"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", itemised(few()), ids=name)
def test_derivatives_are_those_of_the_reduced_value(loss, library, quantity):
    prediction, target = draw(loss, (4,))
    here = [array(library, x) for x in (prediction, target, WEIGHT)]
    each = getattr(loss, quantity)(prediction, target, reduction="none") * spread(loss, WEIGHT)
    method = getattr(loss, quantity)
    close(method(*here, "none"), each)
    close(method(*here, "sum"), each)
    close(method(*here, "mean"), each / np.sum(mass(loss, target) * WEIGHT))
    close(method(*here, "mean", 7.0), each / 7.0)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", itemised(few()), ids=name)
def test_a_normalizer_takes_the_place_of_the_divisor(loss, library):
    prediction, target = draw(loss, (4,))
    here = [array(library, x) for x in (prediction, target, WEIGHT)]
    expected = loss(prediction, target, WEIGHT, "sum") / 4.0
    for normalizer in (4, 4.0, array(library, np.array(4.0)), array(library, np.array(4))):
        close(loss(*here, normalizer=normalizer), expected)
        close(
            loss.gradient(*here, normalizer=normalizer),
            loss.gradient(prediction, target, WEIGHT, "sum") / 4.0,
        )


@pytest.mark.parametrize("loss", itemised(variants()), ids=name)
def test_a_normalizer_may_be_traced(loss):
    prediction, target = draw(loss, (4,))
    found = jax.jit(lambda p, t, n: loss(p, t, normalizer=n))(prediction, target, 4.0)
    close(found, loss(prediction, target, reduction="sum") / 4.0)


# --- weights -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", few(), ids=name)
def test_a_weight_of_2_is_the_item_twice(loss, library):
    prediction, target = draw(loss, (4,))
    twice = np.array([0, 1, 1, 2, 3])
    here = [array(library, x) for x in (prediction, target, np.array([1.0, 2.0, 1.0, 1.0]))]
    for reduction in ("mean", "sum"):
        close(loss(*here, reduction), loss(prediction[twice], target[twice], None, reduction))
        doubled = loss.gradient(prediction[twice], target[twice], None, reduction)
        close(loss.gradient(*here, reduction), np.stack([doubled[twice == i].sum(0) for i in range(4)]))


BAD = [(value, spoils) for value in (np.nan, np.inf, -np.inf) for spoils in ("prediction", "target", "both")]


def with_bad_items(prediction, target):
    """Return the items, and behind them one for each way in which prediction or target is not finite."""
    items = len(prediction)
    prediction, target = (np.concatenate([x, x[:1].repeat(len(BAD), 0)]) for x in (prediction, target))
    for item, (value, spoils) in enumerate(BAD, items):
        if spoils != "target":
            prediction[item] = value
        if spoils != "prediction":
            target[item] = value
    return prediction, target


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", few(), ids=name)
def test_a_weight_of_0_removes_nan_and_infinity_from_value_and_gradient(loss, library):
    prediction, target = draw(loss, (4,))
    weight = np.concatenate([WEIGHT, np.zeros(len(BAD))])
    here = [array(library, x) for x in (*with_bad_items(prediction, target), weight)]
    kept = prediction[:3], target[:3], WEIGHT[:3]
    close(loss(*here), loss(*kept))
    gradients = [loss.gradient(*here)]
    if library != "numpy":
        gradients.append(by_tape(library, loss, *here))
    for gradient in gradients:
        close(gradient[:3], loss.gradient(*kept))
        assert np.all(numbers(gradient)[3:] == 0.0)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", itemised(few()), ids=name)
def test_negative_weights_are_legal(loss, library):
    prediction, target = draw(loss, (4,))
    weight = np.array([1.0, -2.0, 3.0, -0.5])
    here = [array(library, x) for x in (prediction, target, weight)]
    items = loss(prediction, target, reduction="none")
    size = np.sum(np.abs(weight * items))  # of what cancels
    divisor = np.sum(weight * mass(loss, target))
    close(loss(*here, "sum"), np.sum(weight * items), scale=size)
    close(loss(*here), np.sum(weight * items) / divisor, scale=size / abs(divisor))
    close(
        loss.gradient(*here, "sum"), spread(loss, weight) * loss.gradient(prediction, target, reduction="sum")
    )


@given(weights=st.lists(st.integers(0, 3), min_size=1, max_size=6))
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_whole_weights_are_repetitions(loss, weights):
    prediction, target = draw(loss, (len(weights),))
    repeated = np.repeat(np.arange(len(weights)), weights)
    for reduction in ("mean", "sum"):
        found = loss.value_and_gradient(prediction, target, np.array(weights, float), reduction)
        value, each = loss.value_and_gradient(prediction[repeated], target[repeated], None, reduction)
        # Where rows do not sum to 1 a divergence may be negative: the mean is then smaller than its terms.
        terms = 0.0 if is_batch(loss) else np.max(np.abs(loss(prediction, target, reduction="none")))
        close(found[0], value, scale=terms)
        close(found[1], np.stack([each[repeated == i].sum(0) for i in range(len(weights))]))


# --- classes -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", WEIGHTED, ids=name)
def test_class_weights_count_alike_for_an_index_and_its_one_hot_row(loss, library):
    prediction, _ = draw(loss, (4,))
    index, row = integers(loss, (4,)), hard(loss, (4,))
    divisor = np.sum(WEIGHT * np.array(loss.class_weight)[index])
    for target in (index, row, row.astype(np.int64)):
        here = [array(library, x) for x in (prediction, target, WEIGHT)]
        close(loss(*here), loss(prediction, index, WEIGHT, "sum") / divisor)
        close(loss.gradient(*here), loss.gradient(prediction, index, WEIGHT, "sum") / divisor)
        close(loss.total(*here).weight, divisor)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", WEIGHTED, ids=name)
def test_the_divisor_of_soft_rows_is_their_weighted_mass_without_smoothing(loss, library):
    prediction, target = draw(loss, (4,))
    divisor = np.sum(WEIGHT[:, None] * np.array(loss.class_weight) * target)
    here = [array(library, x) for x in (prediction, target, WEIGHT)]
    close(loss(*here), loss(prediction, target, WEIGHT, "sum") / divisor)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", IGNORING, ids=name)
def test_an_ignored_item_counts_for_nothing(loss, library):
    prediction, index = draw(loss, (4,))[0], integers(loss, (4,))
    index[[1, 3]] = -100
    kept = index != -100
    spoiled = prediction.copy()
    spoiled[1] = np.nan
    for weight in (None, WEIGHT):
        here = [
            array(library, spoiled),
            array(library, index),
            None if weight is None else array(library, weight),
        ]
        left = prediction[kept], index[kept], None if weight is None else weight[kept]
        close(loss(*here), loss(*left))
        close(loss(*here, "sum"), loss(*left, "sum"))
        assert np.all(numbers(loss(*here, "none"))[~kept] == 0.0)
        expected = np.zeros_like(prediction)
        expected[kept] = loss.gradient(*left)
        close(loss.gradient(*here), expected)
        if library != "numpy":
            close(by_tape(library, loss, *here), expected)


@pytest.mark.parametrize("loss", IGNORING, ids=name)
def test_an_ignored_class_index_may_be_a_class(loss):
    loss = replace(loss, ignore_index=1)
    prediction, index = draw(loss, (4,))[0], np.array([0, 1, 2, 1])
    kept = index != 1
    close(loss(prediction, index), loss(prediction[kept], index[kept]))


# --- nothing to average ----------------------------------------------------------------------------------
def nothing(loss):
    """Yield inputs of which no item counts: an empty batch, only weights of 0, only ignored items."""
    prediction, target = draw(loss, (4,))
    yield prediction[:0], target[:0], None
    yield prediction, target, np.zeros(4)
    if "ignore_index" in loss.parameters():
        yield prediction, np.full(4, -100), None


def with_ignoring(loss):
    return replace(loss, ignore_index=-100) if "ignore_index" in loss.parameters() else loss


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", few(), ids=name)
def test_the_mean_over_nothing_is_nan_with_a_gradient_of_zeros(loss, library):
    loss = with_ignoring(loss)
    for inputs in nothing(loss):
        here = [None if x is None else array(library, x) for x in inputs]
        assert np.isnan(numbers(loss(*here)))
        assert np.all(numbers(loss(*here, empty="zero")) == 0.0)
        assert is_batch(loss) or numbers(loss(*here, "sum")) == 0.0
        for gradient in (
            *loss.gradient_and_hessian(*here),
            loss.hessian_product(*here[:2], here[0], here[2]),
        ):
            assert tuple(gradient.shape) == inputs[0].shape
            assert np.all(numbers(gradient) == 0.0)
        if library != "numpy":
            assert np.all(numbers(by_tape(library, loss, *here)) == 0.0)
            assert np.all(numbers(by_tape(library, loss, *here, empty="zero")) == 0.0)
        for method in (loss, loss.gradient, loss.value_and_gradient):
            with pytest.raises(amiss.DomainError, match="a mean must have something to average"):
                method(*here, empty="raise")


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_the_mean_over_nothing_is_the_same_in_traced_programs(loss):
    loss = with_ignoring(loss)
    every = jax.jit(lambda batches: [jax.value_and_grad(loss)(*batch) for batch in batches])
    for value, gradient in every([*nothing(loss)]):
        assert np.isnan(value)
        assert np.all(gradient == 0.0)
    for prediction, target, weight in nothing(loss):
        with pytest.raises(amiss.ParameterError, match=r"empty='raise' must see the values; .*traced"):
            jax.jit(lambda p, t, w=weight: loss(p, t, w, empty="raise"))(prediction, target)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_weights_that_cancel_leave_nothing_to_divide_by(loss, library):
    here = [array(library, x) for x in (*draw(loss, (4,)), np.array([1.0, -2.0, 0.5, 0.5]))]
    assert np.isnan(numbers(loss(*here)))
    assert np.all(numbers(loss.gradient(*here)) == 0.0)
    if not is_batch(loss):
        close(loss(*here, normalizer=4.0), loss(*here, "sum") / 4.0)


@pytest.mark.parametrize("library", TRACED)
@pytest.mark.parametrize("loss", itemised(variants()), ids=name)
def test_a_normalizer_of_an_empty_batch_gives_zero(loss, library):
    # One rank of many without an item adds nothing to the sum over all of them.
    prediction, target = (array(library, x[:0]) for x in draw(loss, (4,)))
    assert numbers(loss(prediction, target, normalizer=10)) == 0.0


# --- totals ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", few(), ids=name)
def test_totals_of_micro_batches_add_to_the_whole_exactly(loss, library):
    # These weights add without rounding, so that "exactly" can be asked of them; the sums are rounded.
    prediction, target = draw(loss, (4,))
    here = [array(library, x) for x in (prediction, target, WEIGHT)]
    parts = [loss.total(*(x[piece] for x in here)) for piece in (slice(0, 1), slice(1, 1), slice(1, 4))]
    whole = loss.total(*here)
    for together in (sum(parts), sum(parts[::-1]), parts[0] + (parts[1] + parts[2])):
        if not is_batch(loss):
            close(together.sum, numbers(whole.sum), ulps=8)
        close(
            together.weight,
            numbers(whole.weight),
            ulps=0 if getattr(loss, "class_weight", None) is None else 4,
        )
        close(together.mean, loss(prediction, target, WEIGHT))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_the_total_of_nothing_has_no_mean_and_changes_none(loss, library):
    prediction, target = (array(library, x) for x in draw(loss, (4,)))
    empty = loss.total(prediction[:0], target[:0])
    assert np.isnan(numbers(empty.mean))
    assert numbers((empty + loss.total(prediction, target)).mean) == numbers(
        loss.total(prediction, target).mean
    )


@pytest.mark.parametrize("library", TRACED)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_totals_are_differentiable(loss, library):
    prediction, target = (array(library, x) for x in draw(loss, (4,)))

    def mean(p, t):
        return (loss.total(p[:1], t[:1]) + loss.total(p[1:], t[1:])).mean

    close(by_tape(library, mean, prediction, target), loss.gradient(prediction, target))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", [*few(), *WEIGHTED, *IGNORING], ids=name)
def test_the_total_weight_is_the_divisor(loss, library):
    prediction, soft = draw(loss, (4,))
    whole = integers(loss, (4,))
    if getattr(loss, "ignore_index", None) is not None:
        whole[1] = -100
    for target in (soft, whole):
        for weight in (None, WEIGHT):
            given = [array(library, target), None if weight is None else array(library, weight)]
            close(loss.total_weight(*given), loss.total(prediction, target, weight).weight)
    assert numbers(loss.total_weight(array(library, soft[:0]))) == 0.0


def test_a_total_of_one_loss_adds_to_totals_alone():
    with pytest.raises(TypeError):
        amiss.Huber().total([1.0], [0.0]) + 1.0


# --- combinations ----------------------------------------------------------------------------------------
LOSS = 0.5 * amiss.SquaredError() + 2 * amiss.AbsoluteError()
X, Y = np.array([0.5, -2.0, 3.0]), np.array([0.0, 1.0, 3.5])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_terms_of_a_combination_add_up_to_it(library, reduction):
    here = [array(library, x) for x in (X, Y, np.array([1.0, 0.0, 2.0]))]
    terms = LOSS.terms(*here, reduction)
    assert list(terms) == ["0.5 * SquaredError()", "2.0 * AbsoluteError()"]
    close(LOSS(*here, reduction), sum(numbers(term) for term in terms.values()))
    for method in ("gradient", "hessian"):
        expected = 0.5 * getattr(amiss.SquaredError(), method)(*here, reduction)
        expected = expected + 2 * getattr(amiss.AbsoluteError(), method)(*here, reduction)
        close(getattr(LOSS, method)(*here, reduction), expected)
    if library != "numpy" and reduction != "none":
        close(by_tape(library, LOSS, *here, reduction), LOSS.gradient(*here, reduction))


def test_each_term_is_divided_by_its_own_divisor():
    loss = amiss.CrossEntropy() + amiss.CrossEntropy(class_weight=(1.0, 5.0, 1.0))
    prediction, target = np.random.default_rng(0).normal(size=(4, K)), np.array([0, 1, 1, 2])
    expected = sum(term(prediction, target) for _, term in loss.parts)
    close(loss(prediction, target), expected)
    close(loss.total(prediction, target).mean, expected)


def test_losses_scale_subtract_and_divide():
    squared, absolute = amiss.SquaredError(), amiss.AbsoluteError()
    plain, other = squared(X, Y), absolute(X, Y)
    for loss, expected in (
        (3 * squared, 3 * plain),
        (squared * 3, 3 * plain),
        (squared / 4, plain / 4),
        (-squared, -plain),
        (squared - absolute, plain - other),
        (2 * (squared + 3 * absolute), 2 * plain + 6 * other),
        (squared + absolute + squared, 2 * plain + other),
        (sum([squared, absolute]), plain + other),
        (sum([squared + absolute, absolute]), plain + 2 * other),
    ):
        close(loss(X, Y), expected)


def test_equal_losses_in_a_combination_are_merged():
    loss = amiss.Huber() + amiss.SquaredError() + 2 * amiss.Huber()
    assert loss == 3 * amiss.Huber() + amiss.SquaredError()
    assert repr(loss) == "3.0 * Huber(delta=1.0) + 1.0 * SquaredError()"


def test_a_combination_is_a_value():
    again = 0.5 * amiss.SquaredError() + 2 * amiss.AbsoluteError()
    assert again == LOSS
    assert hash(again) == hash(LOSS)
    assert LOSS != 2 * LOSS
    assert pickle.loads(pickle.dumps(LOSS)) == LOSS
    assert copy.deepcopy(LOSS) == LOSS
    assert eval(repr(LOSS), {**vars(amiss)}) == LOSS


def test_totals_of_a_combination_add_term_by_term():
    parts = [LOSS.total(X[piece], Y[piece]) for piece in (slice(0, 1), slice(1, 3))]
    close(sum(parts[1:], parts[0]).mean, LOSS(X, Y))
    close(sum(parts).mean, LOSS(X, Y))


def test_the_total_weight_of_several_terms_is_refused():
    with pytest.raises(amiss.ParameterError, match="must be asked of one loss; got 2 terms"):
        LOSS.total_weight(Y)
    assert (2 * amiss.Huber()).total_weight(Y) == 3.0


@pytest.mark.parametrize(
    "factor", [True, "2", None, np.nan, np.inf, 1j, np.ones(2), torch.tensor(2.0)], ids=str
)
def test_a_factor_is_a_finite_python_number(factor):
    with pytest.raises(amiss.ParameterError, match="multiplied by a finite Python number"):
        amiss.Huber() * factor


def test_a_loss_adds_to_losses_alone():
    for wrong in (1.0, "mse", None):
        with pytest.raises(TypeError):
            amiss.Huber() + wrong
        with pytest.raises(TypeError):
            wrong + amiss.Huber()


def test_a_term_of_factor_0_claims_nothing():
    assert (0 * amiss.SquaredError() + amiss.AbsoluteError()).facts.lipschitz == 1.0
    assert (0 * amiss.SquaredError() + 0 * amiss.AbsoluteError()).facts.lipschitz == 0.0


def test_unreduced_terms_of_different_items_are_refused():
    loss = amiss.SquaredError() + amiss.CrossEntropy()
    rows = np.zeros((2, K))
    with pytest.raises(amiss.ShapeError, match="the terms must have one number per item alike"):
        loss(rows, np.eye(K)[:2], reduction="none")
