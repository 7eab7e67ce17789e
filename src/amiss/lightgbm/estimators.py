"""A loss and LightGBM as estimators of scikit-learn."""

from typing import Any

import lightgbm
import numpy as np

from amiss.boosting.estimators import BoostedClassifier, BoostedModel, BoostedRegressor, Rows
from amiss.lightgbm.objective import LightGBMMetric, LightGBMObjective, start

__all__ = ["Classifier", "Regressor"]


class _LightGBMModel(BoostedModel):
    _objective = LightGBMObjective

    def _train(self, objective: Any, rows: Rows, watched: Rows | None) -> None:
        data = self._dataset(rows)
        stopping = self.early_stopping_rounds
        self.booster_ = lightgbm.train(
            {**objective.parameters(*rows[1:]), "verbosity": -1, **self.params},
            data,
            self.n_estimators,
            valid_sets=[self._dataset(watched, data)] if watched else None,
            feval=LightGBMMetric(self.loss_),
            callbacks=[lightgbm.early_stopping(stopping, verbose=False)] if stopping else None,
        )

    def _dataset(self, rows: Rows, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        X, target, weight = rows
        begun = start(self.initial_score_, len(target))
        return lightgbm.Dataset(X, target, weight=weight, init_score=begun, reference=reference)

    def _raw(self, X: Any) -> np.ndarray:
        return self.initial_score_ + self.booster_.predict(X, raw_score=True)


class Regressor(BoostedRegressor, _LightGBMModel):
    """LightGBM with any loss of numbers, as an estimator of scikit-learn.

    Args:
        loss: a loss of each row by itself, or its name.
        n_estimators: how many rounds.
        hessian, floor: what counts as the Hessian of a row; see `objective`.
        early_stopping_rounds: stop when the loss on `eval_set` has not fallen for so many rounds.
        params: parameters of `lightgbm.train`.

    Examples:
        >>> import amiss
        >>> small = {"learning_rate": 1.0, "min_data_in_leaf": 1, "min_data_in_bin": 1}
        >>> model = Regressor(amiss.SquaredError(), n_estimators=1, **small)
        >>> model.fit([[0.0], [0.0], [1.0], [1.0]], [1, 3, 5, 7]).predict([[0.0], [1.0]])  # leaf means
        array([2., 6.])
    """


class Classifier(BoostedClassifier, _LightGBMModel):
    """LightGBM with any loss of classes, as an estimator of scikit-learn.

    Args:
        loss: `amiss.CrossEntropy()`, `amiss.BinaryCrossEntropy()`, `amiss.Hinge()` or alike, or its name.
        n_estimators: how many rounds.
        hessian, floor: what counts as the Hessian of a row; see `objective`.
        early_stopping_rounds: stop when the loss on `eval_set` has not fallen for so many rounds.
        params: parameters of `lightgbm.train`.

    Examples:
        >>> import amiss
        >>> small = {"min_data_in_leaf": 1, "min_data_in_bin": 1}
        >>> model = Classifier(amiss.BinaryCrossEntropy(), n_estimators=5, **small)
        >>> model.fit([[0.0], [0.0], [1.0], [1.0]], ["no", "no", "yes", "yes"]).predict([[0.0], [1.0]])
        array(['no', 'yes'], dtype='<U3')
    """
