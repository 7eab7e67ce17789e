"""What the constructors of the generated classes take, and what Keras' arguments mean."""

import inspect
import re
from typing import Any

import keras

from amiss.core import Loss, NumberItems
from amiss.core.errors import ParameterError, suggest
from amiss.naming import catalogue, get

__all__ = ["bound", "defaults", "losses_of_keras", "meaning", "signature", "snake"]

_PEER = "keras.losses."
_RENAMED = {"ignore_class": "ignore_index"}
"""Keras' arguments that are parameters of another name here."""


def signature(parameters: dict[str, Any], name: str) -> inspect.Signature:
    """Return parameters with their defaults, then what every loss of Keras takes."""
    values = {**parameters, "reduction": "sum_over_batch_size", "name": name, "dtype": None}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(key, kind, default=value) for key, value in values.items()])


def bound(made: type, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    """Return every argument of a generated class by its name.

    Raises:
        ParameterError: there is no such argument, or there are too many.
    """
    form = inspect.signature(made)
    for keyword in keywords:
        if keyword not in form.parameters:
            raise ParameterError(
                f"{made.__name__}: no argument is called {keyword!r}; it has {', '.join(form.parameters)}."
                + suggest(keyword, form.parameters)
            )
    try:
        given = form.bind(*arguments, **keywords)
    except TypeError as error:
        raise ParameterError(
            f"{made.__name__}: arguments must be {', '.join(form.parameters)}; got a call with {error}."
        ) from None
    given.apply_defaults()
    return dict(given.arguments)


def defaults(loss: type[Loss]) -> dict[str, Any]:
    """Return the parameters of a class with their defaults: Keras' where it has a class of that name.

    All losses of Keras take probabilities unless told. So one whose definition differs in other ways must not
    take these for logits either.
    """
    declared = loss.parameters()  # type: ignore[attr-defined]
    own = {name: about["default"] for name, about in declared.items()}
    if not hasattr(keras.losses, loss.__name__):
        return own
    peer = loss.aliases.get(_PEER + loss.__name__)
    if peer is None and "probabilities" in declared.get("input", {}).get("choices", ()):
        peer = {"input": "probabilities"}
    return {**own, **(peer or {})}


def losses_of_keras() -> dict[str, tuple[str, type[Loss]]]:
    """Return the spelling and the loss of every class of Keras that one corresponds to, by its name."""
    return {
        alias.removeprefix(_PEER): (alias, loss)
        for family in catalogue().values()
        for loss in family
        for alias in loss.aliases
        if alias.startswith(_PEER) and hasattr(keras.losses, alias.removeprefix(_PEER))
    }


def meaning(spelling: str, given: dict[str, Any]) -> tuple[Loss, int]:
    """Return the loss that a class of Keras stands for with Keras' arguments, and the axis to average.

    Raises:
        ParameterError: an argument has a value that the loss does not take.
    """
    given, axis = dict(given), -1
    of_logits = bool(given.pop("from_logits", False))
    source = type(get(spelling))
    if issubclass(source, NumberItems):  # a loss of numbers has no axis; Keras averages along one
        axis = given.pop("axis", -1)
    parameters = {_RENAMED.get(key, key): value for key, value in given.items()}
    return (get(source.__name__, **parameters) if of_logits else get(spelling, **parameters)), axis


def snake(name: str) -> str:
    """Return the name of a class as Keras names an instance."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
