"""Each bad input is an error that says what is wrong, where, and what is allowed; or has a stated meaning.

The numbers are those of the rows of a catalogue of bad inputs.
"""

import numpy as np
import pytest
from contract.bad_inputs import (
    ALL,
    BOUNDED,
    COUPLED,
    OF_CLASSES,
    OF_NUMBERS,
    PER_ITEM,
    RATED,
    ROWS,
    message,
    outside,
    spoiled,
)
from losses_under_test import (
    LIBRARIES,
    K,
    array,
    classes,
    close,
    draw,
    dtype_name,
    integers,
    name,
    numbers,
    numeric,
    replaced,
    whole_shape,
)

import amiss
from amiss import kernels

IGNORING = [replaced(loss, ignore_index=-100) for loss in ALL if "ignore_index" in loss.parameters()]


# --- the rows that are errors ------------------------------------------------------------------------------
CASES = [
    pytest.param(row, loss, id=f"{row.number} {row.given.__name__.replace('_', ' ')}-{name(loss)}")
    for row in sorted(ROWS, key=lambda row: row.number)
    for loss in row.losses
]


def methods(loss, given):
    """Return the methods that take these arguments."""
    found = [loss, loss.gradient, loss.hessian, loss.value_and_gradient, loss.gradient_and_hessian]
    if "reduction" not in given:
        found.append(loss.total)
    return found if set(given) != {"prediction", "target"} else [*found, loss.error]


def converted(library, x):
    """Return NumPy's numbers as an array of a library; what no library can hold stays as it is."""
    return array(library, x) if isinstance(x, np.ndarray) and x.dtype.kind in "fiubc" else x


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("row", "loss"), CASES)
def test_a_bad_input_is_an_error_that_says_what_is_wrong_and_where(row, loss, library):
    for given, argument, words in row.given(loss):
        here = {key: converted(library, x) for key, x in given.items()}
        for method in methods(loss, given):
            with pytest.raises(row.error) as raised:
                method(**here)
            text = message(raised, loss, argument)
            for word in words:
                assert word in text


LAYOUTS = {
    "every other item": lambda x: np.repeat(x, 2, axis=0)[::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "float32": lambda x: x.astype(np.float32) if x.dtype == np.float64 else x,
}


@pytest.mark.parametrize(("row", "loss"), CASES)
def test_the_kernels_find_it_in_any_memory_layout(row, loss):
    for given, argument, words in row.given(loss):
        for layout in LAYOUTS.values():
            here = {key: layout(x) if isinstance(x, np.ndarray) else x for key, x in given.items()}
            for method in methods(loss, given):
                with pytest.raises(row.error) as raised:
                    method(**here)
                text = message(raised, loss, argument)
                assert all(word in text for word in words)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [*OF_NUMBERS, *BOUNDED, *RATED, *OF_CLASSES], ids=name)
def test_the_kernels_find_the_last_item_of_many(loss, dtype):
    items, last = 50_001, 50_000
    prediction, target = draw(loss, (items,))
    prediction = prediction.astype(dtype)
    if loss in OF_CLASSES:
        target = integers(loss, (items,))
        target[last] = K
    elif loss in OF_NUMBERS:
        target[last] = outside(loss.target_domain)[0]
    if loss in (*BOUNDED, *RATED):
        prediction[last] = outside(loss.prediction_domain)[0]
    with kernels.threads(4):
        for method in (loss, loss.gradient, loss.gradient_and_hessian):
            with pytest.raises(amiss.DomainError, match=rf"(target|prediction)\[{last}(, 0)?\] = "):
                method(prediction, target)


# --- parameters --------------------------------------------------------------------------------------------
NUMBERED = {"delta": 17, "quantile": 19, "label_smoothing": 28, "gamma": 29}
NUMERIC = [
    pytest.param(loss, key, about["domain"], id=f"{NUMBERED.get(key, '')} {key} of {loss.__name__}".lstrip())
    for loss in classes()
    for key, about in numeric(loss).items()
]


@pytest.mark.parametrize(("loss", "key", "domain"), NUMERIC)
def test_a_number_outside_its_domain_is_no_parameter(loss, key, domain):
    ends = [domain.low] * domain.open_low + [domain.high] * domain.open_high
    beyond = [domain.low - 1, domain.high + 1]
    for bad in (np.nan, np.inf, -np.inf, *(x for x in [*ends, *beyond] if np.isfinite(x))):
        with pytest.raises(amiss.ParameterError) as raised:
            loss(**{key: bad})
        text = message(raised, loss.__name__, key)
        assert domain.text in text
        assert repr(float(bad)) in text


# --- the rows that have a meaning --------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ALL, ids=name)
def test_row_5_whole_number_predictions_are_floats_in_numpy_and_refused_as_tensors(loss, library):
    target = draw(loss, (4,))[1]
    inside = [x for x in (1, 0, -1) if x in loss.prediction_domain]
    prediction = np.resize(inside, whole_shape(loss, (4,)))
    if library == "numpy":
        for method in ("__call__", "gradient"):
            result = getattr(loss, method)(prediction, target)
            assert result.dtype == np.float64
            np.testing.assert_array_equal(result, getattr(loss, method)(prediction.astype(float), target))
        return
    with pytest.raises(amiss.DTypeError) as raised:
        loss(array(library, prediction), array(library, target))
    assert "must hold floating-point numbers; got dtype" in message(raised, loss, "prediction")
    assert "int64" in str(raised.value)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ALL, ids=name)
def test_row_6_a_mix_of_float32_and_float64_has_the_dtype_of_the_prediction(loss, library):
    prediction, target = draw(loss, (4,))
    for dtype, other in (("float32", "float64"), ("float64", "float32")):
        here, mixed = array(library, prediction, dtype), array(library, target, other)
        for method in (loss, loss.gradient):
            found = method(here, mixed)
            assert dtype_name(found) == dtype
            rounded = target.astype(np.float32).astype(dtype)
            close(found, method(here, array(library, rounded)), ulps=2)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ALL, ids=name)
