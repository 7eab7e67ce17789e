"""A loss as a scorer of scikit-learn: asks an estimator for what the loss takes, and negates."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.boosting.losses import check_loss, name_of, over_classes, terms
from amiss.core import CLASSES, LOG_PROBABILITY, PROBABILITY, SIGNS, Loss
from amiss.core.errors import DomainError, ParameterError, suggest

__all__ = ["Scorer", "scorer"]

RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


@dataclass(frozen=True)
class Scorer:
    """What `scorer` returns: `f(estimator, X, y, sample_weight=None)`, minus the mean of the loss."""

    loss: Loss
    response_method: str

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        ask = getattr(estimator, self.response_method, None)
        if ask is None:
            raise ParameterError(
                f"scorer: the estimator must have {self.response_method} for {self.loss!r}; got "
                f"{estimator!r}. {self._remedy(estimator)}"
            )
        weight = None if sample_weight is None else np.asarray(sample_weight)
        prediction, target = np.asarray(ask(X)), np.asarray(y)
        if self.response_method != "predict":
            prediction, target = self._columns(prediction), self._encoded(target, estimator.classes_)
        return -float(self.loss(prediction, target, weight))

    def _remedy(self, estimator: Any) -> str:
        if hasattr(estimator, "predict_proba"):
            return 'Construct the loss with input="probabilities".'
        return "Take a loss of what it gives, or response_method=."

    def _columns(self, response: np.ndarray) -> np.ndarray:
        """Return one column for each class, or one number for each row, as the loss takes it."""
        columns, logits = response.ndim == 2, self.response_method == "decision_function"
        if over_classes(self.loss) and not columns:  # the one logit of two classes
            return np.column_stack([np.zeros_like(response), response])
        if not over_classes(self.loss) and columns and response.shape[1] == 2:
            return response[:, 1] - response[:, 0] if logits else response[:, 1]
        return response

    def _encoded(self, y: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return labels in the estimator's order as the loss takes them."""
        index = np.searchsorted(classes, y).clip(max=len(classes) - 1)
        unknown = classes[index] != y
        if unknown.any():
            raise DomainError(
                "scorer: y must hold labels that the estimator was fitted with; got "
                f"{y[unknown].tolist()[0]!r}. Fit it with rows of every class."
            )
        return 2.0 * index - 1.0 if terms(self.loss)[0].target_domain == SIGNS else index

    def get_metadata_routing(self) -> Any:
        """Return that a weight of the rows is always asked for, where scikit-learn routes metadata."""
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=True)
        return request


def scorer(loss: Loss, response_method: str | None = None) -> Scorer:
    """Return a loss as a scorer for `cross_val_score`, `GridSearchCV` and their kin: greater is better.

    Args:
        loss: any loss. Labels may be of any dtype: they are numbered in the order of the estimator's
            `classes_`.
        response_method: what the estimator is asked for: "predict", "predict_proba", "predict_log_proba" or
            "decision_function"; None for what the loss takes.

    Returns:
        `f(estimator, X, y, sample_weight=None)`: minus the weighted mean of the loss.

    Raises:
        ParameterError: it is no loss, the response is unknown, or the loss takes the logarithm of what
            estimators predict.

    Examples:
        >>> import amiss
        >>> from sklearn.dummy import DummyRegressor
        >>> from sklearn.model_selection import cross_val_score
        >>> mean, y = DummyRegressor(), [0.0, 2.0, 1.0, 3.0]
        >>> cross_val_score(mean, [[0]] * 4, y, cv=2, scoring=scorer(amiss.AbsoluteError()))
        array([-1., -1.])
    """
    check_loss("amiss.sklearn.scorer", loss)
    if response_method is None:
        response_method = _response(loss)
    elif response_method not in RESPONSES:
        raise ParameterError(
            f"amiss.sklearn.scorer: response_method must be one of {', '.join(RESPONSES)}; got "
            f"{response_method!r}.{suggest(str(response_method), RESPONSES)}"
        )
    return Scorer(loss, response_method)


def _response(loss: Loss) -> str:
    """Return what an estimator is asked for, by what the loss takes."""
    term = terms(loss)[0]
    by_domain = {PROBABILITY: "predict_proba", LOG_PROBABILITY: "predict_log_proba"}
    if term.prediction_domain in by_domain:
        return by_domain[term.prediction_domain]
    if over_classes(loss) or term.target_domain in (CLASSES, SIGNS):
        return "decision_function"
    if loss.facts.link != "identity":
        raise ParameterError(
            f"amiss.sklearn.scorer: loss must compare what predict gives; got {name_of(loss)} of the "
            f"{loss.facts.link} "
            'of a rate. Take input="rate", or response_method="predict" for an estimator that predicts the '
            "logarithm."
        )
    return "predict"
