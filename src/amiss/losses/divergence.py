"""Divergences: how far one distribution is from another."""

from dataclasses import dataclass
from typing import Any

from amiss.core import Array, Facts, SoftmaxOptions, option, setting
from amiss.core.classes import check_axis
from amiss.losses._likelihood import ClassLikelihood


@dataclass(frozen=True)
class KLDivergence(ClassLikelihood):
    """The divergence of predicted class probabilities from the target's: cross-entropy less the entropy.

    Use it to fit one distribution to another, as in distillation: it is 0 where they agree.
    Avoid it for class indices, where it is cross-entropy at a higher price.

    Args:
        input: what the prediction is: "logits", "probabilities" or "log_probabilities". Rows are never
            renormalised.
        axis: where the classes lie.

    Shapes:
        prediction, gradient, hessian: (..., K) with K along `axis`.
        target: (..., K) probabilities, or (...) class indices. One item per row.

    Units:
        value: nats. gradient: nats per unit of the prediction.

    Notes:
        The entropy of the target does not depend on the prediction, so that gradient and Hessian are those of
        `CrossEntropy`. Positive and negative terms add up: the value is right to 8 ULP of the largest term,
        and never negative where both rows sum to 1.

    Source:
        Kullback and Leibler (1951), Annals of Mathematical Statistics 22(1), 79-86,
        doi:10.1214/aoms/1177729694.

    Examples:
        >>> float(KLDivergence(input="probabilities")([[0.25, 0.75]], [[0.0, 1.0]]))  # -log 0.75
        0.2876820724517809
        >>> float(KLDivergence()([[3.0, 3.0]], [[0.5, 0.5]]))
        0.0
    """

    input: str = option("logits", "logits", "probabilities", "log_probabilities")
    axis: int = setting(-1, check_axis)

    aliases = {
        "kl": {},
        "kl_divergence": {},
        "kullback_leibler": {},
        "KLDivLoss": {"input": "log_probabilities"},
        "torch.nn.KLDivLoss": {"input": "log_probabilities"},
        "torch.nn.functional.kl_div": {"input": "log_probabilities"},
        "optax.losses.kl_divergence": {"input": "log_probabilities"},
    }
    translations = {
        "torch.": {
            "log_target": {False: {}, True: "Give the probabilities: exp(target)."},
            "reduction": {"batchmean": {}, "mean": "Its mean divides by K too: multiply by 1 / K."},
        },
    }
    peers = {
        "PyTorch": "KLDivLoss takes log-probabilities; batchmean is the same, its mean is this divided by K.",
        "Keras": "KLDivergence takes probabilities, and clips both at 1e-7.",
        "optax": "kl_divergence takes log-probabilities: the same, unreduced.",
    }

    @property
    def facts(self) -> Facts:
        shapes: dict[str, dict[str, Any]] = {
            "logits": {"lipschitz": 2**0.5, "smoothness": 0.5, "link": "softmax"},
            "probabilities": {"differentiable": "not at probability 0"},
            "log_probabilities": {"lipschitz": 1.0, "smoothness": 0.0, "link": "log"},
        }
        return Facts(
            convex=True,
            minimiser="class frequencies",
            zero_at_perfection=self.input != "logits",
            likelihood="categorical",
            hessian="zero almost everywhere" if self.input == "log_probabilities" else "exact",
            **shapes[self.input],
        )

    @property
    def _softmax_options(self) -> SoftmaxOptions | None:
        """A class index has no entropy: its divergence is cross-entropy. A row of probabilities has some."""
        return SoftmaxOptions(soft=False) if self.input == "logits" else None

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        if self.input == "probabilities":
            ratio = xp.log_ratio(target, prediction)
        elif self.input == "log_probabilities":
            ratio = xp.log(target) - prediction
        else:
            ratio = xp.log(target) - xp.log_softmax(prediction)
        return xp.sum(xp.where(target == 0.0, xp.full(0.0, prediction), target * ratio))
