"""A catalogue of bad inputs: how each is given, what it raises, and what the message must say.

The rows that are missing here have a meaning, or concern other losses.
"""

import re
from typing import Any, NamedTuple

import numpy as np
from losses_under_test import (
    K,
    draw,
    elementwise,
    has_labels,
    integers,
    members,
    replaced,
    variants,
    whole_shape,
)

import amiss

ALL = variants()
OF_ROWS = [loss for loss in ALL if whole_shape(loss, ()) != ()]
OF_CLASSES = [loss for loss in OF_ROWS if has_labels(loss)]
OF_NUMBERS = [loss for loss in elementwise(ALL) if not loss.target_domain.everything]
SIGNED = [loss for loss in OF_NUMBERS if members(loss)]
COUNTED = [loss for loss in OF_NUMBERS if loss.target_domain.low == 0.0 < loss.target_domain.high == np.inf]
LABELLED = [loss for loss in [*OF_NUMBERS, *OF_CLASSES] if loss not in (*SIGNED, *COUNTED)]
RATED = [loss for loss in ALL if loss.prediction_domain.low == 0.0 < loss.prediction_domain.high == np.inf]
BOUNDED = [loss for loss in ALL if not loss.prediction_domain.everything and loss not in RATED]
COUPLED = [loss for loss in ALL if type(loss).__name__ in ("RootMeanSquaredError", "Dice")]
"""The losses with one value for a whole batch, which is NaN where an item is."""
PER_ITEM = [loss for loss in ALL if loss not in COUPLED]
FOR_TWO = [replaced(loss, class_weight=(1.0, 2.0)) for loss in ALL if "class_weight" in loss.parameters()]

TEXT = re.compile(r"^(?P<loss>\w+): (?P<argument>[\w ,-]+?) must .+; got .+\.$", re.DOTALL)


def message(raised, loss, argument):
    """Assert that an error's text has the form of all errors, and return it."""
    text = str(raised.value)
    found = TEXT.match(text)
    assert found, text
    assert found["loss"] == (loss if isinstance(loss, str) else type(loss).__name__)
    assert argument in found["argument"]
    return text


def outside(domain):
    """Return numbers outside a domain: just beyond its ends, or none of its members."""
    if domain.members is not None:
        return [0.0, 2.0, np.nan]
    beyond = [domain.low - 0.5, domain.high + 0.5, domain.high + 3]
    return [x for x in beyond if np.isfinite(x) and x not in domain]


def spoiled(x, place, value):
    """Return a copy with another value at a place."""
    x = np.array(x, dtype=np.float64)
    x[place] = value
    return x


class Row(NamedTuple):
    """A bad input: which losses it concerns, what it raises, and how it is given.

    `given` yields the arguments of a call, which of them is to blame, and what the message must say.
    """

    number: int
    losses: list[Any]
    error: type[Exception]
    given: Any


ROWS = []


def row(number, losses, error):
    """Take a generator of arguments up as a row."""

    def take_up(given):
        ROWS.append(Row(number, losses, error, given))
        return given

    return take_up


# --- shapes ------------------------------------------------------------------------------------------------
def mismatch(prediction, target):
    """Return a call with two shapes that differ, which the message must name."""
    words = str(prediction.shape), str(target.shape)
    return {"prediction": prediction, "target": target}, "target", words


@row(1, ALL, amiss.ShapeError)
def three_predictions_and_four_targets(loss):
    yield mismatch(draw(loss, (3,))[0], draw(loss, (4,))[1])


@row(2, ALL, amiss.ShapeError)
def a_vector_and_a_column(loss):
    prediction, target = draw(loss, (3,))
    yield mismatch(prediction, target[:, None])
    yield mismatch(prediction[:, None], target)


@row(3, ALL, amiss.ShapeError)
def a_column_and_a_row(loss):
    prediction, target = draw(loss, (3,))
    yield mismatch(prediction[:, None], target[None])


@row(4, ALL, amiss.ShapeError)
def two_by_three_and_two_by_two(loss):
    yield mismatch(draw(loss, (2, 3))[0], draw(loss, (2, 2))[1])


@row(11, ALL, amiss.ShapeError)
def a_weight_of_another_length(loss):
    prediction, target = draw(loss, (4,))
    for shape in ((3,), (5,), (0,), (4, 1)):
        words = "the items' shape (4,)", f"got {shape}"
        yield {"prediction": prediction, "target": target, "weight": np.ones(shape)}, "weight", words


@row(34, OF_ROWS, amiss.ShapeError)
def no_classes(loss):
    target = np.zeros(2, np.int64) if loss in OF_CLASSES else np.zeros((2, 0))
    yield {"prediction": np.zeros((2, 0)), "target": target}, "prediction", ["got shape (2, 0)"]


@row(35, FOR_TWO, amiss.ShapeError)
def two_class_weights_for_three_classes(loss):
    words = "one entry per class", "got 2 entries for 3 classes"
    yield {"prediction": draw(loss, (4,))[0], "target": integers(loss, (4,))}, "class_weight", words


# --- types -------------------------------------------------------------------------------------------------
def anywhere(loss, bad, words):
    """Yield calls with something bad for prediction, target and weight."""
    fine = dict(zip(("prediction", "target"), draw(loss, (2,)), strict=True))
    for argument in ("prediction", "target", "weight"):
        yield fine | {argument: bad}, argument, [words]


