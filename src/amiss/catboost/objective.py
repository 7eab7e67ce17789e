"""A loss as the objects that CatBoost takes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from amiss import losses
from amiss.boosting import BuiltIn, Metric, Objective
from amiss.boosting.losses import over_classes
from amiss.boosting.objective import FLOOR
from amiss.core import Loss

__all__ = ["CatBoostClassObjective", "CatBoostMetric", "CatBoostObjective", "metric", "objective"]


@dataclass(frozen=True)
class CatBoostObjective(Objective):
    """What `objective` returns for a loss of one number for each row."""

    booster = "amiss.catboost"
    built_in = {
        losses.SquaredError: BuiltIn(scale=0.5),
        losses.BinaryCrossEntropy: BuiltIn(),
        losses.Poisson: BuiltIn(),
        losses.Huber: BuiltIn(),
        losses.LogCosh: BuiltIn(),
    }
    no_jit: ClassVar[bool] = True
    """CatBoost would compile the method with numba otherwise, and warns where that is missing."""

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> np.ndarray:
        """Return the first and second derivatives of minus the loss, which CatBoost climbs: (n, 2)."""
        gradient, hessian = self.derivatives(np.asarray(approxes), np.asarray(targets), weights)
        return -np.stack([gradient, hessian], axis=1)


@dataclass(frozen=True)
class CatBoostClassObjective(Objective):
    """What `objective` returns for a loss of classes: CatBoost asks it row by row."""

    booster = "amiss.catboost"
    built_in = {losses.CrossEntropy: BuiltIn()}
    no_jit: ClassVar[bool] = True

    def calc_ders_multi(self, approx: Any, target: float, weight: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivative of minus the loss of one row, (K,), and its second derivatives, (K, K)."""
        score, label = np.array([approx], dtype=np.float64), np.array([target])
        gradient, diagonal = self.derivatives(score, label)
        return -weight * gradient[0], -weight * self._matrix(score, int(target), diagonal[0])

    def _matrix(self, score: np.ndarray, label: int, diagonal: np.ndarray) -> np.ndarray:
        """Return the whole Hessian of a row; of a policy that changes it the diagonal alone."""
        if self.policy not in ("native", "exact"):
            return np.diag(diagonal)
        classes = len(diagonal)
        rows, labels = np.repeat(score, classes, axis=0), np.full(classes, label)
        return self.loss.hessian_product(rows, labels, np.eye(classes), reduction="sum")


@dataclass(frozen=True)
class CatBoostMetric(Metric):
    """What `metric` returns."""

    no_jit: ClassVar[bool] = True

    def evaluate(self, approxes: Any, target: Any, weight: Any) -> tuple[float, float]:
        """Return the weighted sum of the loss over rows, and the weight."""
        score = np.stack(approxes, axis=-1) if len(approxes) > 1 else np.asarray(approxes[0])
        count = float(len(score) if weight is None else np.sum(weight, dtype=np.float64))
        return count * self.mean(score, np.asarray(target), weight), count

    def get_final_error(self, error: float, weight: float) -> float:
        """Return the mean."""
        return error / weight if weight else 0.0

    def is_max_optimal(self) -> bool:
        """Return False: less is better."""
        return False


def objective(
    loss: Loss, hessian: str = "native", floor: float = FLOOR
) -> CatBoostObjective | CatBoostClassObjective:
    """Return a loss as the objective of `catboost.CatBoost({"loss_function": ..., "eval_metric": ...})`.

    CatBoost weighs no custom objective itself, so the derivatives come with the weights of the rows. It asks
    for the initial score as `Pool(baseline=)`, and leaves it out of what the model predicts.

    Args:
        loss: a loss of each row by itself, of any real number.
        hessian: "native", "exact" (the second derivative), "abs" (its size) or "gauss_newton" (gradient² /
            (2 value)). Native is as CatBoost 1.2 does: half the squared error, the second derivative for yes
            or no, counts, Huber and log-cosh, for classes the whole matrix of them.
            Where CatBoost has no objective for the loss: 1 if its second derivative is zero almost
            everywhere, else "gauss_newton", or "exact" of a loss without a lower bound.
        floor: the least Hessian of a row of weight 1.

    Raises:
        ParameterError: trees cannot minimise the loss, or the policy has no meaning for it.

    Notes:
        A loss of classes is asked row by row, in Python, twice for each row and round: for 10,000 rows and
        more take XGBoost or LightGBM. CatBoost's own Logloss takes ten Newton steps for each leaf, a custom
        objective one: they are equal with leaf_estimation_iterations=10 for both.

    Examples:
        >>> import amiss, numpy
        >>> objective(amiss.SquaredError()).calc_ders_range(numpy.array([3.0]), numpy.array([1.0]), None)
        array([[-2., -1.]])
    """
    over = over_classes(loss) if isinstance(loss, Loss) else False
    return (CatBoostClassObjective if over else CatBoostObjective)(loss, hessian, floor)


def metric(loss: Loss) -> CatBoostMetric:
    """Return a loss as the `eval_metric` of CatBoost, which hands raw scores to it.

    Raises:
        ParameterError: it is no loss.

    Examples:
        >>> import amiss, numpy
        >>> metric(amiss.AbsoluteError()).evaluate([numpy.array([1.0, 3.0])], numpy.array([0.0, 0.0]), None)
        (4.0, 2.0)
    """
    return CatBoostMetric(loss)
