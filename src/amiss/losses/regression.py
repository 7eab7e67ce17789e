"""Regression losses: prediction and target are real numbers in one unit."""

from dataclasses import dataclass
from typing import Any

from amiss.core import POSITIVE, Array, ElementwiseLoss, Facts, parameter


@dataclass(frozen=True)
class SquaredError(ElementwiseLoss):
    """The square of the error; its mean is the MSE. There is no factor ½: write `0.5 * SquaredError()`.

    Use it when the mean of the target is wanted and large errors are rare.
    Avoid it with outliers: an error ten times as large weighs a hundred times as much.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: target unit squared. gradient: target unit. hessian: none.

    Source:
        Gauss (1809), Theoria motus corporum coelestium, section 179; Legendre (1805).

    Examples:
        >>> float(SquaredError()([2.5, 3.0, 5.0], [2.0, 3.0, 6.0]))  # (0.25 + 0 + 1) / 3
        0.4166666666666667
    """

    aliases = {
        "mse": {},
        "l2": {},
        "mean_squared_error": {},
        "MSELoss": {},
        "mse_loss": {},
        "MeanSquaredError": {},
        "squared_error": {},
        "torch.nn.MSELoss": {},
        "torch.nn.functional.mse_loss": {},
        "keras.losses.MeanSquaredError": {},
        "optax.squared_error": {},
    }

    @property
    def facts(self) -> Facts:
        return Facts(convex=True, minimiser="mean", smoothness=2.0, symmetric=True, likelihood="normal")

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        return (prediction - target) * (prediction - target)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        return 2.0 * (prediction - target)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.full(2.0, prediction - target)


@dataclass(frozen=True)
class AbsoluteError(ElementwiseLoss):
    """The size of the error; its mean is the MAE. At an error of exactly 0 the gradient is 0.

    Use it when the median of the target is wanted, or when outliers must not dominate.
    Avoid it where the last steps must be small: the gradient has the same size near the target and far away.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: target unit. gradient: none. hessian: 1 / target unit, 0 almost everywhere.

    Source:
        Boscovich (1757); Laplace (1774), Mémoire sur la probabilité des causes par les évènements.

    Examples:
        >>> float(AbsoluteError()([1.0, 0.0], [2.0, 3.0]))  # (1 + 3) / 2
        2.0
    """

    aliases = {
        "mae": {},
        "l1": {},
        "mean_absolute_error": {},
        "L1Loss": {},
        "l1_loss": {},
        "MeanAbsoluteError": {},
        "absolute_error": {},
        "torch.nn.L1Loss": {},
        "torch.nn.functional.l1_loss": {},
        "keras.losses.MeanAbsoluteError": {},
        "reg:absoluteerror": {},
        "regression_l1": {},
    }

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="median",
            lipschitz=1.0,
            differentiable="not at error 0",
            symmetric=True,
            likelihood="Laplace",
            hessian="zero almost everywhere",
        )

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.abs(prediction - target)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.sign(prediction - target)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.full(0.0, prediction - target)


@dataclass(frozen=True)
class Huber(ElementwiseLoss):
    """Half the squared error near the target, `delta` times the absolute error beyond it.

    Use it for the efficiency of squared error on small errors with bounded influence of large ones.
    Avoid it when no error size separates noise from outliers: then `delta` is a guess.

    Args:
        delta: the error where the loss turns from quadratic to linear, in the target's unit.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: target unit squared. gradient: target unit. hessian: none; 1 up to |error| = delta, 0 beyond.

    Source:
        Huber (1964), Annals of Mathematical Statistics 35(1), 73-101, doi:10.1214/aoms/1177703732.

    Examples:
        >>> float(Huber(delta=1.0)([0.5, 3.0], [0.0, 0.0], reduction="sum"))  # 0.5 * 0.25 + (3 - 0.5)
        2.625
    """

    delta: float = parameter(1.0, domain=POSITIVE, typical=(0.1, 10.0), symbol=r"\delta")

    aliases = {
        "huber_loss": {},
        "HuberLoss": {},
        "torch.nn.HuberLoss": {},
        "torch.nn.functional.huber_loss": {},
        "keras.losses.Huber": {},
        "optax.huber_loss": {},
    }

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="Huber location",
            lipschitz=self.delta,
            smoothness=1.0,
            symmetric=True,
        )

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        size = xp.abs(prediction - target)
        near = xp.minimum(size, self.delta)
        return near * (size - near / 2.0)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.clip(prediction - target, -self.delta, self.delta)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        size = xp.abs(prediction - target)
        return xp.where(size <= self.delta, 1.0, xp.full(0.0, size))
