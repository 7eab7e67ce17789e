"""A loss and CatBoost as estimators of scikit-learn."""

from typing import Any

import catboost
import numpy as np

from amiss.boosting.estimators import BoostedClassifier, BoostedModel, BoostedRegressor, Rows
from amiss.boosting.losses import over_rows
from amiss.catboost.objective import CatBoostMetric, CatBoostObjective, objective
from amiss.core.errors import ParameterError

__all__ = ["Classifier", "Regressor"]

LOUDNESS = {"verbose", "verbose_eval", "silent", "logging_level"}


class _CatBoostModel(BoostedModel):
    _objective = CatBoostObjective

    def _make_objective(self, loss: Any) -> Any:
        return objective(loss, self.hessian, self.floor)

    def _train(self, objective: Any, rows: Rows, watched: Rows | None) -> None:
        if over_rows(self.loss_) and len(self.initial_score_) == 2:
            raise ParameterError(
                f"{self._owner}: loss must take one score for each row of two classes, as CatBoost gives it; "
                f"got {self.loss_!r}. Take amiss.BinaryCrossEntropy()."
            )
        chosen = {
            "loss_function": objective,
            "eval_metric": CatBoostMetric(self.loss_),
            "iterations": self.n_estimators,
            "allow_writing_files": False,
            **({} if LOUDNESS & self.params.keys() else {"logging_level": "Silent"}),
            **({"classes_count": len(self.initial_score_)} if over_rows(self.loss_) else {}),
        }
        self.booster_ = catboost.CatBoost({**chosen, **self.params})
        self.booster_.fit(
            self._pool(rows),
            eval_set=self._pool(watched) if watched else None,
            early_stopping_rounds=self.early_stopping_rounds,
            use_best_model=self.early_stopping_rounds is not None,
        )

    def _pool(self, rows: Rows) -> catboost.Pool:
        X, target, weight = rows
        baseline = np.tile(self.initial_score_, (len(target), 1))
        return catboost.Pool(X, target, weight=weight, baseline=baseline)

    def _raw(self, X: Any) -> np.ndarray:
        return self.initial_score_ + self.booster_.predict(X, prediction_type="RawFormulaVal")


class Regressor(BoostedRegressor, _CatBoostModel):
    """CatBoost with any loss of numbers, as an estimator of scikit-learn.

    Args:
        loss: a loss of each row by itself, or its name.
        n_estimators: how many rounds.
        hessian, floor: what counts as the Hessian of a row; see `objective`.
        early_stopping_rounds: stop when the loss on `eval_set` has not fallen for so many rounds.
        params: parameters of `catboost.CatBoost`.

    Examples:
        >>> import amiss
        >>> model = Regressor(amiss.SquaredError(), n_estimators=1, learning_rate=1.0, l2_leaf_reg=0.0)
        >>> model.fit([[0.0], [0.0], [1.0], [1.0]], [1, 3, 5, 7]).predict([[0.0], [1.0]])  # leaf means
        array([2., 6.])
    """


class Classifier(BoostedClassifier, _CatBoostModel):
    """CatBoost with any loss of classes, as an estimator of scikit-learn.

    Args:
        loss: `amiss.BinaryCrossEntropy()`, `amiss.CrossEntropy()`, `amiss.Hinge()` or alike, or its name.
        n_estimators: how many rounds.
        hessian, floor: what counts as the Hessian of a row; see `objective`.
        early_stopping_rounds: stop when the loss on `eval_set` has not fallen for so many rounds.
        params: parameters of `catboost.CatBoost`.

    Examples:
        >>> import amiss
        >>> model = Classifier(amiss.BinaryCrossEntropy(), n_estimators=5)
        >>> model.fit([[0.0], [0.0], [1.0], [1.0]], ["no", "no", "yes", "yes"]).predict([[0.0], [1.0]])
        array(['no', 'yes'], dtype='<U3')
    """
