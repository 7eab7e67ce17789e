"""Regression losses: prediction and target are real numbers in one unit."""

from dataclasses import dataclass
from typing import Any

from amiss.core import (
    NON_ZERO,
    OPEN_UNIT,
    POSITIVE,
    Array,
    BatchLoss,
    ElementwiseLoss,
    Facts,
    NumberItems,
    parameter,
)


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
        "sklearn.metrics.mean_squared_error": {},
    }
    multiples = {
        "optax.l2_loss": 0.5,
        "reg:squarederror": 0.5,
        "xgboost.reg:squarederror": 0.5,
        "lightgbm.regression": 0.5,
        "catboost.RMSE": 0.5,
    }
    peers = {
        "PyTorch": "MSELoss is the same: no ½ there either.",
        "Keras": "MeanSquaredError is the same; a weighted mean is divided by N, not by the weights.",
        "optax": "squared_error is the same, unreduced; l2_loss is half of it.",
        "scikit-learn": "mean_squared_error is the same; squared_error as a learner's loss is half of it.",
        "XGBoost": "reg:squarederror is half of it: gradient = error, Hessian 1.",
        "LightGBM": "regression is half of it: gradient = error, Hessian 1.",
        "CatBoost": "RMSE, as an objective, is half of it: gradient = error, Hessian 1.",
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
        "sklearn.metrics.mean_absolute_error": {},
        "reg:absoluteerror": {},
        "xgboost.reg:absoluteerror": {},
        "regression_l1": {},
        "lightgbm.regression_l1": {},
        "catboost.MAE": {},
    }
    peers = {
        "PyTorch": "L1Loss is the same, with a gradient of 0 at an error of 0.",
        "Keras": "MeanAbsoluteError is the same.",
        "optax": "none.",
        "scikit-learn": "mean_absolute_error is the same; a learner has the gradient -1 at a tie.",
        "XGBoost": "reg:absoluteerror; a leaf becomes the median of its errors.",
        "LightGBM": "regression_l1, with a Hessian of 1; a leaf becomes the median of its errors.",
        "CatBoost": "MAE; a leaf becomes the median of its errors.",
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
class RootMeanSquaredError(BatchLoss, NumberItems):
    """The square root of the mean squared error: the MSE in the target's own unit.

    Use it to report an error in the target's unit.
    Avoid it for training: its gradient is the MSE's divided by 2 RMSE, another step length for each batch.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item: the whole batch.

    Units:
        value: target unit. gradient: none. hessian: 1 / target unit.

    Notes:
        The mean of the RMSE of micro-batches is not the RMSE of all; `total` gives that. No square overflows.
        Where every error is 0 the gradient and the Hessian are 0.

    Source:
        Gauss (1823), Theoria combinationis observationum erroribus minimis obnoxiae, section 7.

    Examples:
        >>> float(RootMeanSquaredError()([3.0, 4.0], [0.0, 0.0]))  # sqrt((9 + 16) / 2)
        3.5355339059327378
    """

    aliases = {
        "rmse": {},
        "sklearn.metrics.root_mean_squared_error": {},
    }
    peers = {
        "PyTorch": "none: the square root of MSELoss.",
        "Keras": "a metric only: keras.metrics.RootMeanSquaredError.",
        "optax": "none.",
        "scikit-learn": "a metric only: root_mean_squared_error.",
        "XGBoost": "a metric only: rmse.",
        "LightGBM": "a metric: rmse. As an objective that name means the squared error.",
        "CatBoost": "a metric: RMSE. As an objective that name means the squared error.",
    }

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="mean",
            lipschitz=1.0,
            differentiable="not where every error is 0",
            symmetric=True,
        )

    def _state(self, xp: Any, prediction: Array, target: Array, weight: Array) -> tuple[Array, ...]:
        error = prediction - target
        return xp.over_items(weight * error * error), xp.over_items(weight)

    def _join(self, xp: Any, *state: Array) -> Array:
        squares, count = state
        return xp.sqrt(squares / count)

    def _value(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        return xp.root_mean_square(prediction - target, weight)

    def _shares(self, xp: Any, prediction: Array, target: Array, weight: Array) -> tuple[Array, Array]:
        """Return the errors and the weights, both in units of the value and of the sum of weights."""
        error = prediction - target
        value = xp.named_part("r", xp.root_mean_square(error, weight))
        share = weight / xp.over_items(weight)
        return xp.where(value == 0.0, 0.0, error / value), xp.where(value == 0.0, 0.0, share / value)

    def _gradient(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        unit, _ = self._shares(xp, prediction, target, weight)
        return weight / xp.over_items(weight) * unit

    def _hessian(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        unit, share = self._shares(xp, prediction, target, weight)
        return share * (1.0 - weight / xp.over_items(weight) * unit * unit)

    def _hessian_product(
        self, xp: Any, prediction: Array, target: Array, weight: Array, direction: Array
    ) -> Array:
        unit, share = self._shares(xp, prediction, target, weight)
        along = xp.over_items(weight / xp.over_items(weight) * unit * direction)
        return share * (direction - unit * along)


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
        "lightgbm.huber": {"delta": 0.9},
        "catboost.Huber": {},
    }
    multiples = {
        spelling: lambda huber: 1.0 / huber.delta
        for spelling in (
            "SmoothL1Loss",
            "smooth_l1",
            "smooth_l1_loss",
            "torch.nn.SmoothL1Loss",
            "torch.nn.functional.smooth_l1_loss",
        )
    }
    translations = {
        "torch.nn.SmoothL1Loss": {"beta": "delta"},
        "torch.nn.functional.smooth_l1_loss": {"beta": "delta"},
        "lightgbm.": {"alpha": "delta"},
    }
    peers = {
        "PyTorch": "HuberLoss is the same, delta 1.0 too; SmoothL1Loss(beta) is this divided by beta.",
        "Keras": "Huber is the same, delta 1.0 too.",
        "optax": "huber_loss is the same, delta 1.0 too, unreduced.",
        "scikit-learn": "GradientBoostingRegressor takes the quantile alpha, 0.9, of the errors as delta.",
        "XGBoost": "none: reg:pseudohubererror is another function, which is smooth.",
        "LightGBM": "huber calls delta alpha, 0.9 unless told, and its Hessian is 1 in the tails, here 0.",
        "CatBoost": "Huber is the same; delta must be given.",
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


@dataclass(frozen=True)
class LogCosh(ElementwiseLoss):
    """Log of the hyperbolic cosine of the error: half its square near the target, its size far away.

    Use it for a smooth loss with bounded influence, where no turning point needs to be chosen.
    Avoid it when the unit of the target is arbitrary: an error of 1 is where it turns.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: none, as the error is taken for a pure number. gradient: none. hessian: none.

    Source:
        Green (1990), IEEE Transactions on Medical Imaging 9(1), 84-93, doi:10.1109/42.52985.

    Examples:
        >>> round(float(LogCosh()([1.0], [0.0])), 6)  # log((e + 1/e) / 2)
        0.433781
    """

    aliases = {
        "log_cosh": {},
        "keras.losses.LogCosh": {},
        "optax.log_cosh": {},
        "catboost.LogCosh": {},
    }
    peers = {
        "PyTorch": "none.",
        "Keras": "LogCosh is the same.",
        "optax": "log_cosh is the same, unreduced.",
        "CatBoost": "LogCosh is the same, to four digits.",
    }

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="zero of the mean tanh",
            lipschitz=1.0,
            smoothness=1.0,
            symmetric=True,
            likelihood="hyperbolic secant",
        )

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.log_cosh(prediction - target)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.tanh(prediction - target)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        # What rounding takes from the error is put back: far away sech is an exponential.
        error, lost = xp.difference(prediction, target)
        bend = xp.sech_squared(error)
        return xp.corrected(bend, -2.0 * bend * xp.tanh(error), lost)


@dataclass(frozen=True)
class Pinball(ElementwiseLoss):
    """The absolute error, weighed by `quantile` below the target and 1 - `quantile` above it.

    Use it to predict a quantile of the target, such as the value that 9 of 10 stay below.
    Avoid it with few data in the tail: an extreme quantile is then a guess.

    Args:
        quantile: the share of targets that a good constant prediction has below it.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: target unit. gradient: none. hessian: 0 almost everywhere.

    Notes:
        At an error of exactly 0 the gradient is 0.

    Source:
        Koenker and Bassett (1978), Econometrica 46(1), 33-50, doi:10.2307/1913643.

    Examples:
        >>> float(Pinball(0.75)([1.0, 3.0], [3.0, 2.0], reduction="sum"))  # 0.75 * 2 + 0.25 * 1
        1.75
    """

    quantile: float = parameter(0.5, domain=OPEN_UNIT, typical=(0.05, 0.95), symbol=r"\tau")

    aliases = {
        "quantile_loss": {},
        "PinballLoss": {},
        "reg:quantileerror": {},
        "sklearn.metrics.mean_pinball_loss": {},
        "xgboost.reg:quantileerror": {},
        "lightgbm.quantile": {"quantile": 0.9},
        "catboost.Quantile": {},
    }
    translations = {
        "sklearn.": {"alpha": "quantile"},
        "reg:quantileerror": {"quantile_alpha": "quantile"},
        "xgboost.": {"quantile_alpha": "quantile"},
        "lightgbm.": {"alpha": "quantile"},
        "catboost.": {"alpha": "quantile"},
    }
    peers = {
        "PyTorch": "none.",
        "Keras": "none.",
        "optax": "none.",
        "scikit-learn": "mean_pinball_loss is the same; a learner's gradient at a tie is -quantile.",
        "XGBoost": "reg:quantileerror, quantile is its quantile_alpha.",
        "LightGBM": "quantile; quantile is its alpha, 0.9 unless told.",
        "CatBoost": "Quantile; quantile is its alpha, 0.5 unless told.",
    }

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=True,
            minimiser="quantile",
            lipschitz=max(self.quantile, 1.0 - self.quantile),
            differentiable="not at error 0",
            symmetric=self.quantile == 0.5,
            likelihood="Laplace" if self.quantile == 0.5 else None,
            hessian="zero almost everywhere",
        )

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        error = prediction - target
        return self.quantile * xp.relu(-error) + (1.0 - self.quantile) * xp.relu(error)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        error = prediction - target
        above, below = xp.indicator(error > 0.0), xp.indicator(error < 0.0)
        return (1.0 - self.quantile) * above - self.quantile * below + xp.full(0.0, error)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.full(0.0, prediction - target)


@dataclass(frozen=True)
class Linex(ElementwiseLoss):
    """The exponential of the error less its linear part: steep on one side of the target only.

    Use it when an error on one side costs far more: with a < 0, predictions below the truth.
    Avoid it with errors many times 1 / a: the exponential then overflows whatever else is to be learnt.

    For an error e it is exp(a e) - a e - 1.

    Args:
        a: the strength of the asymmetry, in 1 / target unit; positive punishes predictions above the truth.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: none. gradient: 1 / target unit. hessian: 1 / target unit squared.

    Source:
        Varian (1975), in Studies in Bayesian Econometrics and Statistics, 195-208; Zellner (1986), Journal of
        the American Statistical Association 81(394), 446-451, doi:10.1080/01621459.1986.10478289.

    Examples:
        >>> truth = [0, 1, 2, 3]  # and no prediction should be below it
        >>> round(float(Linex(a=-1.0)([-2.0, 3.0, 0.0, 5.0], truth)), 2)  # (2 e^2 + 2 e^-2 - 4) / 4
        2.76
        >>> round(float(Linex(a=-1.0)([0.0, 1.0, 2.0, 10.0], truth)), 2)  # (e^-7 + 7 - 1) / 4
        1.5
    """

    a: float = parameter(1.0, domain=NON_ZERO, typical=(-2.0, 2.0), symbol="a")

    @property
    def facts(self) -> Facts:
        return Facts(convex=True, minimiser="log of the mean exponential")

    # What rounding takes from a * error is put back: the exponential would multiply it.
    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        x, lost = xp.scaled_difference(self.a, prediction, target)
        return xp.corrected(xp.expm1_minus(x), xp.expm1(x), lost)

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        x, lost = xp.scaled_difference(self.a, prediction, target)
        return xp.corrected(xp.scaled_expm1(self.a, x), xp.scaled_exp(self.a, x), lost)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        x, lost = xp.scaled_difference(self.a, prediction, target)
        bend = xp.scaled_exp(self.a * self.a, x)
        return xp.corrected(bend, bend, lost)
