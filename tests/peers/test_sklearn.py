"""scikit-learn: the same numbers where the definitions agree, and each difference by its size.

Its metrics take the target first and average with Σ w·l / Σ w, as amiss does; its losses for training are
private (`sklearn._loss`), take raw scores, and have the ½ in their names.
"""

import warnings

import numpy as np
import pytest
from sklearn import metrics
from sklearn._loss import loss as private

import amiss

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=20), RNG.normal(size=20)
LABELS = (Y > 0).astype(float)
Z, INDEX = RNG.normal(size=(20, 3)), RNG.integers(0, 3, 20)
Q = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
WEIGHT = RNG.uniform(size=20)

METRICS = {
    "mean_squared_error": (amiss.SquaredError(), metrics.mean_squared_error, X, Y),
    "mean_absolute_error": (amiss.AbsoluteError(), metrics.mean_absolute_error, X, Y),
    "log_loss, binary": (
        amiss.BinaryCrossEntropy(input="probabilities"),
        metrics.log_loss,
        1 / (1 + np.exp(-X)),
        LABELS,
    ),
    "log_loss": (amiss.CrossEntropy(input="probabilities"), metrics.log_loss, Q, INDEX),
    "hinge_loss": (amiss.Hinge(), metrics.hinge_loss, X, 2 * LABELS - 1),
}

LOSSES = {
    "HalfSquaredError": (0.5 * amiss.SquaredError(), private.HalfSquaredError(), X, Y),
    "AbsoluteError": (amiss.AbsoluteError(), private.AbsoluteError(), X, Y),
    "HuberLoss": (amiss.Huber(delta=0.5), private.HuberLoss(delta=0.5), X, Y),
    "HalfBinomialLoss": (amiss.BinaryCrossEntropy(), private.HalfBinomialLoss(), X, LABELS),
    "HalfMultinomialLoss": (amiss.CrossEntropy(), private.HalfMultinomialLoss(n_classes=3), Z, INDEX),
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("metric", METRICS)
def test_metrics_are_equal(metric, weight):
    loss, theirs, prediction, target = METRICS[metric]
    assert loss(prediction, target, weight) == pytest.approx(
        theirs(target, prediction, sample_weight=weight), rel=1e-13
    )


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("peer", LOSSES)
def test_values_and_gradients_for_training_are_equal(peer, weight):
    loss, theirs, prediction, target = LOSSES[peer]
    value, gradient = theirs.loss_gradient(target.astype(float), prediction, sample_weight=weight)
    np.testing.assert_allclose(loss(prediction, target, weight, "none"), value, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        loss.gradient(prediction, target, weight, "sum"), gradient, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("peer", ["HalfSquaredError", "HuberLoss", "HalfBinomialLoss", "HalfMultinomialLoss"])
def test_hessians_for_training_are_equal(peer):
    loss, theirs, prediction, target = LOSSES[peer]
    gradient, hessian = theirs.gradient_hessian(target.astype(float), prediction)
    found = loss.gradient_and_hessian(prediction, target, reduction="sum")
    np.testing.assert_allclose(found[0], gradient, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found[1], hessian, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("peer", ["HalfSquaredError", "HalfBinomialLoss"])
def test_the_best_constant_is_the_same(peer):
    loss, theirs, _, target = LOSSES[peer]
    constant = float(theirs.fit_intercept_only(target))
    assert np.sum(loss.gradient(np.full_like(target, constant), target)) == pytest.approx(0.0, abs=1e-12)


# --- differences ------------------------------------------------------------------------------------------
def test_the_hessian_of_the_absolute_error_is_zero_here_and_one_there():
    _, theirs = private.AbsoluteError().gradient_hessian(Y, X)
    assert np.all(theirs == 1.0)
    assert np.all(amiss.AbsoluteError().hessian(X, Y) == 0.0)


def test_the_subgradient_of_the_absolute_error_at_0_is_zero_here_and_minus_one_there():
    assert private.AbsoluteError().gradient(np.zeros(1), np.zeros(1)) == -1.0
    assert amiss.AbsoluteError().gradient(np.zeros(1), np.zeros(1)) == 0.0


def test_scikit_learn_divides_rows_by_their_sum():
    row = np.array([[0.2, 0.2, 0.1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        theirs = metrics.log_loss([0], row, labels=[0, 1, 2])
    assert theirs in (pytest.approx(-np.log(0.4)), pytest.approx(-np.log(0.2)))
    assert amiss.CrossEntropy(input="probabilities")(row, [0]) == pytest.approx(-np.log(0.2))


def test_scikit_learn_clips_probabilities():
    theirs = metrics.log_loss([1, 0], [0.0, 0.0])
    assert np.isfinite(theirs)
    assert amiss.BinaryCrossEntropy(input="probabilities")([0.0, 0.0], [1, 0]) == np.inf


def test_scikit_learn_loses_the_digits_of_confident_right_answers():
    raw, target = np.array([36.0]), np.array([1.0])
    truth = np.log1p(np.exp(-36.0))
    assert abs(private.HalfBinomialLoss().loss(target, raw)[0] / truth - 1) > 0.01
    assert amiss.BinaryCrossEntropy()(raw, target) == pytest.approx(truth, rel=1e-15)


def test_scikit_learn_swallows_a_nan():
    nan = np.array([np.nan])
    assert private.AbsoluteError().gradient(np.zeros(1), nan) == -1.0
    assert np.isnan(amiss.AbsoluteError().gradient(nan, np.zeros(1)))


def test_scikit_learn_takes_classes_that_are_none():
    with pytest.raises(amiss.DomainError, match=r"target\[0\] = -1"):
        amiss.CrossEntropy()(Z[:1], np.array([-1]))
    theirs = private.HalfMultinomialLoss(n_classes=3).gradient(np.array([-1.0]), Z[:1])
    np.testing.assert_allclose(theirs, Q[:1])


def test_labels_of_0_and_1_are_signs_to_scikit_learn():
    theirs = metrics.hinge_loss(LABELS, X)
    assert amiss.Hinge()(X, 2 * LABELS - 1) == pytest.approx(theirs)
    with pytest.raises(amiss.DomainError):
        amiss.Hinge()(X, LABELS)
