"""A loss as a metric of scikit-learn: the target comes first."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.boosting.losses import check_loss, name_of
from amiss.core import Loss

__all__ = ["SklearnMetric", "metric"]


@dataclass(frozen=True)
class SklearnMetric:
    """What `metric` returns: `f(y_true, y_pred, sample_weight=None)`, the weighted mean as a float."""

    loss: Loss

    def __post_init__(self) -> None:
        check_loss("amiss.sklearn.metric", self.loss)

    @property
    def __name__(self) -> str:
        return name_of(self.loss)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        weight = None if sample_weight is None else np.asarray(sample_weight)
        return float(self.loss(np.asarray(y_pred), np.asarray(y_true), weight))


def metric(loss: Loss) -> SklearnMetric:
    """Return a loss as a metric with scikit-learn's order of arguments.

    Args:
        loss: any loss. `y_pred` is what the loss takes: numbers, scores, or with `input="probabilities"` what
            `predict_proba` gives; labels are 0 and 1, signs, or class indices.

    Returns:
        `f(y_true, y_pred, sample_weight=None)`: Σ w·l / Σ w, where less is better.

    Raises:
        ParameterError: it is no loss. The metric raises what the loss does: nothing is broadcast.

    Examples:
        >>> import amiss
        >>> metric(amiss.Pinball(0.75))([3.0, 2.0], [1.0, 3.0])  # (0.75 * 2 + 0.25 * 1) / 2
        0.875
        >>> metric(amiss.AbsoluteError())([3.0, 2.0], [1.0, 3.0], sample_weight=[3, 1])  # (3 * 2 + 1 * 1) / 4
        1.75
    """
    return SklearnMetric(loss)
