"""What optax and JAX are known to get wrong: each defect shown there, and the right answer of amiss."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from losses_under_test import close
from peers.truth import cross_entropy, in_a_forked_child, log_cosh, off, sigmoid

import amiss

F32, F64 = jnp.float32, jnp.float64


@pytest.fixture(autouse=True)
def both_precisions():
    """Let float64 be float64 here, whatever is set for the other tests."""
    with jax.enable_x64(True):
        yield


def array(x, dtype=F32):
    return jnp.asarray(x, dtype)


def derivative(function, x):
    """Return the derivative of the sum of a function's values, by JAX."""
    return jax.jit(jax.grad(lambda x: jnp.sum(function(x))))(x)


# --- threads ---------------------------------------------------------------------------------------------
def test_a_forked_child_of_jax_hangs():
    setup = """
import jax
a, b = jax.numpy.asarray(x), jax.numpy.asarray(y)
mean = jax.jit(lambda a, b: ((a - b) ** 2).mean())
def theirs():
    return mean(a, b).block_until_ready()
"""
    assert in_a_forked_child(setup) == ["hangs 0", "ends with 0"]


# --- what is taken that has no meaning ---------------------------------------------------------------------
def test_no_target_is_taken_for_0():
    assert optax.squared_error(array([3.0]), None) == 9.0
    with pytest.raises(amiss.DTypeError, match="target must be an array of numbers; got None"):
        amiss.SquaredError()(array([3.0]), None)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (optax.huber_loss, amiss.Huber()),
        (optax.log_cosh, amiss.LogCosh()),
        (optax.sigmoid_binary_cross_entropy, amiss.BinaryCrossEntropy()),
        (optax.hinge_loss, amiss.Hinge()),
    ],
)
def test_a_column_against_a_vector_is_broadcast(theirs, ours):
    vector, column = jnp.ones(3), jnp.ones((3, 1))
    assert theirs(vector, column).shape == (3, 3)
    with pytest.raises(amiss.ShapeError, match="amiss never broadcasts"):
        ours(vector, column)


@pytest.mark.parametrize("delta", [0.0, -1.0, math.nan])
def test_a_delta_that_is_not_positive_is_taken(delta):
    assert not optax.huber_loss(array([1.0]), array([0.0]), delta=delta) > 0.0
    with pytest.raises(amiss.ParameterError, match=rf"delta must be in \(0, inf\); got {delta}"):
        amiss.Huber(delta=delta)


def test_the_class_minus_1_is_the_last():
    row = array([[1.0, 2.0, 3.0]])
    theirs = optax.softmax_cross_entropy_with_integer_labels(row, jnp.array([-1]))
    close(theirs, [cross_entropy(row[0], 2)])
    with pytest.raises(amiss.DomainError, match=r"a class index in 0\.\.2; got target\[0\] = -1"):
        amiss.CrossEntropy()(row, jnp.array([-1]))


def test_a_binary_label_of_2_makes_the_loss_negative():
    assert optax.sigmoid_binary_cross_entropy(array([5.0]), array([2.0])) < -4.9
    with pytest.raises(amiss.DomainError, match=r"got target\[0\] = 2.0"):
        amiss.BinaryCrossEntropy()(array([5.0]), array([2.0]))


def test_a_hinge_of_label_0_is_1_whatever_the_score():
    assert optax.hinge_loss(array([-5.0, 0.0, 5.0]), jnp.zeros(3)).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(amiss.DomainError, match=r"must be -1 or \+1; got target\[0\] = 0.0"):
        amiss.Hinge()(array([-5.0, 0.0, 5.0]), jnp.zeros(3))


def test_rows_without_a_class_have_a_loss():
    nothing = jnp.zeros((2, 0))
    assert optax.softmax_cross_entropy(nothing, nothing).shape == (2,)
    with pytest.raises(amiss.ShapeError, match=r"at least one class; got shape \(2, 0\)"):
        amiss.CrossEntropy()(nothing, nothing)


