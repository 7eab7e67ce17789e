"""A loss and XGBoost as estimators of scikit-learn."""

from typing import Any

import numpy as np
import xgboost

from amiss.boosting.estimators import BoostedClassifier, BoostedModel, BoostedRegressor, Rows
from amiss.xgboost.objective import XGBoostMetric, XGBoostObjective

__all__ = ["Classifier", "Regressor"]


def _matrix(rows: Rows) -> xgboost.DMatrix:
    X, target, weight = rows
    return xgboost.DMatrix(X, target, weight=weight)


class _XGBoostModel(BoostedModel):
    _objective = XGBoostObjective

    def _train(self, objective: Any, rows: Rows, watched: Rows | None) -> None:
        self.booster_ = xgboost.train(
            {**objective.parameters(*rows[1:]), **self.params},
            _matrix(rows),
            self.n_estimators,
            obj=objective,
            custom_metric=XGBoostMetric(self.loss_),
            evals=[(_matrix(watched), "eval_set")] if watched else None,
            early_stopping_rounds=self.early_stopping_rounds,
            verbose_eval=False,
        )

    def _raw(self, X: Any) -> np.ndarray:
        best = self.booster_.attr("best_iteration")  # None without early stopping
        rounds = 0, 0 if best is None else int(best) + 1
        return self.booster_.predict(xgboost.DMatrix(X), output_margin=True, iteration_range=rounds)


class Regressor(BoostedRegressor, _XGBoostModel):
    """XGBoost with any loss of numbers, as an estimator of scikit-learn.

    Args:
        loss: a loss of each row by itself, or its name.
        n_estimators: how many rounds.
        hessian, floor: what counts as the Hessian of a row; see `objective`.
        early_stopping_rounds: stop when the loss on `eval_set` has not fallen for so many rounds.
        params: parameters of `xgboost.train`.

    Examples:
        >>> import amiss
        >>> model = Regressor(amiss.Poisson(), n_estimators=1, hessian="exact")
        >>> model.fit([[0.0], [0.0]], [1, 3]).predict([[0.0]])  # nothing to split: the mean
        array([2.], dtype=float32)
    """


class Classifier(BoostedClassifier, _XGBoostModel):
    """XGBoost with any loss of classes, as an estimator of scikit-learn.

    Args:
        loss: `amiss.CrossEntropy()`, `amiss.BinaryCrossEntropy()`, `amiss.Hinge()` or alike, or its name.
        n_estimators: how many rounds.
        hessian, floor: what counts as the Hessian of a row; see `objective`.
        early_stopping_rounds: stop when the loss on `eval_set` has not fallen for so many rounds.
        params: parameters of `xgboost.train`.

    Examples:
        >>> import amiss
        >>> model = Classifier(amiss.BinaryCrossEntropy(), n_estimators=5, min_child_weight=0)
        >>> model.fit([[0.0], [0.0], [1.0], [1.0]], ["no", "no", "yes", "yes"]).predict([[0.0], [1.0]])
        array(['no', 'yes'], dtype='<U3')
    """
