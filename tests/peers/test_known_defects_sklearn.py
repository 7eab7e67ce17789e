"""What scikit-learn is known to get wrong: each defect shown there, and the right answer of amiss.

Its losses for training are private (`sklearn._loss`); its estimators are trained with them.
"""

import numpy as np
import pytest
from losses_under_test import close
from peers.truth import cross_entropy, in_a_forked_child, off, probabilities, softplus
from sklearn._loss import loss as private

import amiss


# --- memory and threads ------------------------------------------------------------------------------------
def test_a_forked_child_hangs():
    setup = """
from sklearn._loss.loss import HalfSquaredError
def theirs():
    return HalfSquaredError().loss(y, x, n_threads=4)
"""
    assert in_a_forked_child(setup) == ["hangs 0", "ends with 0"]


def test_predictions_that_are_too_few_are_read_beyond_their_end():
    memory = np.array([1.0, 1.0, 77.0, 88.0])
    theirs = private.HalfSquaredError().loss(np.zeros(4), memory[:2])
    np.testing.assert_array_equal(theirs, memory**2 / 2)
    with pytest.raises(amiss.ShapeError, match=r"got prediction \(2,\), target \(4,\)"):
        amiss.SquaredError()(memory[:2], np.zeros(4))


def test_weights_that_are_too_few_are_read_beyond_their_end():
    memory = np.array([1.0, 1.0, 77.0, 88.0])
    theirs = private.HalfSquaredError().loss(np.ones(4), np.zeros(4), sample_weight=memory[:2])
    np.testing.assert_array_equal(theirs, memory / 2)
    with pytest.raises(amiss.ShapeError, match=r"weight must have the items' shape \(4,\) .*; got \(2,\)"):
        amiss.SquaredError()(np.zeros(4), np.ones(4), memory[:2])


# --- values that are swallowed -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("theirs", "constant", "ours"),
    [
        (private.AbsoluteError(), -1.0, amiss.AbsoluteError()),
        (private.PinballLoss(), 0.5, amiss.Pinball()),
        (private.HuberLoss(delta=0.5), -0.5, amiss.Huber(delta=0.5)),
    ],
    ids=["absolute", "pinball", "Huber"],
)
def test_the_gradient_of_nan_is_an_ordinary_number(theirs, constant, ours):
    nan, zero = np.array([np.nan]), np.zeros(1)
    assert theirs.gradient(zero, nan) == constant
    assert np.isnan(ours.gradient(nan, zero)).all()


@pytest.mark.parametrize("label", [-1, 3])
def test_a_class_that_is_none_has_a_loss_and_a_gradient(label):
    row = np.zeros((1, 3))
    theirs = private.HalfMultinomialLoss(n_classes=3)
    np.testing.assert_allclose(theirs.gradient(np.array([float(label)]), row), [[1 / 3] * 3])
    with pytest.raises(amiss.DomainError, match=rf"a class index in 0\.\.2; got target\[0\] = {label}"):
        amiss.CrossEntropy()(row, np.array([label]))


def test_a_class_of_one_half_is_taken():
    row, half = np.array([[2.0, 1.0, 0.0]]), np.array([0.5])
    assert private.HalfMultinomialLoss(n_classes=3).loss(half, row) == pytest.approx(cross_entropy(row[0], 0))
    with pytest.raises(amiss.DTypeError, match="target must hold whole numbers"):
        amiss.CrossEntropy()(row, half)


def test_a_binary_label_of_2_makes_the_loss_negative():
    assert private.HalfBinomialLoss().loss(np.array([2.0]), np.array([5.0])) < -4.9
    with pytest.raises(amiss.DomainError, match=r"got target\[0\] = 2.0"):
        amiss.BinaryCrossEntropy()(np.array([5.0]), np.array([2.0]))


def test_a_negative_delta_makes_the_loss_negative():
    assert private.HuberLoss(delta=-1.0).loss(np.zeros(1), np.ones(1)) < 0.0
    with pytest.raises(amiss.ParameterError, match=r"delta must be in \(0, inf\); got -1.0"):
        amiss.Huber(delta=-1.0)


def test_the_labels_of_the_first_call_are_used_in_the_second():
    row, theirs = np.array([[2.0, 0.0, 0.0]]), private.HalfMultinomialLossArrayAPI(n_classes=3, xp=np)
    first, second = theirs.loss(np.array([0.0]), row)[0], theirs.loss(np.array([1.0]), row)[0]
    assert first == second
    for label in (0, 1):
        assert amiss.CrossEntropy()(row, [label]) == pytest.approx(cross_entropy(row[0], label), rel=1e-15)


def test_there_is_no_hessian_for_tensors():
    import torch

    z, label = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    theirs = private.HalfBinomialLossArrayAPI(xp=torch)
    with pytest.raises(TypeError):
        theirs.gradient_hessian(label, z)
    assert amiss.BinaryCrossEntropy().hessian(z, label, reduction="sum").tolist() == [0.25, 0.25]


# --- means -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("dtype", "large"), [("float32", 3e38), ("float64", 1.7e308)])
def test_a_mean_overflows_that_a_float_can_hold(dtype, large):
    x, zero = np.full(2, large, dtype), np.zeros(2, dtype)
    for theirs, ours in (
        (private.AbsoluteError(), amiss.AbsoluteError()),
        (private.HalfBinomialLoss(), amiss.BinaryCrossEntropy()),
    ):
        with np.errstate(over="ignore"):
            assert theirs(zero, x) == np.inf
        assert ours(x, zero) == x[0]


# --- lost digits -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("raw", "lost"), [(30.0, 0.012), (36.0, 1.0)])
def test_the_binary_loss_of_a_confident_right_answer_is_wrong(raw, lost):
    x, yes = np.array([raw]), np.ones(1)
    assert off(private.HalfBinomialLoss().loss(yes, x)[0], softplus(-raw)) >= lost
    close(amiss.BinaryCrossEntropy()(x, yes), softplus(-raw), ulps=2)


@pytest.mark.parametrize(("gap", "lost"), [(30.0, 0.006), (36.0, 1.0)])
def test_the_cross_entropy_of_a_confident_right_answer_is_wrong(gap, lost):
    row = np.array([[gap, 0.0, 0.0]])
    truth = cross_entropy(row[0], 0)
    assert off(private.HalfMultinomialLoss(n_classes=3).loss(np.zeros(1), row)[0], truth) >= lost
    close(amiss.CrossEntropy()(row, [0]), truth, ulps=4)


def test_the_gradient_of_a_confident_right_answer_is_0_for_the_true_class_alone():
    row = np.array([[37.0, 0.0, 0.0]])
    theirs = private.HalfMultinomialLoss(n_classes=3).gradient(np.zeros(1), row)[0]
    others = probabilities(row[0])[1]
    assert theirs[0] == 0.0
    assert theirs[1] == pytest.approx(others)
    close(amiss.CrossEntropy().gradient(row, [0]), [[-2 * others, others, others]], ulps=4)


@pytest.mark.parametrize(("shift", "lost"), [(100.0, 2e-4), (10_000.0, 0.017)])
def test_a_constant_added_to_all_logits_changes_the_loss(shift, lost):
    row = np.array([[5.0, 0.0, -50.0]], np.float32) + np.float32(shift)
    theirs = private.HalfMultinomialLoss(n_classes=3).loss(np.zeros(1, np.float32), row)[0]
    assert off(theirs, cross_entropy([5.0, 0.0, -50.0], 0)) >= lost
    close(amiss.CrossEntropy()(row, [0]), cross_entropy([5.0, 0.0, -50.0], 0), ulps=4)