# --- infinities and NaN ------------------------------------------------------------------------------------
def test_a_class_ruled_out_makes_the_loss_of_a_soft_target_nan():
    row, target = array([[0.3, -jnp.inf, 1.1]]), array([[0.0, 0.0, 1.0]])
    assert jnp.isnan(optax.softmax_cross_entropy(row, target)).all()
    close(amiss.CrossEntropy()(row, target), cross_entropy(row[0], 2), ulps=4)


def test_huber_of_an_infinite_delta_is_nan():
    assert jnp.isnan(optax.huber_loss(array([2.0]), array([0.0]), delta=jnp.inf)).all()
    with pytest.raises(amiss.ParameterError, match=r"delta must be in \(0, inf\); got inf"):
        amiss.Huber(delta=math.inf)


@pytest.mark.parametrize(("dtype", "delta"), [(F32, 1e8), (F64, 1e200)], ids=["float32", "float64"])
def test_the_gradient_of_huber_vanishes_below_a_large_delta(dtype, delta):
    x, zero = array([2.5], dtype), array([0.0], dtype)
    assert derivative(lambda x: optax.huber_loss(x, zero, delta=delta), x) == 0.0
    assert amiss.Huber(delta=delta).gradient(x, zero) == 2.5
    assert amiss.Huber(delta=delta)(x, zero) == 3.125


def test_a_mean_overflows_that_a_float_can_hold():
    x, zero = np.full(2, 3.4e38, np.float32), np.zeros(2, np.float32)
    assert jnp.mean(optax.sigmoid_binary_cross_entropy(array(x), array(zero))) == jnp.inf
    assert amiss.BinaryCrossEntropy()(x, zero) == x[0]


# --- lost digits -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("gap", "lost"), [(15.0, 0.16), (17.0, 1.0)])
def test_the_cross_entropy_of_a_confident_right_answer_is_wrong(gap, lost):
    row, index = array([[gap, 0.0]]), jnp.array([0])
    truth, rest = cross_entropy(row[0], 0), sigmoid(-gap)
    for theirs, target in (
        (optax.softmax_cross_entropy, array([[1.0, 0.0]])),
        (optax.softmax_cross_entropy_with_integer_labels, index),
    ):
        gradient = derivative(lambda z, theirs=theirs, target=target: theirs(z, target), row)
        assert off(theirs(row, target)[0], truth) >= lost
        assert off(gradient[0, 0], -rest) >= lost
    close(amiss.CrossEntropy()(row, index), truth, ulps=4)
    close(amiss.CrossEntropy().gradient(row, index), [[-rest, rest]], ulps=4)


def test_the_cross_entropy_of_a_class_index_is_0_where_that_of_its_row_is_not():
    row = array([[15.0, 0.0]])
    assert optax.softmax_cross_entropy_with_integer_labels(row, jnp.array([0])) == 0.0
    assert optax.softmax_cross_entropy(row, array([[1.0, 0.0]])) > 0.0
    assert amiss.CrossEntropy()(row, jnp.array([0])) == amiss.CrossEntropy()(row, array([[1.0, 0.0]])) > 0.0


@pytest.mark.parametrize(("shift", "lost"), [(100.0, 2e-4), (10_000.0, 0.017)])
def test_a_constant_added_to_all_logits_changes_the_loss(shift, lost):
    row, truth = array([[5.0 + shift, shift]]), cross_entropy([5.0, 0.0], 0)
    assert off(optax.softmax_cross_entropy_with_integer_labels(row, jnp.array([0]))[0], truth) >= lost
    close(amiss.CrossEntropy()(row, jnp.array([0])), truth, ulps=4)


@pytest.mark.parametrize(
    ("dtype", "error", "lost"),
    [(F32, 1e-2, 1e-3), (F32, 1e-3, 0.07), (F32, 1e-4, 1.0), (F64, 1e-8, 1.0), (F64, 1e-30, 1.0)],
)
def test_the_log_cosh_of_a_small_error_is_wrong(dtype, error, lost):
    x, zero = array([error], dtype), array([0.0], dtype)
    truth = log_cosh(x[0])
    assert off(optax.log_cosh(x, zero)[0], truth) >= lost
    close(amiss.LogCosh()(x, zero), truth, ulps=4)


