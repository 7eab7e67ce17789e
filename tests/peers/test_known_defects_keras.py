"""What Keras is known to get wrong on some backend: each defect shown, and the right answer of amiss."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from losses_under_test import array, close
from peers import keras_outcomes
from peers.truth import cross_entropy, log_cosh, off, sigmoid, softplus

import amiss


@pytest.fixture(scope="module")
def theirs():
    """Return a function from the words of a call to what the backends give for it."""
    found = {keras_outcomes.BACKEND: keras_outcomes.outcomes()}
    for backend in {"tensorflow", "jax", "torch", "numpy"} - set(found):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", Path(keras_outcomes.__file__)],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            check=True,
            timeout=100,
        )
        found[backend] = json.loads(done.stdout)

    def of(words):
        backends, _ = keras_outcomes.CALLS[words]
        return [found[backend][words] for backend in backends]

    return of


def row(*numbers):
    """Return one item of float32."""
    return np.array([numbers], np.float32)


# --- precision ------------------------
def test_float64_is_computed_in_float32(theirs):
    # keras-team/keras#23223
    large = np.array([[1e16]])
    assert all(off(mean, 7 / 30) > 5e-8 for mean in theirs("mean of float64"))
    assert theirs("float64 by default") == [0.0] * 3
    assert theirs("float64 as asked for") == [0.0] * 2
    assert amiss.SquaredError()(large + 2, large) == 4.0
    assert amiss.AbsoluteError()([0.1, 0.2, 0.4], [0.0] * 3) == pytest.approx(7 / 30, rel=1e-15)


def test_the_log_cosh_of_a_perfect_prediction_is_negative(theirs):
    assert theirs("log-cosh of 0") == [pytest.approx(-1.9046543e-09)] * 2
    assert amiss.LogCosh()([0.0], [0.0]) == 0.0


@pytest.mark.parametrize(("error", "lost"), [("1e-3", 0.04), ("1e-4", 1.0)])
def test_the_log_cosh_of_a_small_error_is_wrong(theirs, error, lost):
    x = row(float(error))
    truth = log_cosh(x.item())
    assert all(off(value, truth) >= lost for value in theirs(f"log-cosh of {error}"))
    close(amiss.LogCosh()(x, 0 * x), truth, ulps=4)


def test_the_gradient_of_log_cosh_of_a_small_error_is_wrong(theirs):
    x = row(1e-5)
    truth = math.tanh(x.item())
    assert all(off(gradient, truth) >= 0.001 for gradient in theirs("log-cosh' of 1e-5"))
    close(amiss.LogCosh().gradient(x, 0 * x), [[truth]], ulps=4)


def test_a_wrong_logit_is_clipped_on_numpy(theirs):
    assert theirs("binary -1000") == [pytest.approx(16.118, rel=1e-4)]
    assert amiss.BinaryCrossEntropy()(row(-1000), row(1)) == 1000.0


def test_the_binary_loss_of_a_confident_right_answer_is_0_on_torch(theirs):
    assert theirs("binary -15") == [0.0]
    close(amiss.BinaryCrossEntropy()(row(-15), row(0)), softplus(-15), ulps=2)


@pytest.mark.parametrize(("gap", "lost"), [(15, 0.16), (17, 1.0)])
def test_the_cross_entropy_of_a_confident_right_answer_is_wrong(theirs, gap, lost):
    z = row(gap, 0, 0)
    truth = cross_entropy(z[0], 0)
    for target in ("class index", "soft target"):
        assert all(off(value, truth) >= lost for value in theirs(f"{target}, gap {gap}"))
    close(amiss.CrossEntropy()(z, [0]), truth, ulps=4)
    close(amiss.CrossEntropy()(z, row(1, 0, 0)), truth, ulps=4)


def test_the_class_257_is_the_class_256_in_half_precision(theirs):
    assert theirs("class 257") == [50.0] * 3
    scores = 50 * np.eye(300)[257:258]
    ours = amiss.CrossEntropy()(array("torch", scores, "bfloat16"), array("torch", np.array([257])))
    close(ours, cross_entropy(scores[0], 257), ulps=4)


# --- infinities and NaN ------------------------
def test_a_class_ruled_out_makes_the_loss_nan(theirs):
    z = row(0.3, -np.inf, 1.1)
    truth = cross_entropy(z[0], 2)
    for target in ("class index", "soft target"):
        assert np.isnan(theirs(f"{target}, class at -inf")).all()
    close(amiss.CrossEntropy()(z, [2]), truth, ulps=4)
    close(amiss.CrossEntropy()(z, row(0, 0, 1)), truth, ulps=4)


def test_the_gradient_of_huber_of_an_infinite_delta_is_nan(theirs):
    assert np.isnan(theirs("Huber' of delta inf")).all()
    with pytest.raises(amiss.ParameterError, match=r"delta must be in \(0, inf\); got inf"):
        amiss.Huber(delta=math.inf)
    assert amiss.Huber(delta=1e30).gradient(row(2), row(0)) == 2.0


def test_a_mean_overflows_that_a_float_can_hold(theirs):
    assert theirs("mean of two 3e38") == [math.inf] * 3
    assert theirs("binary mean of two 3e38") == [math.inf] * 2
    large = row(3e38, 3e38)
    assert amiss.AbsoluteError()(large, 0 * large) == large[0, 0]
    assert amiss.BinaryCrossEntropy()(large, 0 * large) == large[0, 0]


def test_the_loss_of_nothing_is_no_number(theirs):
    assert theirs("empty mean") == theirs("empty sum") == [[]] * 3
    nothing = np.zeros((0, 2), np.float32)
    assert np.isnan(amiss.SquaredError()(nothing, nothing))
    assert amiss.SquaredError()(nothing, nothing, reduction="sum") == 0.0


# --- parameters ------------------------
def test_a_huber_from_its_own_configuration_has_another_delta(theirs):
    assert theirs("Huber from its config") == [9.5] * 3
    again = eval(repr(amiss.Huber(delta=3.0)), {"Huber": amiss.Huber})
    assert again(row(10), row(0)) == 25.5  # 3 (10 - 3 / 2)


def test_a_negative_delta_makes_the_loss_negative(theirs):
    assert theirs("Huber of delta -1") == [-2.5] * 3
    with pytest.raises(amiss.ParameterError, match=r"delta must be in \(0, inf\); got -1.0"):
        amiss.Huber(delta=-1.0)


def test_a_smoothing_of_2_turns_the_label_round(theirs):
    assert theirs("smoothing 2") == [pytest.approx(-math.log(0.1), rel=1e-5)] * 3
    for loss in (amiss.BinaryCrossEntropy, amiss.CrossEntropy):
        with pytest.raises(amiss.ParameterError, match=r"label_smoothing must be in \[0, 1\); got 2.0"):
            loss(label_smoothing=2.0)


# --- what is taken that has no meaning ------------------------
@pytest.mark.parametrize("label", [3, -1])
def test_a_class_that_is_none_costs_nothing(theirs, label):
    assert set(theirs(f"class {label}")) == {0.0}
    with pytest.raises(amiss.DomainError, match=rf"a class index in 0\.\.2; got target\[0\] = {label}"):
        amiss.CrossEntropy()(row(1, 2, 3), [label])


def test_a_class_of_one_half_is_the_class_0(theirs):
    assert theirs("class 0.5") == [pytest.approx(cross_entropy([2, 1, 0], 0), rel=1e-6)] * 3
    with pytest.raises(amiss.DTypeError, match="target must hold whole numbers"):
        amiss.CrossEntropy()(row(2, 1, 0), [0.5])


def test_a_row_without_classes_costs_nothing(theirs):
    assert theirs("no classes") == [0.0]
    with pytest.raises(amiss.ShapeError, match=r"at least one class; got shape \(1, 0\)"):
        amiss.CrossEntropy()(row(), [0])


def test_no_target_is_nan(theirs):
    assert np.isnan(theirs("no target")).all()
    with pytest.raises(amiss.DTypeError, match="target must be an array of numbers; got None"):
        amiss.SquaredError()(row(1), None)


def test_a_binary_label_of_2_makes_the_loss_negative(theirs):
    assert theirs("binary label 2") == [pytest.approx(-4.9933, rel=1e-5)] * 3
    with pytest.raises(amiss.DomainError, match=r"got target\[0, 0\] = 2.0"):
        amiss.BinaryCrossEntropy()(row(5), row(2))


def test_a_probability_above_1_is_taken(theirs):
    assert np.isfinite(theirs("probability 1.5")).all()
    with pytest.raises(amiss.DomainError, match=r"in \[0, 1\]; got prediction\[0, 0\] = 1.5"):
        amiss.BinaryCrossEntropy(input="probabilities")(row(1.5), row(1))


def test_hinge_takes_labels_that_are_no_signs(theirs):
    assert theirs("hinge of labels 0, 1, 2") == [0.5] * 3
    with pytest.raises(amiss.DomainError, match=r"must be -1 or \+1; got target\[0, 0\] = 0.0"):
        amiss.Hinge()(row(0.5, 0.5, 0.5), row(0, 1, 2))


# --- the losses that are new: BinaryFocal, CosineDistance, KLDivergence, Poisson ------------------------
def test_a_wrong_logit_is_clipped_in_the_focal_loss(theirs):
    assert theirs("focal -50") == [pytest.approx(16.118, rel=1e-4)] * 3
    assert theirs("focal' -50") == [pytest.approx(-6.2e-21, rel=0.01)] * 2
    loss = amiss.BinaryFocal(gamma=2.0)  # (1 - p)² is 1 to all digits
    assert loss(row(-50), row(1)) == 50.0
    assert loss.gradient(row(-50), row(1)) == -1.0


def test_the_gradient_of_a_right_answer_of_the_focal_loss_is_nan(theirs):
    assert np.isnan(theirs("focal' 40")).all()
    # Of (1 - p)^γ · -log p, where the score 40 is sure: -γ p (1 - p)^γ · -log p - (1 - p)^(γ + 1).
    rest = sigmoid(-40)
    truth = -0.5 * sigmoid(40) * rest**0.5 * softplus(-40) - rest**1.5
    close(amiss.BinaryFocal(gamma=0.5).gradient(row(40), row(1)), [[truth]], ulps=8)


def test_a_negative_gamma_punishes_right_answers_more(theirs):
    assert theirs("focal gamma -1") == [pytest.approx(2 * math.log(2), rel=1e-6)] * 3
    with pytest.raises(amiss.ParameterError, match=r"gamma must be .*; got -1.0"):
        amiss.BinaryFocal(gamma=-1.0)


def test_the_distance_from_a_zero_vector_has_a_gradient_that_is_nan(theirs):
    assert np.isnan(theirs("cosine' at 0")).all()
    assert np.isfinite(amiss.CosineDistance().gradient(row(0, 0), row(1, 0))).all()


@pytest.mark.parametrize("size", ["1e-8", "1e20"])
def test_equal_vectors_are_far_apart(theirs, size):
    assert all(abs(cosine) < 0.03 for cosine in theirs(f"cosine of {size}"))  # theirs is -1 at its best
    x = row(float(size), float(size))
    assert abs(amiss.CosineDistance()(x, x)) <= 2 * np.finfo(np.float32).eps


def test_a_divergence_is_negative(theirs):
    assert theirs("divergence") == [pytest.approx(-2.966e-06, rel=1e-3)] * 3
    p = row(0.9999999, 0.5, 0.5)
    ours = amiss.KLDivergence(input="probabilities")(p, row(1, 0, 0))
    close(ours, -math.log(p[0, 0]), ulps=2)


def test_a_count_of_minus_1_is_taken(theirs):
    assert np.isfinite(theirs("count -1")).all()
    with pytest.raises(amiss.DomainError, match=r"got target\[0, 0\] = -1.0"):
        amiss.Poisson(input="rate")(row(1), row(-1))


def test_a_rate_of_minus_1_gives_nan(theirs):
    assert np.isnan(theirs("rate -1")).all()
    with pytest.raises(amiss.DomainError, match=r"got prediction\[0, 0\] = -1.0"):
        amiss.Poisson(input="rate")(row(-1), row(1))
