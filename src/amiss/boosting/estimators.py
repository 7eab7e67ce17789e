"""Estimators for scikit-learn: a loss and a booster, fitted and read correctly with one call."""

from typing import Any, ClassVar, Self

import numpy as np

from amiss.boosting.importing import require
from amiss.boosting.losses import check_loss, name_of, over_classes, over_rows, terms
from amiss.boosting.objective import FLOOR, Objective
from amiss.boosting.scores import inverse_link
from amiss.core import SIGNS, Loss
from amiss.core.errors import DomainError, ParameterError, ShapeError
from amiss.naming import get

require("sklearn", "boost")

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: E402
from sklearn.utils.metaestimators import available_if  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

__all__ = ["BoostedClassifier", "BoostedModel", "BoostedRegressor", "Rows"]

Rows = tuple[Any, np.ndarray, np.ndarray | None]
"""Features, targets as the loss takes them, and a weight for each row or None."""


class BoostedModel(BaseEstimator):
    """A booster that minimises a loss; the base of every booster's regressor and classifier.

    Args:
        loss: a loss, or its name as `amiss.get` knows it.
        n_estimators: how many rounds.
        hessian, floor: what counts as the Hessian of a row; see the booster's `objective`.
        early_stopping_rounds: stop when the loss on `eval_set` has not fallen for so many rounds, and keep
            the best; None for all rounds.
        params: whatever else the booster understands, under its own names.

    Attributes:
        booster_: the booster's own model, of raw scores.
        initial_score_: the best constant, from which the trees start.
    """

    _objective: ClassVar[type[Objective]]

    def __init__(
        self,
        loss: Any,
        n_estimators: int = 100,
        hessian: str = "native",
        floor: float = FLOOR,
        early_stopping_rounds: int | None = None,
        **params: Any,
    ) -> None:
        self.loss = loss
        self.n_estimators = n_estimators
        self.hessian = hessian
        self.floor = floor
        self.early_stopping_rounds = early_stopping_rounds
        self.params = params

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the booster among them."""
        return {**super().get_params(deep), **self.params}

    def set_params(self, **params: Any) -> Self:
        """Set parameters; what is not one of amiss is one of the booster.

        Raises:
            ParameterError: a name asks for a part of a parameter.
        """
        own = set(self._get_param_names())
        for name, value in params.items():
            if "__" in name:
                raise ParameterError(
                    f"{self._owner}: {name} must be set as a whole; got {value!r}. Give "
                    f"{name.split('__')[0]}=, such as loss=amiss.Huber(delta=2.0)."
                )
            if name in own:
                setattr(self, name, value)
            else:
                self.params[name] = value
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> Self:
        """Fit the trees.

        Args:
            X: (n, features), as the booster takes it.
            y: (n,), numbers or labels.
            sample_weight: (n,), numbers of at least 0. 0 is as if the row were absent, 2 as if it stood
                twice.
            eval_set: rows to watch for early stopping: (X, y) or (X, y, sample_weight).

        Raises:
            ParameterError: the loss is not one for this estimator.
            ShapeError: y or the weights do not have one number for each row.
            DomainError: a target or a weight has no meaning.
        """
        loss = self._checked_loss()
        objective = self._make_objective(loss)
        rows = self._rows(X, self._labels(y, learn=True), sample_weight)
        watched = None
        if eval_set is not None:
            X_eval, y_eval, *weight = eval_set
            watched = self._rows(X_eval, self._labels(y_eval, learn=False), *weight)
        elif self.early_stopping_rounds is not None:
            raise ParameterError(
                f"{self._owner}: early_stopping_rounds must come with rows to watch; got no eval_set. "
                "Give fit(X, y, eval_set=(X_valid, y_valid))."
            )
        self.loss_ = loss
        self.n_features_in_ = np.shape(rows[0])[1]
        self.initial_score_ = objective.initial_score(*rows[1:])
        self._train(objective, rows, watched)
        return self

    @property
    def _owner(self) -> str:
        return f"{self._objective.booster}.{type(self).__name__}"

    def _loss(self) -> Loss:
        loss = get(self.loss) if isinstance(self.loss, str) else self.loss
        check_loss(self._owner, loss)
        return loss

    def _checked_loss(self) -> Loss:
        raise NotImplementedError

    def _labels(self, y: Any, learn: bool) -> np.ndarray:
        """Return y as numbers that the loss takes."""
        raise NotImplementedError

    def _make_objective(self, loss: Loss) -> Objective:
        return self._objective(loss, self.hessian, self.floor)

    def _train(self, objective: Any, rows: Rows, watched: Rows | None) -> None:
        """Set `booster_`."""
        raise NotImplementedError

    def _raw(self, X: Any) -> np.ndarray:
        """Return raw scores, the initial score included."""
        raise NotImplementedError

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "booster_")
        return self._raw(_table(X))

    def _rows(self, X: Any, target: np.ndarray, weight: Any = None) -> Rows:
        X = _table(X)
        if np.ndim(X) != 2 or len(target) != np.shape(X)[0]:
            raise ShapeError(
                f"{self._owner}: X must have one row of features for each y; got shapes {np.shape(X)} and "
                f"{target.shape}. Give X as a table."
            )
        if weight is None:
            return X, target, None
        weight = np.asarray(weight, dtype=np.float64)
        if weight.shape != target.shape:
            raise ShapeError(
                f"{self._owner}: sample_weight must have shape {target.shape}, one number for each row; got "
                f"{weight.shape}. Reshape it; amiss never broadcasts."
            )
        if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
            raise DomainError(
                f"{self._owner}: sample_weight must be at least 0, finite, and somewhere positive; got "
                f"numbers from {weight.min()} to {weight.max()}. Give weight 0 to a row that must not count."
            )
        return X, target, weight

    def _vector(self, y: Any) -> np.ndarray:
        y = np.asarray(y)
        if y.ndim != 1 or not y.size:
            raise ShapeError(
                f"{self._owner}: y must have shape (n,), one target for each row; got {y.shape}. Reshape it; "
                "amiss never broadcasts."
            )
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            row = int(np.argmin(np.isfinite(y)))
            raise DomainError(
                f"{self._owner}: y must hold finite numbers; got {y[row]} in row {row}. Drop such rows."
            )
        return y


class BoostedRegressor(RegressorMixin, BoostedModel):
    """Numbers: `predict` gives the mean, rate or probability that a raw score stands for."""

    def _checked_loss(self) -> Loss:
        loss = self._loss()
        if over_rows(loss):
            raise ParameterError(
                f"{self._owner}: loss must take one number for each row; got {loss!r}. Classifier takes a "
                "loss of classes."
            )
        return loss

    def _labels(self, y: Any, learn: bool) -> np.ndarray:
        return self._vector(y).astype(np.float64)

    def predict(self, X: Any) -> np.ndarray:
        """Return a number for each row, on the scale of y: (n,)."""
        score = self._scores(X)
        return inverse_link(self.loss_, score)


def _has_probabilities(model: Any) -> bool:
    loss = model._loss()
    if loss.facts.link == "identity":
        raise AttributeError(
            f"{name_of(loss)} gives no probabilities: decision_function gives its scores. Take "
            "amiss.BinaryCrossEntropy() or amiss.CrossEntropy() for probabilities."
        )
    return True


class BoostedClassifier(ClassifierMixin, BoostedModel):
    """Labels of any dtype: `predict` gives labels, `predict_proba` a column for each of `classes_`."""

    def _checked_loss(self) -> Loss:
        loss = self._loss()
        if not over_classes(loss) and not all(_binary(term) for term in terms(loss)):
            raise ParameterError(
                f"{self._owner}: loss must compare scores with labels, as amiss.CrossEntropy() or "
                f"amiss.BinaryCrossEntropy() does; got {loss!r}. Regressor takes a loss of numbers."
            )
        return loss

    def _labels(self, y: Any, learn: bool) -> np.ndarray:
        y = self._vector(y)
        if learn:
            self.classes_ = np.unique(y)
            self._check_number_of_classes()
        index = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unknown = self.classes_[index] != y
        if unknown.any():
            raise DomainError(
                f"{self._owner}: y of eval_set must hold labels of the training rows; got "
                f"{y[unknown].tolist()[0]!r}. "
                "Add rows of that class to the training rows."
            )
        loss = self._loss()
        if over_classes(loss):
            return index
        return 2.0 * index - 1.0 if terms(loss)[0].target_domain == SIGNS else index.astype(np.float64)

    def _check_number_of_classes(self) -> None:
        found, loss = len(self.classes_), self._loss()
        if found < 2 or (found > 2 and not over_classes(loss)):
            rule = "two classes or more" if over_classes(loss) else f"two classes for {name_of(loss)}"
            remedy = " Take amiss.CrossEntropy() for more." if found > 2 else " A constant needs no model."
            raise DomainError(f"{self._owner}: y must hold {rule}; got {found}.{remedy}")

    def decision_function(self, X: Any) -> np.ndarray:
        """Return raw scores: (n,) of two classes by one score, (n, K) of one score for each class."""
        return self._scores(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return a label for each row: (n,), of the dtype of y."""
        score = self._scores(X)
        best = score.argmax(axis=1) if score.ndim == 2 else (score > 0.0).astype(np.intp)
        return self.classes_[best]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class: (n, K), in the order of `classes_`."""
        score = self._scores(X)
        if score.ndim == 2:
            return inverse_link(self.loss_, score)
        return np.column_stack([inverse_link(self.loss_, -score), inverse_link(self.loss_, score)])


def _binary(term: Any) -> bool:
    return term.target_domain == SIGNS or term.facts.link == "logit"


def _table(X: Any) -> Any:
    return np.asarray(X) if isinstance(X, list | tuple) else X