@pytest.mark.parametrize(("error", "lost"), [(1e-4, 1e-4), (1e-5, 1e-3), (1e-8, 1.0)])
def test_the_gradient_of_log_cosh_of_a_small_error_is_wrong(error, lost):
    x, zero = array([error]), array([0.0])
    truth = math.tanh(float(x[0]))
    assert off(derivative(lambda x: optax.log_cosh(x, zero), x)[0], truth) >= lost
    close(amiss.LogCosh().gradient(x, zero), [truth], ulps=4)


# --- the losses that are new: BinaryFocal, CosineDistance, Dice, KLDivergence ------------------------
def test_a_class_of_probability_0_that_the_target_rules_out_too_makes_the_divergence_nan():
    log_p, target = array([[-jnp.inf, 0.0]]), array([[0.0, 1.0]])
    assert jnp.isnan(optax.losses.kl_divergence(log_p, target)).all()
    assert amiss.KLDivergence(input="log_probabilities")(log_p, target) == 0.0


def test_a_log_target_of_probability_0_makes_the_divergence_nan():
    log_p, target = array([[-1.0, -0.5]]), array([[0.0, 1.0]])
    assert jnp.isnan(optax.losses.kl_divergence_with_log_targets(log_p, jnp.log(target))).all()
    assert amiss.KLDivergence(input="log_probabilities")(log_p, target) == 0.5


def test_the_distance_from_a_zero_vector_has_a_gradient_that_is_nan():
    x, y = array([[0.0, 0.0]]), array([[1.0, 0.0]])
    assert jnp.isnan(derivative(lambda x: optax.losses.cosine_distance(x, y), x)).all()
    assert jnp.isfinite(amiss.CosineDistance().gradient(x, y)).all()


@pytest.mark.parametrize(
    ("dtype", "size", "theirs"), [(F32, 1e-23, -math.inf), (F32, 1e20, 1.0), (F64, 1e200, 1.0)]
)
def test_equal_vectors_are_far_apart(dtype, size, theirs):
    x = array([[size, size]], dtype)
    assert optax.losses.cosine_distance(x, x) == theirs
    assert abs(amiss.CosineDistance()(x, x)) <= 2 * jnp.finfo(dtype).eps


def test_the_overlap_of_probabilities_is_refused():
    p, y = array([0.75, 0.25]), array([1.0, 0.0])
    with pytest.raises(ValueError, match="must be valid probability distributions"):
        optax.losses.binary_dice_loss(p, y, apply_sigmoid=False)
    rows = jnp.stack([1.0 - p, p], axis=1)
    # Of either class 2 * 0.75 / (1 + 1) is shared.
    assert amiss.Dice(input="probabilities", smooth=0.0)(rows, jnp.array([1, 0])) == 0.25


def test_the_overlap_of_probabilities_cannot_be_compiled():
    p, y = array([[0.25, 0.75], [0.75, 0.25]]), array([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(jax.errors.TracerBoolConversionError):
        jax.jit(lambda p: optax.losses.dice_loss(p, y, apply_softmax=False))(p)
    assert jax.jit(amiss.Dice(input="probabilities", smooth=0.0))(p, y) == 0.25


def test_a_negative_gamma_punishes_right_answers_more():
    one = array([1.0])
    plain, focal = (optax.sigmoid_focal_loss(one, one, gamma=gamma)[0] for gamma in (0.0, -1.0))
    assert focal > plain
    with pytest.raises(amiss.ParameterError, match=r"gamma must be .*; got -1.0"):
        amiss.BinaryFocal(gamma=-1.0)


def test_a_focal_label_of_2_gives_nan():
    five, two = array([5.0]), array([2.0])
    assert jnp.isnan(optax.sigmoid_focal_loss(five, two)).all()
    with pytest.raises(amiss.DomainError, match=r"got target\[0\] = 2.0"):
        amiss.BinaryFocal()(five, two)
