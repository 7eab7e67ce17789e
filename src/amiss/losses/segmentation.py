"""Losses of regions: how well predicted and true classes overlap over a whole batch."""

import math
from dataclasses import dataclass
from typing import Any

from amiss.core import (
    NON_NEGATIVE,
    PROBABILITY,
    REAL,
    SHARE,
    Array,
    BatchLoss,
    ClassItems,
    Domain,
    Facts,
    option,
    parameter,
    setting,
)
from amiss.core.classes import check_axis, check_ignore_index


@dataclass(frozen=True)
class Dice(BatchLoss, ClassItems):
    """One minus the overlap of predicted and true classes, 2 |P and T| / (|P| + |T|), the mean over classes.

    Use it for segmentation with small regions: a class weighs the same however few items it has.
    Avoid it alone for calibrated probabilities, or with batches where classes are missing: add cross-entropy.

    Args:
        input: what the prediction is: "logits" or "probabilities".
        smooth: added above and below the fraction, so that a class which is neither there nor predicted has
            overlap 1; 0 gives the textbook's, where every class that is not there costs 1 / K.
        ignore_index: a class index that removes its item.
        axis: where the classes lie.

    Shapes:
        prediction, gradient, hessian: (..., K) with K along `axis`.
        target: (...) class indices, or (..., K) probabilities. One item: the whole batch.

    Units:
        value: none, in [0, 1]. gradient: 1 / unit of the prediction.

    Notes:
        The overlap is that of all items together, weights counted, not the mean of overlaps of images.
        So it has no value per item, and the means of micro-batches do not add up: `total` does.

    Source:
        Dice (1945), Ecology 26(3), 297-302, doi:10.2307/1932409; as a loss Milletari, Navab and Ahmadi
        (2016), 3DV, 565-571, doi:10.1109/3DV.2016.79.

    Examples:
        >>> probabilities = [[0.75, 0.25], [0.25, 0.75]]
        >>> float(Dice("probabilities", smooth=0.0)(probabilities, [0, 1]))  # each: 1 - 2 * 0.75 / (1 + 1)
        0.25
    """

    input: str = option("logits", "logits", "probabilities")
    smooth: float = parameter(1.0, domain=NON_NEGATIVE, typical=(0.01, 5.0), symbol="s")
    ignore_index: int | None = setting(None, check_ignore_index)
    axis: int = setting(-1, check_axis)

    aliases = {
        "dice_loss": {},
    }
    peers = {
        "PyTorch": "none.",
        "Keras": "Dice takes probabilities, and is one overlap of all classes together unless told.",
    }

    @property
    def prediction_symbol(self) -> str:
        return "z" if self.input == "logits" else "p"

    @property
    def prediction_domain(self) -> Domain:
        return REAL if self.input == "logits" else PROBABILITY

    target_domain = SHARE

    @property
    def facts(self) -> Facts:
        smooth = self.smooth > 0.0
        return Facts(
            convex=False,
            minimiser="depends on the classes",
            lipschitz=None if smooth or self.input == "logits" else math.inf,
            smoothness=None if smooth or self.input == "logits" else math.inf,
            differentiable="everywhere"
            if smooth or self.input == "logits"
            else "not where a class is nowhere",
            zero_at_perfection=self.input == "probabilities",
            link="softmax" if self.input == "logits" else "identity",
        )

    @property
    def _axis(self) -> int:
        return self.axis

    @property
    def _ignored(self) -> int | None:
        return self.ignore_index

    def _probabilities(self, xp: Any, prediction: Array) -> Array:
        return xp.softmax(prediction) if self.input == "logits" else prediction

    def _error(self, xp: Any, prediction: Array, target: Array) -> Array:
        return self._probabilities(xp, prediction) - target

    def _state(self, xp: Any, prediction: Array, target: Array, weight: Array) -> tuple[Array, ...]:
        """Return of each class what predicted and true classes share, and their sizes added."""
        p = self._probabilities(xp, prediction)
        return xp.over_items(weight * p * target), xp.over_items(weight * (p + target))

    def _overlap(self, xp: Any, shared: Array, sizes: Array) -> tuple[Array, Array]:
        """Return the overlap of each class, and what it was divided by.

        It is 1 where the class is nowhere. No softmax is 0, so behind one the class is merely so improbable
        that its number is: the overlap is 0, as it is of any small probability.
        """
        nowhere = sizes + self.smooth == 0.0
        perfect = 0.0 if self.input == "logits" else 1.0
        whole = xp.named_part("S", xp.where(nowhere, 1.0, sizes + self.smooth))
        return xp.named_part("D", xp.where(nowhere, perfect, (2.0 * shared + self.smooth) / whole)), whole

    def _join(self, xp: Any, *state: Array) -> Array:
        overlap, _ = self._overlap(xp, *state)
        return xp.sum(1.0 - overlap) / xp.length(overlap)

    def _slope(self, xp: Any, state: tuple[Array, ...], target: Array, weight: Array) -> tuple[Array, Array]:
        """Return the derivative G of the value in the probabilities, and what overlaps were divided by."""
        overlap, whole = self._overlap(xp, *state)
        steep = weight * (overlap - 2.0 * target) / whole / xp.length(target)
        return xp.named_part("G", xp.where(state[1] + self.smooth == 0.0, 0.0, steep)), whole

    def _gradient(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        slope, _ = self._slope(xp, self._state(xp, prediction, target, weight), target, weight)
        return xp.softmax_pull(prediction, slope) if self.input == "logits" else slope

    def _hessian(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        slope, whole = self._slope(xp, self._state(xp, prediction, target, weight), target, weight)
        bend = -2.0 * weight * slope / whole
        if self.input == "probabilities":
            return bend
        p, rest = xp.softmax_and_rest(prediction)
        others = xp.sum(bend * p * p) - bend * p * p
        return (rest - p) * xp.softmax_pull(prediction, slope) + p * p * (bend * rest * rest + others)

    def _hessian_product(
        self, xp: Any, prediction: Array, target: Array, weight: Array, direction: Array
    ) -> Array:
        slope, whole = self._slope(xp, self._state(xp, prediction, target, weight), target, weight)
        logits = self.input == "logits"
        p = self._probabilities(xp, prediction)
        step = p * (direction - xp.sum(p * direction)) if logits else direction
        # The slope's change: the overlap changes by `turn`, the whole by `grown`.
        turn = -xp.length(target) * xp.over_items(slope * step)
        grown = xp.over_items(weight * step)
        change = weight * turn / whole / xp.length(target) - slope * grown / whole
        if not logits:
            return change
        level = xp.sum(p * slope)
        return step * (slope - level) + p * (change - xp.sum(p * change) - xp.sum(step * slope))
