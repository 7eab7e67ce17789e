"""Functions generated from the catalogue: optax's names, arguments and values per item."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from amiss.core import SIGNS, BatchLoss, Loss
from amiss.core.errors import ParameterError, suggest
from amiss.naming import SCALED, catalogue, get

__all__ = ["functions"]

_PEER = "optax."


def functions() -> dict[str, Callable[..., jax.Array]]:
    """Return a function for every loss, and for every function of optax that one corresponds to, by name."""
    losses = [loss for family in catalogue().values() for loss in family]
    own = [_function(_snake(loss.__name__), loss.__name__) for loss in losses]
    spellings = [*(alias for loss in losses for alias in loss.aliases), *SCALED]
    peers = [_function(alias.rpartition(".")[2], alias) for alias in spellings if alias.startswith(_PEER)]
    return {made.__name__: made for made in [*own, *peers]}  # where names coincide the peer's rule holds


def _function(name: str, spelling: str) -> Callable[..., jax.Array]:
    """Return the function of a spelling that `amiss.get` understands."""
    loss = get(spelling)
    signature = _signature(loss, spelling)
    first, second = list(signature.parameters)[:2]

    def per_item(*arguments: Any, **keywords: Any) -> jax.Array:
        parameters = _bound(name, signature, arguments, keywords)
        predictions, targets = jnp.asarray(parameters.pop(first)), parameters.pop(second)
        chosen = get(spelling, **parameters)
        return chosen(predictions, targets, reduction="mean" if isinstance(chosen, BatchLoss) else "none")

    per_item.__name__ = per_item.__qualname__ = name
    per_item.__module__ = "amiss.jax"
    per_item.__signature__ = signature  # type: ignore[attr-defined]
    per_item.__doc__ = _documentation(loss, spelling, first, second)
    return per_item


def _signature(loss: Loss, spelling: str) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    values = {name: getattr(loss, name) for name in getattr(loss, "parameters", dict)()}
    return inspect.Signature(
        [inspect.Parameter(name, kind) for name in _arguments(loss, spelling)]
        + [inspect.Parameter(name, kind, default=value) for name, value in values.items()]
    )


def _arguments(loss: Loss, spelling: str) -> tuple[str, str]:
    """Return what the arrays are called: optax names them by what they are."""
    if not spelling.startswith(_PEER):
        return "predictions", "targets"
    if getattr(loss, "target_domain", None) == SIGNS:
        return "predictor_outputs", "targets"
    if getattr(loss, "input", "") == "log_probabilities":
        return "log_predictions", "targets"
    if loss.facts.link in ("logit", "softmax"):
        return "logits", "labels"
    return "predictions", "targets"


def _documentation(loss: Loss, spelling: str, first: str, second: str) -> str:
    same = f" It means what `{spelling}` means." if spelling.startswith(_PEER) else ""
    whole = "one number for the batch" if isinstance(loss, BatchLoss) else "one number per item"
    summary = (type(loss).__doc__ or "").partition("\n")[0]
    parameters = ", ".join(f"`{name}`" for name in getattr(loss, "parameters", dict)())
    return (
        f"{summary}\n\n    The loss {loss!r} of JAX arrays, not reduced.{same}\n\n    Args:\n"
        f"        {first}: the predictions, of floating-point numbers.\n"
        f"        {second}: what they should have been; shapes as in `amiss.{type(loss).__name__}`.\n"
        + (f"        {parameters}: numbers or options of Python, explained there.\n" if parameters else "")
        + f"\n    Returns:\n        {whole}.\n    "
    )


def _bound(
    name: str, signature: inspect.Signature, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> dict[str, Any]:
    """Return every argument by its name.

    Raises:
        ParameterError: there is no such parameter, or its value is traced.
    """
    for keyword in keywords:
        if keyword not in signature.parameters:
            known = ", ".join(signature.parameters)
            raise ParameterError(
                f"{name}: no argument is called {keyword!r}; it has {known}."
                + suggest(keyword, signature.parameters)
            )
    try:
        given = signature.bind(*arguments, **keywords).arguments
    except TypeError as error:
        raise ParameterError(
            f"{name}: arguments must fit {name}{signature}; got a call with {error}."
        ) from None
    for key, value in list(given.items())[2:]:
        if isinstance(value, jax.core.Tracer):
            raise ParameterError(
                f"{name}: {key} must be a Python value, fixed while the program is traced; got a traced one. "
                f"Close over it, or use jax.jit(..., static_argnames={key!r})."
            )
    return dict(given)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
