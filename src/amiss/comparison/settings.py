"""What all runs of a comparison have in common."""

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

from amiss.core.errors import ParameterError, suggest

__all__ = ["OPTIMIZERS", "Optimizer", "Settings"]


class Optimizer(NamedTuple):
    """How an optimiser is made, and which learning rates it usually takes.

    Attributes:
        make: returns the optimiser of a learning rate.
        usual: the learning rate where none is given.
        grid: the learning rates that a search tries.
    """

    make: Callable[[float], Any]
    usual: float
    grid: tuple[float, ...]


def _adam(learning_rate: float) -> Any:
    from amiss.network import Adam

    return Adam(learning_rate)


def _sgd(learning_rate: float, momentum: float = 0.0) -> Any:
    from amiss.network import SGD

    return SGD(learning_rate, momentum)


def _momentum(learning_rate: float) -> Any:
    return _sgd(learning_rate, 0.9)


OPTIMIZERS = {
    "adam": Optimizer(_adam, 1e-3, (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)),
    "sgd": Optimizer(_sgd, 0.1, (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    "momentum": Optimizer(_momentum, 0.01, (0.003, 0.01, 0.03, 0.1, 0.3)),
}


@dataclass(frozen=True)
class Settings:
    """What all runs of a comparison have in common.

    Attributes:
        losses: the losses, in text.
        data: the name or path of the data set, None for arrays in memory.
        target: the column or array of targets.
        task: "classification" or "regression", None where it was inferred.
        repeats: how many seeds.
        seed: the first seed.
        hidden: widths of the hidden layers.
        epochs: how many times a run goes through the training rows.
        batch_size: rows per step.
        optimizer: a key of `OPTIMIZERS`.
        learning_rate: a number, or "auto" for a search per loss; None becomes the optimiser's usual one.
        reach: the accuracy to reach, or the RMSE to come down to; None for neither.

    Raises:
        ParameterError: a setting is not one of those allowed.
    """

    losses: tuple[str, ...]
    data: str | None = "digits"
    target: str | None = None
    task: str | None = None
    repeats: int = 3
    seed: int = 0
    hidden: tuple[int, ...] = (64,)
    epochs: int = 30
    batch_size: int = 32
    optimizer: str = "adam"
    learning_rate: float | str | None = None
    reach: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("repeats", 1), ("seed", 0), ("epochs", 1), ("batch_size", 1)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        object.__setattr__(self, "hidden", tuple(_whole("hidden", width, 1) for width in self.hidden))
        if self.optimizer not in OPTIMIZERS:
            raise ParameterError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}; got {self.optimizer!r}."
                f"{suggest(str(self.optimizer), OPTIMIZERS)}"
            )
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", OPTIMIZERS[self.optimizer].usual)
        if self.learning_rate != "auto":
            object.__setattr__(
                self, "learning_rate", _positive("learning_rate", self.learning_rate, " or 'auto'")
            )
        if self.reach is not None:
            object.__setattr__(self, "reach", _positive("reach", self.reach))
        repeated = {loss for loss in self.losses if self.losses.count(loss) > 1}
        if not self.losses or repeated:
            given = f"{repeated.pop()} twice" if repeated else "none"
            raise ParameterError(f"losses must be one or more different losses; got {given}.")

    @property
    def seeds(self) -> range:
        """The seeds, each of which trains every loss once."""
        return range(self.seed, self.seed + self.repeats)

    def checked_for(self, task: str) -> "Settings":
        """Return these settings if they fit a task: no accuracy is above 1.

        Raises:
            ParameterError: `reach` is above 1.
        """
        if task == "classification" and self.reach is not None and self.reach > 1:
            hint = f" Did you mean {self.reach / 100:g}?" if self.reach <= 100 else ""
            raise ParameterError(f"reach must be an accuracy in (0, 1]; got {self.reach:g}.{hint}")
        return self

    @property
    def command(self) -> str | None:
        """The command that does the same; None if the data are in memory only."""
        if self.data is None:
            return None
        options = {
            "data": self.data,
            "target": self.target,
            "task": self.task,
            "hidden": ",".join(map(str, self.hidden)) or "none",
            "epochs": self.epochs,
            "batch-size": self.batch_size,
            "optimizer": self.optimizer,
            "lr": self.learning_rate,
            "seed": self.seed,
            "repeats": self.repeats,
            "reach": self.reach,
        }
        words = [f"--{name}={value}" for name, value in options.items() if value is not None]
        return shlex.join(["amiss", "compare", *self.losses, *words])


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ParameterError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    return int(value)


def _positive(name: str, value: object, alternative: str = "") -> float:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ParameterError(f"{name} must be a positive number{alternative}; got {value!r}.")
    return float(value)
