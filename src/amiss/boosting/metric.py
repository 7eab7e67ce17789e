"""A loss as the number that a booster prints for each round."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.boosting.losses import check_loss, name_of
from amiss.boosting.scores import as_target
from amiss.core import Loss

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """The weighted mean of a loss over rows; less is better.

    Args:
        loss: any loss, also one of all rows together such as `amiss.RootMeanSquaredError()`. It takes what
            the booster hands to a metric: raw scores beside an objective of one's own.

    Raises:
        ParameterError: it is no loss.

    Examples:
        >>> import amiss
        >>> Metric(amiss.AbsoluteError()).mean(np.array([1.0, 5.0]), [0.0, 0.0], [3.0, 1.0])  # (3 + 5) / 4
        2.0
    """

    loss: Loss

    def __post_init__(self) -> None:
        check_loss("metric", self.loss)

    @property
    def __name__(self) -> str:
        return name_of(self.loss)

    def mean(self, score: np.ndarray, target: Any, weight: Any = None) -> float:
        """Return the loss of scores, with rows weighed."""
        return float(self.loss(score, as_target(self.loss, score, target), weight))
