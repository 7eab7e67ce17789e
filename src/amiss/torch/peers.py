"""The losses of `torch.nn` that the catalogue has too, with PyTorch's names, arguments and numbers.

A class here derives from PyTorch's own: it is constructed, stored and moved as that is, and `isinstance`
holds. Only what it computes comes from the loss. It differs where `amiss` does on purpose: digits are kept in
the tails, nothing is broadcast, a bad label or log-probability is an error.
"""

import inspect
from typing import Any

import torch

from amiss.arrays import namespace_of
from amiss.core import Loss
from amiss.core.errors import ParameterError, ShapeError
from amiss.core.reduction import REDUCTIONS
from amiss.naming import catalogue, get

__all__ = ["PEERS", "Peer"]

PREFIX = "torch.nn."

BUFFERS = {"weight": "class_weight", "pos_weight": "positive_weight"}
"""The buffers of PyTorch that are parameters of a loss, if it has one of that name."""

FLAGS = ("size_average", "reduce", "reduction", "log_input", "log_target", "full", "eps", "beta")
"""Arguments of PyTorch's classes that are understood here, though they are no parameters of a loss."""


class Peer(torch.nn.Module):
    """A loss of `torch.nn` that is computed by a loss of the catalogue.

    Raises:
        ParameterError: an argument is outside its domain, or stands for what the loss does not have.

    Examples:
        >>> import torch, amiss.torch
        >>> criterion = amiss.torch.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))
        >>> criterion
        CrossEntropyLoss(weight=(2,), ignore_index=-100, reduction='mean', label_smoothing=0.0)
        >>> criterion.loss.class_weight, list(criterion.state_dict())
        ((1.0, 3.0), ['weight'])
        >>> isinstance(criterion, torch.nn.CrossEntropyLoss)
        True
    """

    _kind: Any
    _stands_for: dict[str, Any]
    _arguments: tuple[str, ...]
    _parameters_of_loss: tuple[str, ...]
    _parameters_held: dict[str, str]
    _weighs_items: bool

    def __init__(self, *given: Any, **named: Any) -> None:
        owner = type(self).__name__
        for name in inspect.signature(type(self)).bind(*given, **named).arguments:
            if name not in self._parameters_of_loss and name not in (*FLAGS, *BUFFERS):
                raise ParameterError(f"{owner}: {name} must be left out; got a value. No loss here has it.")
        super().__init__(*given, **named)
        self._renew()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in self._arguments and "_own" in self.__dict__:
            self._renew()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._renew()

    def forward(self, input: torch.Tensor, target: torch.Tensor, normalizer: Any = None) -> torch.Tensor:
        """Return the loss as PyTorch defines it.

        Args:
            input: the prediction.
            target: what was observed; shapes are those of PyTorch.
            normalizer: another divisor of the mean, such as that of `global_normalizer`.
        """
        if normalizer is None:
            normalizer = self._divisor(input, target)
        reduction = "mean" if self.reduction == "batchmean" else self.reduction
        weight = self.weight if self._weighs_items else None
        if weight is not None:
            weight = self._expanded("weight", weight, input)
        if "log_target" in self._arguments:  # each number is a row of its own
            target = target.exp() if self.log_target else target
            input, target = input[..., None], target[..., None]
        if "log_input" in self._arguments and not self.log_input:
            input = input + self.eps
        return self._loss_for(input)(input, target, weight, reduction, normalizer)

    def extra_repr(self) -> str:
        shown = [name for name in self._arguments if name not in ("size_average", "reduce")]
        return ", ".join(f"{name}={_short(getattr(self, name))}" for name in shown)

    # --- how PyTorch divides ---------------------------------------------------------------------------
    def _divisor(self, input: torch.Tensor, target: torch.Tensor) -> int | None:
        """Return the divisor of a mean where PyTorch does not divide by the sum of the weights."""
        if self.reduction not in ("mean", "batchmean") or input.numel() == 0:
            return None
        if self.reduction == "batchmean":
            return input.shape[0]
        if "weight" not in self._arguments or self.weight is None:
            return None
        if self._weighs_items:
            return input.numel()
        return input.numel() // input.shape[min(1, input.ndim - 1)] if input.shape == target.shape else None

    def _expanded(self, name: str, x: torch.Tensor, input: torch.Tensor) -> torch.Tensor:
        """Return a buffer in the shape of the input."""
        pairs = zip(reversed(x.shape), reversed(input.shape), strict=False)
        if x.ndim > input.ndim or any(own not in (1, size) for own, size in pairs):
            raise ShapeError(
                f"{type(self).__name__}: {name} must expand to the input's shape {tuple(input.shape)}; got "
                f"{tuple(x.shape)}. Give one number for each entry of the last axis."
            )
        return x.expand(input.shape)

    # --- the loss that the attributes describe ---------------------------------------------------------
    def _buffers_of_loss(self) -> dict[str, torch.Tensor]:
        """Return the buffers that are parameters of the loss, by the names of the parameters."""
        found = {meant: getattr(self, name) for name, meant in self._parameters_held.items()}
        return {name: buffer for name, buffer in found.items() if buffer is not None}

    def _loss_for(self, input: torch.Tensor) -> Loss:
        """Return the loss for an input, with the buffers as they are now."""
        buffers = self._buffers_of_loss()
        if "positive_weight" in buffers:
            self._expanded("pos_weight", buffers["positive_weight"], input)
        flat = input.ndim <= 2 and "axis" in self._stands_for
        if torch.compiler.is_compiling():  # numbers would be constants of the program
            return self._with(({"axis": -1} if flat else {}) | buffers) if buffers else self._chosen(flat)
        self._refresh(buffers)
        return self._chosen(flat)

    def _chosen(self, flat: bool) -> Loss:
        return self._flat if flat else self._own

    @property
    def loss(self) -> Loss:
        """The loss that the attributes describe; they may change at any time."""
        self._refresh(self._buffers_of_loss())
        return self._own

    def _refresh(self, buffers: dict[str, torch.Tensor]) -> None:
        """Build the loss anew if a buffer is another one, or was written to."""
        if buffers and any(
            buffer is not seen or buffer._version != version
            for buffer, (seen, version) in zip(buffers.values(), self._seen, strict=True)
        ):
            self._renew()

    def _renew(self) -> None:
        """Build the loss from the attributes."""
        self.__dict__["_own"] = self._built()
        # Kernels take classes on the last axis, and a single item has no other.
        self.__dict__["_flat"] = self._with({"axis": -1}) if "axis" in self._stands_for else self._own
        self.__dict__["_seen"] = [(buffer, buffer._version) for buffer in self._buffers_of_loss().values()]

    def _with(self, changes: dict[str, Any]) -> Any:
        """Return the loss with other parameters, unchecked; one with a tensor among them has no kernel."""
        values = {name: getattr(self._own, name) for name in self._parameters_of_loss} | changes
        tensors = any(isinstance(value, torch.Tensor) for value in values.values())
        return self._kind._with(values | ({"_kernel": None} if tensors else {}))

    def _built(self) -> Loss:
        owner, known = type(self).__name__, self._parameters_of_loss
        allowed = (*REDUCTIONS, *(["batchmean"] if "log_target" in self._arguments else []))
        if self.reduction not in allowed:
            raise ParameterError(
                f"{owner}: reduction must be one of {', '.join(map(repr, allowed))}; got {self.reduction!r}."
            )
        if "full" in self._arguments and self.full:
            raise ParameterError(
                f"{owner}: full must be False; got True. What it adds depends on the target alone, and "
                "changes no gradient."
            )
        given = {name: getattr(self, name) for name in self._arguments if name in known}
        if "log_input" in self._arguments:
            given["input"] = "log_rate" if self.log_input else "rate"
        tensors = {}
        for name, buffer in self._buffers_of_loss().items():
            several = name == "positive_weight" and buffer.numel() != 1
            if several or not namespace_of(buffer).visible(buffer):
                tensors[name] = buffer
            else:
                given[name] = buffer.item() if name == "positive_weight" else tuple(buffer.tolist())
        self.__dict__["_own"] = loss = get(self._kind.__name__, **self._stands_for | given)
        return self._with(tensors) if tensors else loss