def test_row_12_a_negative_weight_takes_an_item_away(loss, library):
    prediction, target = draw(loss, (4,))
    prediction[3], target[3] = prediction[2], target[2]
    given = [array(library, x) for x in (prediction, target, np.array([1.0, 1.0, 1.0, -1.0]))]
    close(loss(*given), loss(prediction[:2], target[:2]), scale=loss(prediction, target))
    close(loss.gradient(*given)[:2], loss.gradient(prediction[:2], target[:2]))


def assert_nothing_to_average(loss, *given):
    """Assert that the mean is NaN, or what `empty` asks for, and that it leaves the weights alone."""
    assert np.isnan(numbers(loss(*given)))
    assert not numbers(loss.gradient(*given)).any()
    assert numbers(loss(*given, empty="zero")) == 0.0
    with pytest.raises(
        amiss.DomainError, match="a mean must have something to average; got a total weight of 0"
    ):
        loss(*given, empty="raise")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ALL, ids=name)
def test_row_14_the_mean_over_weights_of_0_is_nan_with_a_gradient_of_zeros(loss, library):
    assert_nothing_to_average(loss, *(array(library, x) for x in (*draw(loss, (4,)), np.zeros(4))))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", IGNORING, ids=name)
def test_row_15_the_mean_over_ignored_targets_is_nan_with_a_gradient_of_zeros(loss, library):
    given = array(library, draw(loss, (4,))[0]), array(library, np.full(4, -100))
    assert_nothing_to_average(loss, *given)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ALL, ids=name)
def test_row_16_the_mean_over_an_empty_batch_is_nan(loss, library):
    given = [array(library, x) for x in draw(loss, (0,))]
    assert_nothing_to_average(loss, *given)
    assert tuple(loss.gradient(*given).shape) == whole_shape(loss, (0,))
    if loss in PER_ITEM:
        assert numbers(loss(*given, reduction="sum")) == 0.0


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ALL, ids=name)
def test_row_26_a_nan_prediction_gives_nan_for_its_item_and_no_error(loss, library):
    fine, target = draw(loss, (4,))
    given = array(library, spoiled(fine, 1, np.nan)), array(library, target)
    assert np.isnan(numbers(loss(*given)))
    if loss in COUPLED:
        assert np.isnan(numbers(loss.gradient(*given))).all()
        return
    np.testing.assert_array_equal(
        np.isnan(numbers(loss(*given, reduction="none"))), [False, True, False, False]
    )
    for method in ("gradient", "hessian"):
        result, constant = (
            numbers(getattr(loss, method)(*x, reduction="sum")).reshape(4, -1)
            for x in (given, (fine, target))
        )
        assert not np.isnan(result[[0, 2, 3]]).any()
        assert np.isnan(result[1]).all() or np.array_equal(result[1], constant[1])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", OF_CLASSES, ids=name)
def test_row_36_soft_rows_need_not_sum_to_1_and_have_the_true_derivative(loss, library):
    prediction, target = draw(loss, (1,))
    target = np.array([[0.2, 0.5, 0.1]])
    gradient = numbers(loss.gradient(array(library, prediction), array(library, target)))
    for k in range(K):
        step = np.zeros_like(prediction)
        step[0, k] = 1e-6
        above, below = (loss(prediction + sign * step, target) for sign in (1, -1))
        assert gradient[0, k] == pytest.approx((above - below) / 2e-6, rel=1e-6, abs=1e-8)


# --- the losses that are new: which row each must meet, and what a loss of a whole batch refuses -----
MET = {  # of each row, the losses that it met before and those that are new
    15: [["CrossEntropy"], ["Dice"]],
    17: [["Huber"], []],
    19: [["Pinball"], []],
    20: [[], ["Poisson"]],
    21: [[], ["Poisson"]],
    25: [["BinaryCrossEntropy", "CrossEntropy"], ["Dice", "KLDivergence"]],
    27: [["BinaryCrossEntropy"], ["BinaryFocal"]],
    28: [["BinaryCrossEntropy", "CrossEntropy"], []],
    29: [[], ["BinaryFocal"]],
    30: [["Hinge", "SquaredHinge"], []],
    31: [["CrossEntropy"], ["Dice", "KLDivergence"]],
    34: [["CrossEntropy"], ["CosineDistance", "Dice", "KLDivergence"]],
    35: [["CrossEntropy"], []],
}


@pytest.mark.parametrize("number", MET)
def test_no_row_is_met_by_no_loss(number):
    met = {type(loss).__name__ for row in ROWS if row.number == number for loss in row.losses}
    met |= {case.values[0].__name__ for case in NUMERIC if NUMBERED.get(case.values[1]) == number}
    met |= {type(loss).__name__ for loss in IGNORING if number == 15}
    before, new = MET[number]
    assert met >= {*before, *new}


@pytest.mark.parametrize("loss", ["RootMeanSquaredError", "Dice"])
@pytest.mark.parametrize(
    "given", [{"reduction": "none"}, {"normalizer": 2}, {"reduction": None}, {"empty": "ignore"}], ids=str
)
def test_a_loss_of_a_whole_batch_is_one_number_that_nothing_divides(loss, given):
    loss = getattr(amiss, loss)()
    for method in (loss, loss.gradient, loss.value_and_gradient):
        with pytest.raises(amiss.ParameterError) as raised:
            method(*draw(loss, (4,)), **given)
        key, value = next(iter(given.items()))
        text = message(raised, loss, "")
        assert key in text
        assert repr(value) in text
