"""Keras on TensorFlow: the same numbers where the definitions agree, and each difference by its size.

Keras takes the target first, averages the last axis before weights are applied, and computes in float32.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from losses_under_test import close, numbers

import amiss

RNG = np.random.default_rng(0)
X, Y = (RNG.normal(size=(6, 2)).astype(np.float32) for _ in range(2))
Z = RNG.normal(size=(6, 3)).astype(np.float32)
P = 1 / (1 + np.exp(-X))
LABELS = (Y > 0).astype(np.float32)
INDEX = np.array([0, 2, 1, 1, 2, 0])
ROWS = np.eye(3, dtype=np.float32)[INDEX]
Q = (np.exp(Z) / np.exp(Z).sum(1, keepdims=True)).astype(np.float32)

LOSSES = keras.losses

SAME = {
    "MeanSquaredError": (amiss.SquaredError(), LOSSES.MeanSquaredError(), X, Y),
    "MeanAbsoluteError": (amiss.AbsoluteError(), LOSSES.MeanAbsoluteError(), X, Y),
    "Huber": (amiss.Huber(delta=0.7), LOSSES.Huber(delta=0.7), X, Y),
    "Hinge": (amiss.Hinge(), LOSSES.Hinge(), X, 2 * LABELS - 1),
    "BinaryCrossentropy": (
        amiss.get("keras.losses.BinaryCrossentropy"),
        LOSSES.BinaryCrossentropy(),
        P,
        LABELS,
    ),
    "BinaryCrossentropy, logits": (
        amiss.BinaryCrossEntropy(),
        LOSSES.BinaryCrossentropy(from_logits=True),
        X,
        LABELS,
    ),
    "BinaryCrossentropy, smoothed": (
        amiss.BinaryCrossEntropy(label_smoothing=0.2),
        LOSSES.BinaryCrossentropy(from_logits=True, label_smoothing=0.2),
        X,
        LABELS,
    ),
    "CategoricalCrossentropy": (
        amiss.get("keras.losses.CategoricalCrossentropy"),
        LOSSES.CategoricalCrossentropy(),
        Q,
        ROWS,
    ),
    "CategoricalCrossentropy, logits": (
        amiss.CrossEntropy(label_smoothing=0.2),
        LOSSES.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2),
        Z,
        ROWS,
    ),
    "SparseCategoricalCrossentropy": (
        amiss.get("keras.losses.SparseCategoricalCrossentropy"),
        LOSSES.SparseCategoricalCrossentropy(),
        Q,
        INDEX,
    ),
    "SparseCategoricalCrossentropy, logits": (
        amiss.CrossEntropy(),
        LOSSES.SparseCategoricalCrossentropy(from_logits=True),
        Z,
        INDEX,
    ),
    "SparseCategoricalCrossentropy, ignored": (
        amiss.CrossEntropy(ignore_index=1),
        LOSSES.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1),
        Z,
        INDEX,
    ),
}


@pytest.mark.parametrize("peer", SAME)
def test_value_and_gradient_are_equal(peer):
    loss, theirs, prediction, target = SAME[peer]
    given = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = theirs(target, given)
    close(loss(given, target), value)
    gradient = numbers(tf.convert_to_tensor(tape.gradient(value, given)))
    if peer.split(",")[0] in ("CategoricalCrossentropy", "SparseCategoricalCrossentropy") and "," not in peer:
        ours = numbers(loss.gradient(given, target))  # Keras divides a row by its sum first
        gradient, ours = (g - (g * prediction).sum(1, keepdims=True) for g in (gradient, ours))
        np.testing.assert_allclose(ours, gradient, rtol=1e-4, atol=1e-5)
        return
    close(loss.gradient(given, target), gradient)


@pytest.mark.parametrize("spelling", [peer for peer in SAME if "," not in peer])
def test_a_spelling_of_keras_means_what_keras_means(spelling):
    _, _, prediction, target = SAME[spelling]
    close(
        amiss.get(f"keras.losses.{spelling}")(prediction, target),
        getattr(LOSSES, spelling)()(target, prediction),
    )


# --- differences ------------------------------------------------------------------------------------------
def test_keras_divides_weighted_losses_by_their_number():
    weight = np.array([1.0, 2.0, 0.0, 1.0, 0.5, 3.0], np.float32)
    theirs = float(LOSSES.MeanSquaredError()(Y, X, sample_weight=weight))
    loss = amiss.SquaredError()
    assert theirs == pytest.approx(float(loss(X, Y, weight, normalizer=X.size)), rel=1e-6)
    assert theirs == pytest.approx(float(loss(X, Y, weight)) * weight.sum() / len(weight), rel=1e-6)
    by_sum = LOSSES.MeanSquaredError(reduction="mean_with_sample_weight")
    assert float(by_sum(Y, X, sample_weight=weight)) == pytest.approx(float(loss(X, Y, weight)), rel=1e-6)


def test_keras_averages_a_vector_before_it_is_weighed():
    error, weight = np.array([1.0, 2.0, 6.0], np.float32), np.array([1.0, 2.0, 5.0], np.float32)
    theirs = LOSSES.MeanSquaredError(reduction="mean_with_sample_weight")(
        0 * error, error, sample_weight=weight
    )
    assert float(theirs) == pytest.approx(np.mean(error**2), rel=1e-6)
    assert float(amiss.SquaredError()(error, 0 * error, weight)) == pytest.approx((1 + 8 + 180) / 8, rel=1e-6)


def test_keras_clips_from_both_sides_so_that_perfection_costs_something():
    one = np.ones((1, 1), np.float32)
    assert float(LOSSES.BinaryCrossentropy()(one, one)) > 5e-8
    assert float(amiss.get("keras.losses.BinaryCrossentropy")(one, one)) == 0.0
    wrong = float(LOSSES.BinaryCrossentropy()(one, 0 * one))
    assert wrong == pytest.approx(16.118, rel=1e-3)
    assert float(amiss.get("keras.losses.BinaryCrossentropy")(0 * one, one)) == pytest.approx(wrong, rel=1e-2)


def test_keras_divides_a_row_by_its_sum():
    row, target = np.array([[0.2, 0.2]], np.float32), np.array([[1.0, 0.0]], np.float32)
    assert float(LOSSES.CategoricalCrossentropy()(target, row)) == pytest.approx(np.log(2), rel=1e-6)
    ours = amiss.get("keras.losses.CategoricalCrossentropy")(row, target)
    assert float(ours) == pytest.approx(-np.log(0.2), rel=1e-6)


def test_keras_turns_labels_of_0_and_1_into_signs():
    score, label = np.array([[0.5], [-2.0]], np.float32), np.array([[0.0], [1.0]], np.float32)
    close(amiss.Hinge()(score, 2 * label - 1), LOSSES.Hinge()(label, score))
    with pytest.raises(amiss.DomainError, match="2 \\* target - 1"):
        amiss.Hinge()(score, label)


def test_keras_squeezes_what_amiss_refuses():
    theirs = LOSSES.MeanSquaredError()(np.arange(3.0), np.arange(3.0)[:, None])
    assert float(theirs) == 0.0
    with pytest.raises(amiss.ShapeError):
        amiss.SquaredError()(np.arange(3.0)[:, None], np.arange(3.0))


def test_keras_computes_float64_in_float32():
    prediction = np.array([[1e16 + 2]])
    assert float(LOSSES.MeanSquaredError()(prediction - 2, prediction)) == 0.0
    assert amiss.SquaredError()(prediction, prediction - 2) == 4.0


def test_an_empty_or_ignored_batch_costs_nothing_in_keras():
    ignored = np.full(6, -1)
    theirs = LOSSES.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    assert float(theirs(ignored, Z)) == 0.0
    assert np.isnan(amiss.CrossEntropy(ignore_index=-1)(Z, ignored))
    assert amiss.CrossEntropy(ignore_index=-1)(Z, ignored, empty="zero") == 0.0
