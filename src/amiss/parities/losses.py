"""The loss of another library that a loss of amiss stands for, found by the names that its class states."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from amiss.core import Loss
from amiss.core.items import ClassItems
from amiss.naming import spellings

__all__ = ["peer_loss"]

PREFIXES = {"torch": "torch.nn.", "keras": "keras.losses.", "jax": "optax."}

LIBRARIES = {"torch": "PyTorch", "keras": "Keras", "jax": "optax"}

RENAMED = {
    "positive_weight": ("pos_weight",),
    "class_weight": ("weight",),
    "ignore_index": ("ignore_index", "ignore_class"),
}
"""Parameters that peers call otherwise."""

ONE_KIND = {"torch.nn.NLLLoss": 1, "torch.nn.KLDivLoss": 2}
"""Losses of PyTorch that take indices only, or rows only: the axes of the target. The others take both."""

FREE = {"axis", "epsilon"}
"""Not asked of a peer: outputs have two axes, and every peer clips by its own rule, which is to be seen."""


def peer_loss(framework: str, loss: Any, y: np.ndarray) -> tuple[Callable[[Any, Any], Any], str]:
    """Return a framework's own loss as a function of (prediction, target), and what is to be said of it.

    Where it has none, the function is the amiss loss on the framework's arrays, and the note says so.
    """
    parts = getattr(loss, "parts", ((1.0, loss),))
    found = [_peer(framework, term, y) for _, term in parts]
    if None in found:
        lacking = [type(term) for (_, term), own in zip(parts, found, strict=True) if own is None]
        named = any(spelling.startswith(PREFIXES[framework]) for kind in lacking for spelling in _names(kind))
        what = ", ".join(kind.__name__ for kind in lacking) + " with these settings" * named
        return loss, f"{LIBRARIES[framework]} has no {what}; the loss of amiss is used in its place."
    return lambda prediction, target: sum(
        factor * own(prediction, target) for (factor, _), own in zip(parts, found, strict=True)
    ), ""


def _names(kind: type) -> dict[str, dict]:
    """Return the spellings of a class, with their parameters; none if it is no loss of the catalogue."""
    return spellings(kind) if issubclass(kind, Loss) and hasattr(kind, "parameters") else {}


def _peer(framework: str, loss: Any, y: np.ndarray) -> Callable | None:
    """Return the first loss of a framework that can be told to be this one."""
    for spelling, stated in _names(type(loss)).items():
        prefix = PREFIXES[framework]
        if not spelling.startswith(prefix) or "functional" in spelling:
            continue
        one_hot = not ("Sparse" in spelling or "integer_labels" in spelling)
        if framework != "torch" and isinstance(loss, ClassItems) and one_hot != (y.ndim == 2):
            continue
        if spelling in ONE_KIND and ONE_KIND[spelling] != y.ndim and isinstance(loss, ClassItems):
            continue
        module, _, name = spelling.rpartition(".")
        peer = getattr(importlib.import_module(module), name, None)
        told = None if peer is None else _told(peer, loss, stated)
        if told is not None:
            return _call(framework, peer, *told)
    return None


def _told(peer: Any, loss: Any, stated: dict) -> tuple[dict[str, Any], str] | None:
    """Return the keywords that make a peer this loss, and what its input needs first; None: it cannot be."""
    twin, known = type(loss)(**stated), inspect.signature(peer).parameters
    keywords: dict[str, Any] = {}
    before = ""
    for field in fields(loss):
        name, value = field.name, getattr(loss, field.name)
        if name == "input":
            if "from_logits" in known and value != "log_probabilities":
                keywords["from_logits"] = value == "logits"
            elif "log_input" in known and "rate" in value:
                keywords["log_input"] = value == "log_rate"
            elif value != twin.input:
                if twin.input != "log_probabilities":
                    return None
                before = {"logits": "log_softmax", "probabilities": "log"}[value]
        elif value != getattr(twin, name) and name not in FREE and (name, value) != ("ignore_index", None):
            keyword = next((word for word in (*RENAMED.get(name, ()), name) if word in known), None)
            if keyword is None:
                return None
            keywords[keyword] = value
    return keywords, before


def _call(framework: str, peer: Any, keywords: dict[str, Any], before: str) -> Callable:
    if framework == "torch":
        import torch

        ready = {"log_softmax": lambda z: torch.log_softmax(z, -1), "log": torch.log}.get(before, lambda z: z)
        if peer is torch.nn.KLDivLoss:
            keywords["reduction"] = "batchmean"  # its "mean" divides by the number of classes too
        tensors = [name for name in ("weight", "pos_weight") if name in keywords]

        def call(prediction: Any, target: Any) -> Any:
            given = {name: torch.tensor(keywords[name], dtype=prediction.dtype) for name in tensors}
            return peer(**(keywords | given))(ready(prediction), target)

        return call
    if framework == "keras":
        return lambda prediction, target: peer(**keywords)(target, prediction)
    import jax

    ready = {"log_softmax": jax.nn.log_softmax, "log": jax.numpy.log}.get(before, lambda z: z)
    return lambda prediction, target: peer(ready(prediction), target, **keywords).mean()
