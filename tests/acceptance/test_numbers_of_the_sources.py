"""The numbers that the three sources of this project print, and those that they should have printed."""

import math

import numpy as np
import pytest

import amiss

TRUTH = [0.0, 1.0, 2.0, 3.0]


def close(value, expected, digits=12):
    np.testing.assert_allclose(np.asarray(value), expected, rtol=10.0**-digits, atol=1e-15)


class TestErrorLossAndMetric:
    """The thread: what the error is, what the loss is, and which prediction a loss prefers."""

    def test_error_is_prediction_minus_target(self, array):
        error = amiss.SquaredError().error(array([-4.0, 3.0, 0.0, 7.0]), array(TRUTH))
        close(error, [-4.0, 2.0, -2.0, 4.0])  # the thread prints [-4, 2, 2, 4]

    def test_squared_error_prefers_many_small_errors(self, array):
        mse = amiss.get("mse")
        close(mse(array([-2.0, 3.0, 0.0, 5.0]), array(TRUTH)), 4.0)
        close(mse(array([0.0, 1.0, 2.0, 10.0]), array(TRUTH)), 12.25)


class TestRegression:
    """The tutorial: MAE and MSE of two examples."""

    def test_mean_absolute_error(self, array):
        close(amiss.get("mae")(array([1.0, 0.0]), array([2.0, 3.0])), 2.0)

    def test_mean_squared_error(self, array):
        close(amiss.get("mse")(array([1.0, 0.0]), array([2.0, 3.0])), 5.0)

    @pytest.mark.parametrize(("name", "share"), [("mae", 0.75), ("mse", 0.90)])
    def test_share_of_the_second_example(self, array, name, share):
        items = np.asarray(amiss.get(name)(array([1.0, 0.0]), array([2.0, 3.0]), reduction="none"))
        close(items[1] / items.sum(), share)

    def test_one_error_of_two_costs_more_than_two_errors_of_one(self, array):
        mse = amiss.get("mse")
        close(mse(array([1.0, 1.0]), array([0.0, 0.0]), reduction="sum"), 2.0)
        close(mse(array([2.0]), array([0.0]), reduction="sum"), 4.0)

    def test_gradient_of_absolute_error_jumps_at_zero(self, array):
        gradient = amiss.AbsoluteError().gradient(array([-0.5, 0.0, 0.5]), array([0.0] * 3), reduction="sum")
        close(gradient, [-1.0, 0.0, 1.0])


class TestCrossEntropy:
    """The tutorial: categorical and sparse cross-entropy from probabilities."""

    probabilities = [[0.125, 0.75, 0.125]]

    @pytest.mark.parametrize("target", [[1], [[0.0, 1.0, 0.0]], [[0, 1, 0]]])
    def test_index_and_one_hot_agree(self, array, target):
        loss = amiss.CrossEntropy(input="probabilities")
        close(loss(array(self.probabilities), array(target)), 0.2876821, digits=7)
        close(loss(array(self.probabilities), array(target)), -math.log(0.75))

    def test_gradient_is_negative(self, array):
        gradient = amiss.CrossEntropy(input="probabilities").gradient(array(self.probabilities), array([1]))
        close(gradient, [[0.0, -1 / 0.75, 0.0]])

    def test_zero_at_certainty_and_infinite_at_impossibility(self, array):
        loss = amiss.CrossEntropy(input="probabilities")
        assert float(loss(array([[0.0, 1.0]]), array([1]))) == 0.0
        assert float(loss(array([[1.0, 0.0]]), array([1]))) == math.inf


class TestLesson:
    """The lesson: MSE, BCE, cross-entropy of logits, and their derivatives."""

    @pytest.mark.parametrize(("prediction", "loss"), [(0.7, 0.09), (0.95, 0.0025), (0.3, 0.49), (0.6, 0.16)])
    def test_closer_is_better(self, array, prediction, loss):
        close(amiss.get("mse")(array([prediction]), array([1.0])), loss)

    def test_mean_squared_error_of_three(self, array):
        close(amiss.get("mse")(array([2.5, 3.1, 4.8]), array([2.0, 3.0, 5.0])), 0.1)

    def test_derivative_of_mean_squared_error(self, array):
        prediction, target = np.array([2.5, 3.1, 4.8]), np.array([2.0, 3.0, 5.0])
        gradient = amiss.SquaredError().gradient(array(prediction), array(target))
        close(gradient, 2 * (prediction - target) / 3)

    def test_binary_cross_entropy_equals_pytorch(self, array):
        import torch

        prediction, target = [0.9, 0.2, 0.7], [1.0, 0.0, 1.0]
        expected = torch.nn.BCELoss()(
            torch.tensor(prediction, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)
        )
        close(amiss.get("BCELoss")(array(prediction), array(target)), float(expected))

    def test_derivative_of_binary_cross_entropy(self, array):
        p, y = np.array([0.9, 0.2, 0.7]), np.array([1.0, 0.0, 1.0])
        gradient = amiss.BinaryCrossEntropy(input="probabilities").gradient(array(p), array(y))
        close(gradient, -(y / p - (1 - y) / (1 - p)) / 3)

    def test_cross_entropy_of_logits_equals_pytorch(self, array):
        import torch

        expected = torch.nn.CrossEntropyLoss()(
            torch.tensor([[2.0, 1.0, 0.1]], dtype=torch.float64), torch.tensor([0])
        )
        close(amiss.CrossEntropy()(array([[2.0, 1.0, 0.1]]), array([0])), float(expected))
