"""Name the loss that is hidden in a gradient: in an expression, in lines of code, or in a function."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from amiss.arrays.recorded import Node
from amiss.core.errors import DomainError, ParameterError
from amiss.identification.code import read_code
from amiss.identification.evaluation import evaluate, nodes_below
from amiss.identification.finding import Found, find_gradient
from amiss.identification.matching import Match, Subject, matches, own_activation, readings
from amiss.identification.metrics import Printed, printed_numbers
from amiss.identification.scales import Scale
from amiss.identification.unknown import Unknown, symbols_of, unknown
from amiss.identification.words import (
    candidate_words,
    function_words,
    known_words,
    printed_words,
    unknown_words,
)

__all__ = ["Identification", "identify"]


@dataclass(frozen=True)
class Identification:
    """Which loss a gradient is of.

    Attributes:
        loss: a loss of the catalogue with its parameters, or None where none fits.
        activation: of the output: identity, sigmoid, tanh, softmax, relu or exp.
        factor: what multiplies the gradient of the summed loss: a number, or text such as "1/N".
        wrt: "prediction", or "pre-activation", what the activation is of.
        max_error: the largest difference on drawn numbers, over the largest number of the gradient; NaN where
            there is no loss.
        sentence: all that in plain words.
        candidates: every reading that fits, this one first; of a lone "a - y" there are several.
        line: where the gradient stands in the code, counted from 1; 0 of a function.
        formula: where no loss of the catalogue fits, the loss that it integrates to, as text; else None.
        facts: of that loss, such as convex: measured on a grid.
        is_gradient: whether it is the gradient of any loss at all.
        printed: numbers that the code computes beside it, such as an MSE, and how they relate to the loss.
        names: of parameters of the loss that are names in the code, these; `loss` has their defaults.
    """

    loss: Any
    activation: str
    factor: float | str
    wrt: str
    max_error: float
    sentence: str
    candidates: tuple["Identification", ...] = ()
    line: int = 0
    formula: str | None = None
    facts: dict[str, bool] | None = None
    is_gradient: bool = True
    printed: tuple[Printed, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    main_sentence: str = field(default="", repr=False, compare=False)
    scale: Scale = field(default_factory=Scale, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "loss": None if self.loss is None else repr(self.loss),
            "activation": self.activation,
            "factor": self.factor,
            "wrt": self.wrt,
            "max_error": None if np.isnan(self.max_error) else self.max_error,
            "sentence": self.sentence,
            "line": self.line,
            "formula": self.formula,
            "facts": self.facts,
            "names": self.names,
            "is_gradient": self.is_gradient,
            "printed": [vars(number) for number in self.printed],
            "candidates": [one.to_dict() for one in self.candidates if one.candidates == ()],
        }


def identify(
    source: str | Path | Callable[[Any, Any], Any], prediction: str | None = None, target: str | None = None
) -> Identification:
    """Name the loss that is hidden in a gradient.

    Args:
        source: an expression as text, lines of NumPy-like code as they stand in tutorials, a `Path` to a
            file of such code, or a function of (prediction, target) arrays that returns the gradient.
        prediction: what the code calls the prediction, where that is not to be seen.
        target: what it calls the target.

    Raises:
        ParameterError: the text is no code, or nothing in it compares a prediction with a target.

    Notes:
        Text is read as a syntax tree and never run; a function is called. A gradient is compared with those
        of every loss of the catalogue, through every activation, on some hundred drawn items, and fits if
        nothing but rounding is left. Sums over items are recognised by `dot`, `@`, `sum` and `mean`.

    Examples:
        >>> found = identify("(a - y) * a * (1 - a)", prediction="a", target="y")
        >>> found.loss, found.activation, found.factor, found.wrt  # d/dz of (sigmoid(z) - y)² / 2
        (SquaredError(), 'sigmoid', 0.5, 'pre-activation')
        >>> [f"{one.factor} {type(one.loss).__name__}" for one in identify("a - y").candidates]
        ['0.5 SquaredError', '1.0 BinaryCrossEntropy', '1.0 CrossEntropy', '1.0 Poisson']
    """
    if callable(source):
        return _of_function(source)
    if isinstance(source, Path):
        source = _text_of(source)
    try:
        code = read_code(source)
        found = find_gradient(code, prediction, target)
    except RecursionError:
        raise ParameterError(
            "identify: code must be of a depth to read; got one too deep. Leave parts out."
        ) from None
    gradient = _function_of(found)
    symbols = {node: "N" if node.operation == "count" else node.operands[0] for node in symbols_of(found)}
    constants = sorted(
        {float(x) for node in _all(found) for x in node.operands if isinstance(x, int | float)}
    )
    smooth = found.activation is not None or found.is_smooth
    subject = Subject(gradient, symbols, constants, certain=found.asks_the_target, smooth=smooth)
    matched: list[Match] = []
    for allowed in _orders(found):
        matched = matches(subject, allowed) or matches(replace(subject, fits=True), allowed)
        if matched:
            break
    if not matched:
        rest = unknown(found, gradient)
        return _unknown(found, rest, printed_numbers(code, found, None))
    named = [_named(match, found) for match in matched]
    best = named[0]
    numbers = printed_numbers(code, found, matched[0])
    main = known_words(best, found)
    sentence = main + "".join(map(candidate_words, named[1:])) + printed_words(numbers)
    first = replace(best, sentence=sentence, main_sentence=main, printed=numbers)
    return replace(first, candidates=(first, *named[1:]))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"identify: {path} must be a readable file of Python code; {error}.") from None


def _function_of(found: Found) -> Any:
    """Return the gradient as a function of predictions, targets and numbers for what else it uses."""

    def gradient(
        logits: np.ndarray, output: np.ndarray, target: np.ndarray, numbers: dict[Node, float]
    ) -> Any:
        given = {found.prediction: output, found.target: target, **numbers}
        if found.logits is not None:
            given[found.logits] = logits
        with np.errstate(all="ignore"):
            return evaluate(found.value, given)

    return gradient


def _all(found: Found) -> list[Node]:
    return nodes_below(found.value, found.given)


def _orders(found: Found) -> list[list[Any]]:
    """Return which readings to try, and which then: what code says of the output is not guessed."""
    everything = list(readings())
    if found.activation is None:
        return [everything]
    inner = [x for x in everything if x.activation == found.activation and x.wrt == "pre-activation"]
    outer = [x for x in everything if x.activation == "identity"]
    inner = [x for x in inner if x.of == "output"]
    if found.activation == "identity":
        return [outer, [x for x in everything if x.of == "logits"]]
    return [inner, outer] if found.reduced or "z" in found.name.lower() else [_ranked(found, inner, outer)]


def _ranked(found: Found, inner: list[Any], outer: list[Any]) -> list[Any]:
    """Return both kinds of readings; by the output first where that is all that a line can mean."""
    return outer + inner if found.name.lower().startswith(("e", "da", "diff")) else inner + outer


def _named(match: Match, found: Found | None) -> Identification:
    reading = match.reading
    scale = match.scale if found is None else match.scale.times(found.outer)
    activation = reading.activation
    if activation == "identity" and found is not None and found.activation is not None:
        activation = found.activation
    if reading.of == "logits":
        activation = own_activation(reading.loss) or activation
    one = Identification(
        loss=reading.loss,
        activation=activation,
        factor=scale.number if not scale.powers else str(scale),
        wrt=reading.wrt,
        max_error=match.error,
        sentence="",
        line=0 if found is None else found.line,
        scale=scale,
        names=match.names,
    )
    return replace(one, sentence=candidate_words(one).strip())


def _unknown(found: Found, rest: Unknown, numbers: tuple[Printed, ...]) -> Identification:
    main = unknown_words(rest, found.name or "the expression", found.line)
    return Identification(
        loss=None,
        activation=found.activation or "identity",
        factor=1.0,
        wrt=rest.wrt,
        max_error=float("nan"),
        sentence=main + printed_words(numbers),
        main_sentence=main,
        line=found.line,
        formula=rest.formula,
        facts=rest.facts,
        is_gradient=rest.is_gradient,
        printed=numbers,
    )


def _of_function(function: Callable[[Any, Any], Any]) -> Identification:
    def gradient(_: np.ndarray, output: np.ndarray, target: np.ndarray, __: dict[Node, float]) -> Any:
        found = function(output, target)
        return (
            found[0] if isinstance(found, tuple | list) else found
        )  # an objective of a booster: with a Hessian

    with np.errstate(all="ignore"):
        _try(function)
        subject = Subject(gradient, {}, ())
        matched = matches(subject, readings()) or matches(replace(subject, fits=True), readings())
        if matched:
            named = [_named(match, None) for match in matched]
            main = function_words(named[0])
            first = replace(
                named[0], sentence=main + "".join(map(candidate_words, named[1:])), main_sentence=main
            )
            return replace(first, candidates=(first, *named[1:]))
        rest = unknown(None, gradient)
    main = unknown_words(rest, getattr(function, "__name__", "the function"), 0)
    return Identification(
        loss=None,
        activation="identity",
        factor=1.0,
        wrt="prediction",
        max_error=float("nan"),
        sentence=main,
        main_sentence=main,
        facts=rest.facts,
        is_gradient=rest.is_gradient,
    )


def _try(function: Callable[[Any, Any], Any]) -> None:
    """Call a function once, and say what is wrong with it."""
    x = np.linspace(0.1, 0.9, 6).reshape(3, 2)
    for target in (np.round(x), 2.0 * np.round(x) - 1.0):  # labels 0 and 1, or signs
        try:
            found = function(x.copy(), target.copy())
            break
        except DomainError:
            continue
        except (Exception, SystemExit) as error:
            raise ParameterError(
                f"identify: source must be a function of (prediction, target) arrays; it raised "
                f"{type(error).__name__}: {error}"
            ) from None
    else:
        return
    found = np.asarray(found[0] if isinstance(found, tuple | list) else found)
    if found.shape not in (x.shape, ()) or found.dtype.kind not in "fiub":
        raise ParameterError(
            f"identify: source must return a gradient of the prediction's shape {x.shape}; got an array of "
            f"{found.dtype} of shape {found.shape}."
        )
