"""What the losses of class probabilities share: the derivatives of a log-likelihood."""

from typing import Any

from amiss.core import LOG_PROBABILITY, PROBABILITY, REAL, SHARE, Array, ClassLoss, Domain


class ClassLikelihood(ClassLoss):
    """The log-likelihood of classes, from logits, probabilities or log-probabilities; no loss by itself."""

    input: str
    axis: int

    target_domain = SHARE

    @property
    def prediction_symbol(self) -> str:
        return {"logits": "z", "probabilities": "p", "log_probabilities": "l"}[self.input]

    @property
    def prediction_domain(self) -> Domain:
        return {"logits": REAL, "probabilities": PROBABILITY, "log_probabilities": LOG_PROBABILITY}[
            self.input
        ]

    @property
    def _axis(self) -> int:
        return self.axis

    def _shares(self, xp: Any, target: Array) -> Array:
        """Return how much each class's -log p counts."""
        return target

    def _clipped(self, xp: Any, prediction: Array, slope: Array) -> Array:
        """Return a slope, 0 where a probability is clipped."""
        return slope

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        share = self._shares(xp, target)
        if self.input == "logits":
            p, rest = xp.softmax_and_rest(prediction)
            return (xp.sum(share) - share) * p - share * rest
        if self.input == "log_probabilities":
            return -share
        return -self._clipped(xp, prediction, xp.ratio(share, prediction))

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        share = self._shares(xp, target)
        if self.input == "logits":
            p, rest = xp.softmax_and_rest(prediction)
            return xp.sum(share) * p * rest
        if self.input == "log_probabilities":
            return xp.full(0.0, share)
        return self._clipped(xp, prediction, xp.ratio(xp.ratio(share, prediction), prediction))

    def _hessian_product(self, xp: Any, prediction: Array, target: Array, direction: Array) -> Array:
        if self.input != "logits":
            return self._hessian(xp, prediction, target) * direction
        p = xp.softmax(prediction)
        return xp.sum(self._shares(xp, target)) * p * (direction - xp.sum(p * direction))

    def _error(self, xp: Any, prediction: Array, target: Array) -> Array:
        if self.input == "probabilities":
            return prediction - target
        return (xp.softmax(prediction) if self.input == "logits" else xp.exp(prediction)) - target
