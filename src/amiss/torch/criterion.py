"""Modules that hold a loss, one class for each loss of the catalogue."""

import dataclasses
import inspect
from typing import Any

import torch

from amiss.core import Loss
from amiss.core.errors import ParameterError
from amiss.core.reduction import Reduction
from amiss.naming import catalogue, get

__all__ = ["TWINS", "Criterion"]


class Criterion(torch.nn.Module):
    """A loss as a module: the order of arguments is that of PyTorch, which is that of amiss.

    Args:
        loss: any loss, or a spelling of one.
        reduction: "mean", "sum" or "none".

    Raises:
        ParameterError: there is no such loss or reduction.

    Examples:
        >>> import amiss, torch
        >>> criterion = Criterion(0.5 * amiss.SquaredError() + amiss.AbsoluteError())
        >>> criterion(torch.tensor([3.0]), torch.tensor([1.0])).item()  # 0.5 * 4 + 2
        4.0
    """

    def __init__(self, loss: Loss | str, reduction: str = "mean") -> None:
        super().__init__()
        self.loss = get(loss)
        self.reduction = Reduction(type(self).__name__, reduction).kind

    def forward(
        self,
        input: torch.Tensor,
        target: torch.Tensor,
        weight: torch.Tensor | None = None,
        normalizer: Any = None,
    ) -> torch.Tensor:
        """Return the loss.

        Args:
            input: the prediction; all shapes are those of the loss.
            target: what was observed.
            weight: one number per item.
            normalizer: another divisor of the mean, such as that of `global_normalizer`.
        """
        return self.loss(input, target, weight, self.reduction, normalizer)

    def extra_repr(self) -> str:
        return f"{self.loss!r}, reduction={self.reduction!r}"


class Twin(Criterion):
    """One loss of the catalogue as a module, whose arguments are the parameters of the loss."""

    def __init__(self, *given: Any, reduction: str = "mean", **named: Any) -> None:
        owner = type(self).__name__
        names = [*self._parameters_of_loss, "reduction"]
        if len(given) > len(names) or any(name in named for name in names[: len(given)]):
            raise ParameterError(f"{owner}: arguments must be {', '.join(names)}, each given once.")
        named |= dict(zip(names, given, strict=False))
        reduction = named.pop("reduction", reduction)
        super().__init__(get(owner, **named), reduction)

    def extra_repr(self) -> str:
        names = (*self._parameters_of_loss, "reduction")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)


def _parameter_of(name: str) -> property:
    """Return a property that reads a parameter of the loss, and puts another loss in its place."""

    def put(module: Criterion, value: Any) -> None:
        module.loss = dataclasses.replace(module.loss, **{name: value})

    return property(lambda module: getattr(module.loss, name), put)


def _twin(loss: Any) -> type[Twin]:
    parameters = loss.parameters()
    arguments = {name: declared["default"] for name, declared in parameters.items()} | {"reduction": "mean"}
    summary = inspect.getdoc(loss).partition("\n")[0]
    members = {
        "__module__": "amiss.torch",
        "__doc__": f"{summary}\n\nThe module of `amiss.{loss.__name__}`, which says all about it.",
        "__signature__": inspect.Signature(
            [
                inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
                for name, default in arguments.items()
            ]
        ),
        "_parameters_of_loss": tuple(parameters),
    }
    return type(loss.__name__, (Twin,), members | {name: _parameter_of(name) for name in parameters})


TWINS = {loss.__name__: _twin(loss) for family in catalogue().values() for loss in family}
"""The modules of all losses, by name."""
