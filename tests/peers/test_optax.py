"""optax: the same numbers where the definitions agree, and each difference by its size.

optax does not reduce, so that every comparison is item by item.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from losses_under_test import close

import amiss

RNG = np.random.default_rng(0)
X, Y = (jnp.asarray(RNG.normal(size=(6, 2)), jnp.float32) for _ in range(2))
LABELS = (Y > 0).astype(jnp.float32)
Z = jnp.asarray(RNG.normal(size=(6, 3)), jnp.float32)
INDEX = jnp.array([0, 2, 1, 1, 2, 0])
ROWS = jax.nn.softmax(jnp.asarray(RNG.normal(size=(6, 3)), jnp.float32))

SAME = {
    "squared_error": (amiss.SquaredError(), optax.squared_error, X, Y),
    "l2_loss": (0.5 * amiss.SquaredError(), optax.l2_loss, X, Y),
    "huber_loss": (amiss.Huber(), optax.huber_loss, X, Y),
    "hinge_loss": (amiss.Hinge(), optax.hinge_loss, X, 2 * LABELS - 1),
    "perceptron_loss": (amiss.Hinge(margin=0.0), optax.losses.perceptron_loss, X, 2 * LABELS - 1),
    "sigmoid_binary_cross_entropy": (
        amiss.BinaryCrossEntropy(),
        optax.sigmoid_binary_cross_entropy,
        X,
        LABELS,
    ),
    "softmax_cross_entropy": (amiss.CrossEntropy(), optax.softmax_cross_entropy, Z, ROWS),
    "softmax_cross_entropy_with_integer_labels": (
        amiss.CrossEntropy(),
        optax.softmax_cross_entropy_with_integer_labels,
        Z,
        INDEX,
    ),
}


@pytest.mark.parametrize("peer", SAME)
def test_value_and_gradient_are_equal(peer):
    loss, theirs, prediction, target = SAME[peer]
    close(loss(prediction, target, reduction="none"), theirs(prediction, target))
    gradient = jax.grad(lambda x: theirs(x, target).sum())(prediction)
    close(loss.gradient(prediction, target, reduction="sum"), gradient)


@pytest.mark.parametrize("peer", SAME)
def test_a_spelling_of_optax_means_what_optax_means(peer):
    loss, _, _, _ = SAME[peer]
    assert amiss.get(f"optax.{peer}" if hasattr(optax, peer) else f"optax.losses.{peer}") == loss


@pytest.mark.parametrize("delta", [0.3, 2.0])
def test_huber_with_any_delta_is_equal(delta):
    close(amiss.Huber(delta=delta)(X, Y, reduction="none"), optax.huber_loss(X, Y, delta=delta))


def test_smoothed_rows_are_equal():
    rows = jax.nn.one_hot(INDEX, 3)
    theirs = optax.softmax_cross_entropy(Z, optax.smooth_labels(rows, 0.2))
    close(amiss.CrossEntropy(label_smoothing=0.2)(Z, INDEX, reduction="none"), theirs)


# --- differences ------------------------------------------------------------------------------------------
def test_optax_wraps_and_drops_bad_classes():
    row = jnp.array([[1.0, 2.0, 3.0]])
    last = optax.softmax_cross_entropy_with_integer_labels(row, jnp.array([2]))
    assert optax.softmax_cross_entropy_with_integer_labels(row, jnp.array([-1])) == last
    assert jnp.isnan(optax.softmax_cross_entropy_with_integer_labels(row, jnp.array([7]))).all()
    for bad in (-1, 7):
        with pytest.raises(amiss.DomainError, match=rf"target\[0\] = {bad}"):
            amiss.CrossEntropy()(row, jnp.array([bad]))
        assert jnp.isnan(jax.jit(amiss.CrossEntropy())(row, jnp.array([bad])))


def test_optax_broadcasts_what_amiss_refuses():
    assert optax.huber_loss(jnp.zeros(3), jnp.zeros((3, 1))).shape == (3, 3)
    with pytest.raises(amiss.ShapeError):
        amiss.Huber()(jnp.zeros(3), jnp.zeros((3, 1)))


def test_optax_takes_labels_that_are_no_signs():
    assert optax.hinge_loss(jnp.array([5.0]), jnp.array([0.0])) == 1.0
    with pytest.raises(amiss.DomainError, match="must be -1 or \\+1"):
        amiss.Hinge()(jnp.array([5.0]), jnp.array([0.0]))


def test_optax_takes_a_negative_delta():
    assert optax.huber_loss(jnp.array([1.0]), jnp.array([0.0]), delta=-1.0) < 0.0
    with pytest.raises(amiss.ParameterError):
        amiss.Huber(delta=-1.0)


def test_optax_loses_the_digits_of_confident_right_answers():
    row, index = jnp.array([[18.0, 0.0, 0.0]], jnp.float32), jnp.array([0])
    truth = np.log1p(2 * np.exp(-18.0))
    theirs = optax.softmax_cross_entropy_with_integer_labels(row, index)[0]
    assert abs(float(theirs) / truth - 1) > 0.1
    assert float(amiss.CrossEntropy()(row, index)) == pytest.approx(truth, rel=3e-7)


def test_optax_makes_a_masked_class_nan():
    row, target = jnp.array([[0.3, -jnp.inf, 1.1]]), jnp.array([[0.0, 0.0, 1.0]])
    assert jnp.isnan(optax.softmax_cross_entropy(row, target)).all()
    close(amiss.CrossEntropy()(row, target), optax.safe_softmax_cross_entropy(row, target)[0])


def test_a_subgradient_at_a_kink_differs_where_jax_chooses_one():
    at = jnp.array([1.0])
    assert jax.grad(lambda z: optax.hinge_loss(z, at).sum())(at) == -0.5
    assert amiss.Hinge().gradient(at, at) == 0.0
