"""Margin losses: a prediction is a signed score, right from a margin on."""

from dataclasses import dataclass
from typing import Any

from amiss.core import NON_NEGATIVE, SIGNS, Array, ElementwiseLoss, Facts, parameter


@dataclass(frozen=True)
class Hinge(ElementwiseLoss):
    """What a signed score lacks to the `margin`; 0 beyond it. Targets are -1 and +1.

    Use it for a decision without probabilities; items beyond the margin stop counting.
    Avoid it where probabilities are wanted: the score has no scale.

    Args:
        margin: the score on the right side that costs nothing.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: that of the score. gradient: none. hessian: 0 almost everywhere.

    Notes:
        Exactly at the margin the gradient is 0. For K classes use K scores, one against the rest.

    Source:
        Cortes and Vapnik (1995), Machine Learning 20, 273-297, doi:10.1007/BF00994018.

    Examples:
        >>> float(Hinge()([0.5, -2.0], [1, -1], reduction="sum"))  # (1 - 0.5) + 0
        0.5
    """

    margin: float = parameter(1.0, domain=NON_NEGATIVE, typical=(0.1, 3.0), symbol="m", neutral=True)

    aliases = {
        "hinge_loss": {},
        "keras.losses.Hinge": {},
        "optax.hinge_loss": {},
        "sklearn.metrics.hinge_loss": {},
        "xgboost.binary:hinge": {},
        "optax.losses.perceptron_loss": {"margin": 0.0},
        "perceptron": {"margin": 0.0},
    }
    peers = {
        "PyTorch": "none: HingeEmbeddingLoss is another loss.",
        "Keras": "Hinge is the same; a batch of labels 0 and 1 is turned into signs.",
        "optax": "hinge_loss is the same, unreduced; perceptron_loss has the margin 0.",
        "scikit-learn": "hinge_loss is the same, a metric.",
        "XGBoost": "binary:hinge takes labels 0 and 1.",
    }

    prediction_symbol = "z"
    target_domain = SIGNS

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="majority sign",
            lipschitz=1.0,
            differentiable="not at score * target = margin",
            zero_at_perfection=self.margin <= 1.0,
            monotone=self.margin <= 1.0,
            hessian="zero almost everywhere",
        )

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.relu(self.margin - target * prediction)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        slack = self.margin - target * prediction
        return xp.where(slack > 0.0, -target, xp.full(0.0, slack))

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.full(0.0, target * prediction)


@dataclass(frozen=True)
class SquaredHinge(ElementwiseLoss):
    """The square of what a signed score lacks to the `margin`; 0 beyond it. Targets are -1 and +1.

    Use it for a hinge whose gradient fades towards the margin, so that the last steps are small.
    Avoid it with mislabelled items: their cost grows with the square of the score.

    Args:
        margin: the score on the right side that costs nothing.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: that of the score squared. gradient: that of the score. hessian: none; 2 below the margin.

    Notes:
        Exactly at the margin the Hessian is 0.

    Source:
        Chang, Hsieh and Lin (2008), Journal of Machine Learning Research 9, 1369-1398.

    Examples:
        >>> float(SquaredHinge()([0.5, -2.0], [1, -1], reduction="sum"))  # (1 - 0.5) ** 2 + 0
        0.25
    """

    margin: float = parameter(1.0, domain=NON_NEGATIVE, typical=(0.1, 3.0), symbol="m", neutral=True)

    aliases = {"keras.losses.SquaredHinge": {}}
    peers = {
        "PyTorch": "none.",
        "Keras": "SquaredHinge is the same; a batch of labels 0 and 1 is turned into signs.",
        "scikit-learn": "the loss that LinearSVC minimises unless told.",
    }

    prediction_symbol = "z"
    target_domain = SIGNS

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="mean sign times the margin",
            smoothness=2.0,
            zero_at_perfection=self.margin <= 1.0,
            monotone=self.margin <= 1.0,
        )

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        slack = xp.relu(self.margin - target * prediction)
        return slack * slack

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        return -2.0 * target * xp.relu(self.margin - target * prediction)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        slack = self.margin - target * prediction
        return xp.where(slack > 0.0, 2.0, xp.full(0.0, slack))
