"""Losses of directions: how alike two vectors point."""

from dataclasses import dataclass
from typing import Any

from amiss.core import Array, Facts, RowLoss, setting
from amiss.core.classes import check_axis


@dataclass(frozen=True)
class CosineDistance(RowLoss):
    """One minus the cosine of the angle between two vectors: 0 for one direction, 2 for opposite ones.

    Use it to compare embeddings whose length means nothing.
    Avoid it where the length carries information: the gradient never changes it.

    Args:
        axis: where the numbers of a vector lie.

    Shapes:
        prediction, target, gradient, hessian: (..., K), equal, with K along `axis`. One item per vector.

    Units:
        value: none. gradient: 1 / unit of the prediction.

    Notes:
        It is computed as half the squared distance of the unit vectors, which keeps the digits of small
        angles, and no square overflows. A vector of zeros has no direction: it costs 1, with a gradient of 0.

    Source:
        Salton, Wong and Yang (1975), Communications of the ACM 18(11), 613-620, doi:10.1145/361219.361220.

    Examples:
        >>> round(float(CosineDistance()([[3.0, 0.0]], [[4.0, 3.0]])), 9)  # 1 - 12 / (3 * 5)
        0.2
    """

    axis: int = setting(-1, check_axis)

    aliases = {
        "cosine": {},
        "optax.losses.cosine_distance": {},
    }
    peers = {
        "PyTorch": "CosineEmbeddingLoss is the same for targets of 1.",
        "Keras": "CosineSimilarity is this minus 1: -1 at best.",
        "optax": "cosine_distance is the same, unreduced.",
    }

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=False,
            minimiser="mean direction",
            differentiable="not at a vector of zeros",
            likelihood="von Mises-Fisher",
        )

    @property
    def _axis(self) -> int:
        return self.axis

    def _directions(self, xp: Any, prediction: Array, target: Array) -> tuple[Array, Array, Array]:
        """Return the unit vectors u of the prediction and v of the target, and the prediction's length."""
        (u, length), (v, _) = xp.unit(prediction), xp.unit(target)
        return xp.named_part("u", u), xp.named_part("v", v), xp.named_part("r", length)

    def _cosine(self, xp: Any, u: Array, v: Array) -> tuple[Array, Array]:
        """Return the cosine of two unit vectors and what v has across u."""
        gap = v - u
        distance = xp.named_part("d", xp.sum(gap * gap) / 2.0)
        return 1.0 - distance, gap + distance * u

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        u, v, length = self._directions(xp, prediction, target)
        gap = u - v
        return xp.where(self._nowhere(xp, v, length), 1.0, xp.sum(gap * gap) / 2.0)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        u, v, length = self._directions(xp, prediction, target)
        _, across = self._cosine(xp, u, v)
        return self._somewhere(xp, v, length, -across / length)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        u, v, length = self._directions(xp, prediction, target)
        cosine, across = self._cosine(xp, u, v)
        bend = cosine * (1.0 - u * u) + 2.0 * u * across
        return self._somewhere(xp, v, length, bend / length / length)

    def _hessian_product(self, xp: Any, prediction: Array, target: Array, direction: Array) -> Array:
        u, v, length = self._directions(xp, prediction, target)
        cosine, across = self._cosine(xp, u, v)
        along = xp.sum(u * direction)
        bend = across * along + u * xp.sum(across * direction) + cosine * (direction - u * along)
        return self._somewhere(xp, v, length, bend / length / length)

    def _nowhere(self, xp: Any, v: Array, length: Array) -> Array:
        """Return which rows have a vector of zeros."""
        return (length == 0.0) | (xp.sum(xp.abs(v)) == 0.0)

    def _somewhere(self, xp: Any, v: Array, length: Array, derivative: Array) -> Array:
        """Return a derivative, 0 where one of the vectors is 0."""
        return xp.where(self._nowhere(xp, v, length), 0.0, derivative)
