"""A loss as the callables that LightGBM takes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from lightgbm import Dataset

from amiss import losses
from amiss.boosting import BuiltIn, Metric, Objective
from amiss.boosting.losses import over_rows
from amiss.boosting.objective import FLOOR
from amiss.core import Loss

__all__ = ["LightGBMMetric", "LightGBMObjective", "metric", "objective"]

MAX_DELTA_STEP = 0.7
"""LightGBM's poisson_max_delta_step, unless told."""


@dataclass(frozen=True)
class LightGBMObjective(Objective):
    """What `objective` returns: `f(scores, dataset)`, or `f(y_true, scores, weight)` for estimators."""

    booster = "amiss.lightgbm"
    dtype = np.float32
    built_in = {
        losses.SquaredError: BuiltIn(scale=0.5),
        losses.Huber: BuiltIn(flat=True),
        losses.BinaryCrossEntropy: BuiltIn(),
        losses.CrossEntropy: BuiltIn(
            curvature=lambda columns: columns / (columns - 1) if columns > 1 else 1.0
        ),
        losses.Poisson: BuiltIn(curvature=lambda columns: math.exp(MAX_DELTA_STEP)),
    }

    # LightGBM counts the parameters: with two of them it drops the weights of the rows without a word.
    def __call__(self, first: Any, second: Any, weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
        return self.derivatives(*_opened(first, second, weight))

    def parameters(self, target: Any, weight: Any = None) -> dict[str, Any]:
        """Return the parameters of `lightgbm.train` that go with this objective, which is one of them.

        The initial score is not one of them: give `start` to the data set and add it to what the model
        predicts.
        """
        chosen: dict[str, Any] = {"objective": self, "metric": "None"}
        if over_rows(self.loss):
            chosen["num_class"] = len(self.initial_score(target, weight))
        return chosen

    def start(self, target: Any, weight: Any = None) -> np.ndarray:
        """Return the initial score of each row, the same for all: `lightgbm.Dataset(..., init_score=)`."""
        return start(self.initial_score(target, weight), len(target))


@dataclass(frozen=True)
class LightGBMMetric(Metric):
    """What `metric` returns: `f(scores, dataset)`, or `f(y_true, scores, weight)` for estimators."""

    def __call__(self, first: Any, second: Any, weight: Any = None) -> tuple[str, float, bool]:
        return self.__name__, self.mean(*_opened(first, second, weight)), False


def start(score: Any, rows: int) -> np.ndarray:
    """Return a constant score for each of so many rows."""
    return np.tile(score, (rows, *(1,) * np.ndim(score))) if np.ndim(score) else np.full(rows, score)


def _opened(first: Any, second: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Return scores, targets and weights, whichever interface of LightGBM is calling."""
    if isinstance(second, Dataset):
        return first, second.get_label(), second.get_weight()
    return second, first, weight


def objective(loss: Loss, hessian: str = "native", floor: float = FLOOR) -> LightGBMObjective:
    """Return a loss as the objective of `lightgbm.train({"objective": ...})` or `LGBMRegressor(objective=)`.

    LightGBM weighs no custom objective itself, so gradient and Hessian come with the weights of the rows.

    Args:
        loss: a loss of each row by itself, of any real number.
        hessian: "native", "exact" (the second derivative), "abs" (its size) or "gauss_newton" (gradient² /
            (2 value)). Native is as LightGBM 4 does: half the squared error, K / (K - 1) times p (1 - p) for
            K classes, exp(0.7) times the rate for counts, p (1 - p) for yes or no, 1 for absolute, quantile
            and Huber errors.
            Where LightGBM has no objective for the loss: 1 if its second derivative is zero almost
            everywhere, else "gauss_newton", or "exact" of a loss without a lower bound.
        floor: the least Hessian of a row of weight 1.

    Raises:
        ParameterError: trees cannot minimise the loss, or the policy has no meaning for it.

    Notes:
        regression_l1 and quantile have the same gradient and initial score, and a Hessian of 1; afterwards
        they set each leaf to the quantile of its errors, which a custom objective cannot. The huber of
        LightGBM starts at the mean instead of the best constant.

    Examples:
        >>> import amiss, numpy, lightgbm
        >>> rows, target = numpy.array([[0.0], [0.0], [1.0], [1.0]]), numpy.array([1.0, 3.0, 5.0, 7.0])
        >>> squared = objective(amiss.SquaredError())
        >>> small = {"learning_rate": 1.0, "min_data_in_leaf": 1, "min_data_in_bin": 1, "verbosity": -1}
        >>> data = lightgbm.Dataset(rows, target, init_score=squared.start(target))
        >>> model = lightgbm.train({**squared.parameters(target), **small}, data, 1)
        >>> squared.initial_score(target) + model.predict(rows)  # the mean of each leaf
        array([2., 2., 6., 6.])
    """
    return LightGBMObjective(loss, hessian, floor)


def metric(loss: Loss) -> LightGBMMetric:
    """Return a loss as `lightgbm.train(..., feval=)` or as `LGBMRegressor().fit(..., eval_metric=)`.

    LightGBM hands raw scores to it beside a custom objective, and what they mean beside one of its own: there
    a loss of probabilities is needed.

    Raises:
        ParameterError: it is no loss.

    Examples:
        >>> import amiss, numpy
        >>> metric(amiss.AbsoluteError())(numpy.array([0.0, 0.0]), numpy.array([1.0, 3.0]))  # y first
        ('AbsoluteError', 2.0, False)
    """
    return LightGBMMetric(loss)