class _SmoothL1(Peer):
    """Huber's loss divided by its delta, which becomes the absolute error at 0."""

    def _built(self) -> Loss:
        return get("Huber", delta=self.beta) / self.beta if self.beta else get("AbsoluteError")


def _short(value: Any) -> str:
    """Write an argument; of a tensor its shape."""
    return str(tuple(value.shape)) if isinstance(value, torch.Tensor) else repr(value)


def _peer(name: str, kind: Any, stands_for: dict[str, Any], base: type[Peer] = Peer) -> type[Peer]:
    theirs = getattr(torch.nn, name)
    signature = inspect.signature(theirs)
    arguments, parameters = tuple(signature.parameters), tuple(kind.parameters())
    held = {buffer: meant for buffer, meant in BUFFERS.items() if buffer in arguments and meant in parameters}
    members = {
        "__module__": "amiss.torch",
        "__doc__": f"`torch.nn.{name}`, computed by `amiss.{kind.__name__}`.",
        "__signature__": signature,
        "_kind": kind,
        "_stands_for": stands_for,
        "_arguments": arguments,
        "_parameters_of_loss": parameters,
        "_parameters_held": held,
        "_weighs_items": "weight" in arguments and "weight" not in held,
    }
    return type(name, (base, theirs), members)


PEERS = {
    alias.removeprefix(PREFIX): _peer(alias.removeprefix(PREFIX), loss, given)
    for family in catalogue().values()
    for loss in family
    for alias, given in loss.aliases.items()
    if alias.startswith(PREFIX) and hasattr(torch.nn, alias.removeprefix(PREFIX))
} | {"SmoothL1Loss": _peer("SmoothL1Loss", type(get("Huber")), {}, _SmoothL1)}
"""The modules of PyTorch that a loss stands for, by name."""