@row(7, ALL, amiss.DTypeError)
def strings(loss):
    yield from anywhere(loss, np.array(["a", "b"]), "numbers; got dtype <U1")
    yield from anywhere(loss, ["yes", "no"], "numbers; got dtype <U3")


@row(8, ALL, amiss.DTypeError)
def nothing_at_all(loss):
    *wrong, _ = anywhere(loss, None, "an array of numbers; got None")  # no weight is no error
    yield from wrong


@row(9, ALL, amiss.DTypeError)
def complex_numbers_objects_and_dates(loss):
    yield from anywhere(loss, np.array([1j, 0]), "complex128")
    yield from anywhere(loss, np.array([None, 1], dtype=object), "numbers; got dtype object")
    dates = np.array(["2020-01-01"] * 2, dtype="datetime64[D]")
    yield from anywhere(loss, dates, "numbers; got dtype datetime64[D]")


@row(33, OF_CLASSES, amiss.DTypeError)
def a_class_of_one_half(loss):
    words = "must hold whole numbers to be class indices", "got dtype"
    yield {"prediction": draw(loss, (4,))[0], "target": np.full(4, 0.5)}, "target", words


# --- values ------------------------------------------------------------------------------------------------
def place_in(loss):
    """Return the index of a number in item 1, and how a message writes it."""
    return ((1, 2), "1, 2") if loss in OF_ROWS else ((1,), "1")


def bad_targets(loss, numbers_outside):
    """Yield calls with a target outside its domain in item 1."""
    prediction, target = draw(loss, (4,))
    domain, (place, written) = loss.target_domain, place_in(loss)
    for bad in numbers_outside:
        words = f"must be {domain.text}; got target[{written}] = {bad}", domain.remedy
        yield {"prediction": prediction, "target": spoiled(target, place, bad)}, "target", words


def bad_predictions(loss, remedy):
    """Yield calls with a prediction outside its domain in item 1."""
    prediction, target = draw(loss, (4,))
    domain, (place, written) = loss.prediction_domain, place_in(loss)
    for bad in [*outside(domain), np.inf]:
        words = f"must be {domain.text}; got prediction[{written}] = {bad}", remedy
        yield {"prediction": spoiled(prediction, place, bad), "target": target}, "prediction", words


@row(10, ALL, amiss.ParameterError)
def the_reduction_average(loss):
    prediction, target = draw(loss, (4,))
    words = ["must be one of 'mean', 'sum', 'none'; got 'average'"]
    yield {"prediction": prediction, "target": target, "reduction": "average"}, "reduction", words


@row(13, ALL, amiss.DomainError)
def a_weight_that_is_nan(loss):
    prediction, target = draw(loss, (4,))
    words = ["must be a number; got weight[2] = nan"]
    weight = np.array([1.0, 1.0, np.nan, 1.0])
    yield {"prediction": prediction, "target": target, "weight": weight}, "weight", words


@row(20, COUNTED, amiss.DomainError)
def a_count_below_0(loss):
    yield from bad_targets(loss, [-1.0, -0.5, np.nan, np.inf])
    counts = integers(loss, (4,))
    counts[2] = -3
    yield {"prediction": draw(loss, (4,))[0], "target": counts}, "target", ["got target[2] = -3"]


@row(21, RATED, amiss.DomainError)
def a_rate_below_0(loss):
    yield from bad_predictions(loss, loss.prediction_domain.remedy)


@row(25, BOUNDED, amiss.DomainError)
def a_probability_above_1_or_below_0(loss):
    yield from bad_predictions(loss, 'input="logits"')


@row(27, LABELLED, amiss.DomainError)
def a_label_of_2_or_minus_1(loss):
    yield from bad_targets(loss, [2.0, -1.0, *outside(loss.target_domain), np.nan])
    if loss in OF_NUMBERS:
        labels = integers(loss, (4,))
        labels[2] = 3
        yield {"prediction": draw(loss, (4,))[0], "target": labels}, "target", ["got target[2] = 3"]


@row(30, SIGNED, amiss.DomainError)
def hinge_labels_0_1_and_2(loss):
    target = np.array([0.0, 1.0, 2.0, -1.0])
    words = "must be -1 or +1; got target[0] = 0.0", "1 more entry is outside too", "2 * target - 1"
    yield {"prediction": draw(loss, (4,))[0], "target": target}, "target", words
    yield {"prediction": draw(loss, (4,))[0], "target": target.astype(int)}, "target", ["got target[0] = 0"]


@row(37, SIGNED, amiss.DomainError)
def a_sign_of_0(loss):
    yield from bad_targets(loss, [0.0, 2.0, np.nan])


def bad_classes(loss, indices):
    """Yield calls with a class index out of range at position [1, 2]."""
    for bad in indices:
        target = integers(loss, (2, 4))
        target[1, 2] = bad
        words = f"must be a class index in 0..{K - 1}; got target[1, 2] = {bad}", "ignore_index="
        yield {"prediction": draw(loss, (2, 4))[0], "target": target}, "target", words


@row(31, OF_CLASSES, amiss.DomainError)
def a_class_as_large_as_their_number(loss):
    yield from bad_classes(loss, [K, K + 97])


@row(32, OF_CLASSES, amiss.DomainError)
def a_class_of_minus_1(loss):
    yield from bad_classes(loss, [-1, -100])
