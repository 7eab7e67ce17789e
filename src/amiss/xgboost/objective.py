"""A loss as the callables that XGBoost takes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from xgboost import DMatrix

from amiss import losses
from amiss.boosting import BuiltIn, Metric, Objective
from amiss.boosting.losses import over_rows
from amiss.boosting.objective import FLOOR
from amiss.core import Loss

__all__ = ["XGBoostMetric", "XGBoostObjective", "metric", "objective"]

MAX_DELTA_STEP = 0.7
"""By how much a leaf of count:poisson moves a log-rate at most, unless told."""


@dataclass(frozen=True)
class XGBoostObjective(Objective):
    """What `objective` returns: `f(scores, dmatrix)`, or `f(y_true, scores, sample_weight)` elsewhere."""

    booster = "amiss.xgboost"
    dtype = np.float32
    built_in = {
        losses.SquaredError: BuiltIn(scale=0.5),
        losses.BinaryCrossEntropy: BuiltIn(),
        losses.CrossEntropy: BuiltIn(curvature=lambda columns: 2.0),
        losses.Poisson: BuiltIn(curvature=lambda columns: math.exp(MAX_DELTA_STEP)),
    }

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
        return self.derivatives(*_opened(first, second, sample_weight))

    def parameters(self, target: Any, weight: Any = None) -> dict[str, Any]:
        """Return the parameters of `xgboost.train` that go with this objective.

        They are the initial score, the number of classes, and what the built-in objective of this loss sets
        for itself. A model that is trained with them gives raw scores: `predict(..., output_margin=True)`.
        """
        start = self.initial_score(target, weight)
        chosen: dict[str, Any] = {"base_score": start, "disable_default_eval_metric": True}
        if over_rows(self.loss):
            chosen.update(base_score=start.tolist(), num_class=len(start))
        if isinstance(self.loss, losses.Poisson) and self.hessian == "native":
            chosen["max_delta_step"] = MAX_DELTA_STEP
        return chosen


@dataclass(frozen=True)
class XGBoostMetric(Metric):
    """What `metric` returns: `f(scores, dmatrix)`, or `f(y_true, scores, sample_weight)` for estimators."""

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> Any:
        value = self.mean(*_opened(first, second, sample_weight))
        return (self.__name__, value) if isinstance(second, DMatrix) else value


def _opened(first: Any, second: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Return scores, targets and weights, whichever interface of XGBoost is calling."""
    if not isinstance(second, DMatrix):
        return second, first, weight
    weight = second.get_weight()
    return first, second.get_label(), weight if weight.size else None


def objective(loss: Loss, hessian: str = "native", floor: float = FLOOR) -> XGBoostObjective:
    """Return a loss as the objective of `xgboost.train(..., obj=)` or of `XGBRegressor(objective=)`.

    XGBoost weighs no custom objective itself, so gradient and Hessian come with the weights of the rows.

    Args:
        loss: a loss of each row by itself, of any real number.
        hessian: "native", "exact" (the second derivative), "abs" (its size) or "gauss_newton" (gradient² /
            (2 value)). Native is as XGBoost 3.2 does: half the squared error, twice p (1 - p) for classes,
            exp(0.7) times the rate for counts, p (1 - p) for yes or no, 1 for absolute and quantile errors.
            Where XGBoost has no objective for the loss: 1 if its second derivative is zero almost everywhere,
            else "gauss_newton", or "exact" of a loss without a lower bound.
        floor: the least Hessian of a row of weight 1.

    Raises:
        ParameterError: trees cannot minimise the loss, or the policy has no meaning for it.

    Notes:
        reg:absoluteerror and reg:quantileerror have the same gradient and initial score, and a Hessian of 1;
        afterwards they set each leaf to the quantile of its errors, which a custom objective cannot.
        "gauss_newton" learns faster for these than "native": its leaves are weighted means of the errors.
        Their start interpolates a quantile between two rows; ours is the best constant.

    Examples:
        >>> import amiss, numpy, xgboost
        >>> rows, target = numpy.array([[0.0], [0.0], [1.0], [1.0]]), numpy.array([1.0, 3.0, 5.0, 7.0])
        >>> squared = objective(amiss.SquaredError())
        >>> chosen = {**squared.parameters(target), "eta": 1.0, "lambda": 0.0}
        >>> model = xgboost.train(chosen, xgboost.DMatrix(rows, target), 1, obj=squared)
        >>> model.predict(xgboost.DMatrix(rows), output_margin=True)  # the mean of each leaf
        array([2., 2., 6., 6.], dtype=float32)
    """
    return XGBoostObjective(loss, hessian, floor)


def metric(loss: Loss) -> XGBoostMetric:
    """Return a loss as `xgboost.train(..., custom_metric=)` or as `XGBRegressor(eval_metric=)`.

    XGBoost hands raw scores to it beside a custom objective, and what they mean beside one of its own: there
    a loss of probabilities is needed.

    Raises:
        ParameterError: it is no loss.

    Examples:
        >>> import amiss, numpy
        >>> metric(amiss.AbsoluteError())(numpy.array([0.0, 0.0]), numpy.array([1.0, 3.0]))  # y first
        2.0
    """
    return XGBoostMetric(loss)
