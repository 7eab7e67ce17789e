"""Losses of counts and rates."""

import math
from dataclasses import dataclass
from typing import Any

from amiss.core import NON_NEGATIVE, REAL, Array, Domain, ElementwiseLoss, Facts, option


@dataclass(frozen=True)
class Poisson(ElementwiseLoss):
    """The negative log-likelihood of a count under a Poisson distribution, without the term log(target!).

    Use it for counts and rates; give log-rates, which may be any number.
    Avoid it for counts that vary more than their mean: the variance is then taken for signal.

    Args:
        input: what the prediction is: "log_rate" (any real number) or "rate" (at least 0).

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: nats. gradient: nats per unit of the prediction.

    Notes:
        The value is not 0 at perfection and may be negative: what is left out depends on the target alone.
        Value and gradient from log-rates subtract two rounded numbers; they are right to 4 ULP of the larger.

    Source:
        Nelder and Wedderburn (1972), Journal of the Royal Statistical Society A 135(3), 370-384.

    Examples:
        >>> float(Poisson()([0.0], [3.0])), float(Poisson().gradient([0.0], [3.0])[0])  # exp(0) - 3 * 0
        (1.0, -2.0)
    """

    input: str = option("log_rate", "log_rate", "rate")

    aliases = {
        "PoissonNLLLoss": {},
        "torch.nn.PoissonNLLLoss": {},
        "torch.nn.functional.poisson_nll_loss": {},
        "keras.losses.Poisson": {"input": "rate"},
        "count:poisson": {},
        "xgboost.count:poisson": {},
        "lightgbm.poisson": {},
        "catboost.Poisson": {},
    }
    translations = {
        "torch.": {
            "log_input": {True: {"input": "log_rate"}, False: {"input": "rate"}},
            "full": {False: {}, True: "The term of the target alone is left out here."},
            "eps": None,
        },
        "xgboost.": {"max_delta_step": None},
        "lightgbm.": {"poisson_max_delta_step": None},
    }
    peers = {
        "PyTorch": "PoissonNLLLoss is the same, of log-rates; with log_input=False it adds 1e-8 to a rate.",
        "Keras": "Poisson takes rates, and adds 1e-7 to them.",
        "optax": "none.",
        "scikit-learn": "mean_poisson_deviance is twice this less its value at perfection.",
        "XGBoost": "count:poisson, of log-rates, with exp(0.7) times the Hessian: max_delta_step.",
        "LightGBM": "poisson, of log-rates, with exp(0.7) times the Hessian: poisson_max_delta_step.",
        "CatBoost": "Poisson is the same, of log-rates.",
    }

    @property
    def prediction_symbol(self) -> str:
        return "z" if self.input == "log_rate" else r"\mu"

    @property
    def prediction_domain(self) -> Domain:
        return REAL if self.input == "log_rate" else NON_NEGATIVE

    target_domain = NON_NEGATIVE

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="mean",
            differentiable="everywhere" if self.input == "log_rate" else "not at rate 0",
            lower_bound=-math.inf,
            zero_at_perfection=False,
            likelihood="Poisson",
            link="log" if self.input == "log_rate" else "identity",
        )

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        if self.input == "log_rate":
            return xp.exp_less(prediction, xp.weigh(target, prediction))
        return prediction - xp.xlogy(target, prediction)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        if self.input == "log_rate":
            return xp.exp(prediction) - target
        return xp.where(target == 0.0, xp.full(1.0, prediction), (prediction - target) / prediction)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        if self.input == "log_rate":
            return xp.exp(prediction)
        return xp.ratio(xp.ratio(target, prediction), prediction)

    def _error(self, xp: Any, prediction: Array, target: Array) -> Array:
        return (xp.exp(prediction) if self.input == "log_rate" else prediction) - target
