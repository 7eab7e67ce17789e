"""What TensorFlow is known to get wrong: each defect shown there, and the right answer of amiss."""

import numpy as np
import pytest
import tensorflow as tf
from losses_under_test import close, numbers
from peers.truth import cross_entropy, off, probabilities, sigmoid

import amiss


def by_tape(function, x):
    """Return the value of a function of an array and its derivative by a tape."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return numbers(value), numbers(tape.gradient(value, x))


@pytest.mark.parametrize("target", [[0.0, 0.0, 0.0], [0.2, 0.5, 0.1]], ids=str)
def test_the_gradient_of_a_row_that_does_not_sum_to_1_is_not_the_derivative(target):
    # Seen in tensorflow/tensorflow#2327. Each share t of a class has the derivative t (p - one-hot).
    row, target = np.array([[1.0, 2.0, 3.0]]), np.array([target])
    p = np.array([probabilities(row[0])])
    value, theirs = by_tape(lambda z: tf.nn.softmax_cross_entropy_with_logits(target, z), row)
    value_of_classes = [cross_entropy(row[0], k) for k in range(3)]
    assert value == pytest.approx(target @ value_of_classes)
    np.testing.assert_allclose(theirs, p - target)
    close(amiss.CrossEntropy().gradient(tf.constant(row), tf.constant(target)), target.sum() * p - target)


def test_a_class_ruled_out_makes_the_loss_of_a_soft_target_nan():
    row, target = tf.constant([[0.3, -np.inf, 1.1]]), tf.constant([[0.0, 0.0, 1.0]])
    assert np.isnan(tf.nn.softmax_cross_entropy_with_logits(target, row)).all()
    close(amiss.CrossEntropy()(row, target), cross_entropy(row[0], 2), ulps=4)


def test_a_mean_overflows_that_a_float_can_hold():
    x, zero = np.full(2, 3.4e38, np.float32), np.zeros(2, np.float32)
    assert tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(zero, x)) == np.inf
    assert amiss.BinaryCrossEntropy()(x, zero) == x[0]


def test_a_binary_label_of_2_makes_the_loss_negative():
    five, two = tf.constant([5.0]), tf.constant([2.0])
    assert tf.nn.sigmoid_cross_entropy_with_logits(two, five)[0] < -4.9
    with pytest.raises(amiss.DomainError, match=r"got target\[0\] = 2.0"):
        amiss.BinaryCrossEntropy()(five, two)


@pytest.mark.parametrize(
    ("dtype", "gap", "lost"),
    [("float32", 15.0, 0.16), ("float32", 17.0, 1.0), ("float64", 30.0, 0.001), ("float64", 37.0, 1.0)],
)
def test_the_cross_entropy_of_a_confident_right_answer_is_wrong(dtype, gap, lost):
    row, index = np.array([[gap, 0.0]], dtype), np.array([0])
    truth, rest = cross_entropy(row[0], 0), sigmoid(-gap)
    for theirs, target in (
        (tf.nn.sparse_softmax_cross_entropy_with_logits, index),
        (tf.nn.softmax_cross_entropy_with_logits, np.array([[1.0, 0.0]], dtype)),
    ):
        value, gradient = by_tape(lambda z, theirs=theirs, target=target: theirs(target, z), row)
        assert off(value[0], truth) >= lost
        assert off(gradient[0, 0], -rest) >= lost
    close(amiss.CrossEntropy()(tf.constant(row), tf.constant(index)), truth, ulps=4)
    close(amiss.CrossEntropy().gradient(tf.constant(row), tf.constant(index)), [[-rest, rest]], ulps=4)


# --- the losses that are new: Poisson ------------------------
def test_a_count_of_minus_1_is_taken():
    log_rate, count = tf.constant([0.0]), tf.constant([-1.0])
    assert np.isfinite(tf.nn.log_poisson_loss(count, log_rate)).all()
    with pytest.raises(amiss.DomainError, match=r"got target\[0\] = -1.0"):
        amiss.Poisson()(log_rate, count)
