"""Find a loss by any spelling that its users know it by."""

import ast
import dataclasses
import re
from typing import Any

from amiss.core import Loss
from amiss.core.errors import ParameterError, suggest
from amiss.losses import FAMILIES

__all__ = ["catalogue", "get", "label_of", "parse_loss", "spellings"]

AMBIGUOUS = {
    "binary_crossentropy": ("keras.losses.BinaryCrossentropy", "torch.nn.BCELoss", "bce"),
    "binary_cross_entropy": ("torch.nn.functional.binary_cross_entropy", "bce"),
    "log_loss": ("bce", "ce"),
    "logistic": ("bce", "binary:logistic"),
    "l2_loss": ("optax.l2_loss", "mse"),
    "nll": ("NLLLoss", "ce"),
    "poisson": ("Poisson", "torch.nn.PoissonNLLLoss", "keras.losses.Poisson", "count:poisson"),
}
"""Spellings on which peers disagree, and the names that say which is meant."""

SCALED = {"optax.l2_loss": (0.5, "mse")}
"""Spellings of a multiple of a loss."""


_COSINE = "Its negative differs from CosineDistance by a constant only: write 'cosine', which is 0 at best."
ELSEWHERE = {
    "cosine_similarity": _COSINE,
    "keras.losses.CosineSimilarity": _COSINE,
    "smooth_l1": "Smooth L1 with beta is Huber(delta=beta) / beta: write amiss.Huber(1.0) / 1.0.",
    "SmoothL1Loss": "Smooth L1 with beta is Huber(delta=beta) / beta: write amiss.Huber(1.0) / 1.0.",
}
"""Names that many look for, and what to write instead."""


def catalogue() -> dict[str, tuple[type[Loss], ...]]:
    """Return every loss class, by family.

    Examples:
        >>> [loss.__name__ for loss in catalogue()["regression"]]
        ['SquaredError', 'AbsoluteError', 'RootMeanSquaredError', 'Huber', 'LogCosh', 'Pinball', 'Linex']
    """
    return dict(FAMILIES)


def spellings(loss: type[Loss]) -> dict[str, dict[str, Any]]:
    """Return every spelling of a loss class, with the parameters that the spelling stands for."""
    unclear = {_fold(spelling) for spelling in AMBIGUOUS}
    named = {_snake(loss.__name__): {}, **loss.aliases}
    clear = {spelling: given for spelling, given in named.items() if _fold(spelling) not in unclear}
    return {loss.__name__: {}, **clear}


def get(name: str | Loss, **parameters: Any) -> Loss:
    """Return the loss of a spelling that some library uses, with that library's parameters.

    Args:
        name: a spelling such as "mse", "MSELoss", "mean_squared_error"; case and separators do not matter.
            A loss is returned as it is.
        parameters: override those that the spelling stands for.

    Raises:
        ParameterError: no loss has that spelling, or peers mean different things by it.

    Examples:
        >>> get("huber", delta=2.0)
        Huber(delta=2.0)
        >>> get("BCELoss").input
        'probabilities'
        >>> get("optax.l2_loss")
        0.5 * SquaredError()
    """
    if isinstance(name, Loss):
        if parameters:
            raise ParameterError(
                f"get: parameters must come with a name; got the loss {name!r}. Use dataclasses.replace."
            )
        return name
    if not isinstance(name, str):
        raise ParameterError(f"get: name must be a string or a loss; got {type(name).__name__}.")
    known = {_fold(spelling): (loss, given) for loss, spelling, given in _all_spellings()}
    if "(" in name and not parameters:
        return parse_loss(name)
    own = [loss for family in FAMILIES.values() for loss in family if loss.__name__ == name]
    if own:  # a class of this library means itself, whatever others call by that name
        return _construct(own[0], parameters)
    folded = _fold(name)
    scaled = {_fold(spelling): meaning for spelling, meaning in SCALED.items()}
    if folded in scaled:
        factor, plain = scaled[folded]
        return factor * get(plain, **parameters)
    for spelling, qualified in sorted(AMBIGUOUS.items(), key=lambda entry: entry[0] != name):
        if _fold(spelling) == folded:
            raise ParameterError(
                f"get: the name {name!r} means different losses in different libraries. "
                f"Say which: {', '.join(map(repr, qualified))}."
            )
    for spelling, advice in ELSEWHERE.items():
        if _fold(spelling) == folded:
            raise ParameterError(f"get: no loss is called {name!r}. {advice}")
    if folded not in known:
        names = [spelling for _, spelling, _ in _all_spellings()]
        raise ParameterError(
            f"get: no loss is called {name!r}.{suggest(name, names)} `amiss list` shows all of them."
        )
    loss, given = known[folded]
    return _construct(loss, {**given, **parameters})


def parse_loss(text: str) -> Loss:
    """Read a loss from text: a spelling of `get`, with parameters in brackets; sums and multiples of losses.

    Nothing is evaluated but numbers, strings and tuples of them.

    Raises:
        ParameterError: the text is not of that form, or there is no such loss or parameter.

    Examples:
        >>> parse_loss("huber(delta=2)")
        Huber(delta=2.0)
        >>> parse_loss("0.5 * mse + 2 * mae")
        0.5 * SquaredError() + 2.0 * AbsoluteError()
    """
    name, bracket, _ = text.partition("(")
    if not re.search(r"[(+*]", text):
        return get(text.strip())
    try:
        if bracket and not re.search(r"[+*]", name):
            try:  # a spelling such as binary:logistic is no Python name
                return _read_call(name.strip(), ast.parse(f"f{text[len(name) :].strip()}", mode="eval").body)
            except (SyntaxError, ValueError) as error:
                if isinstance(error, ParameterError):
                    raise
        return _read(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(
            f"a loss must be written as in ce, huber(delta=2) or 0.5*mse + 2*mae, each parameter by its name "
            f"and as a number; got {text!r}."
        ) from None


def label_of(loss: Loss, short: bool = False) -> str:
    """Write a loss in text: its class, and the parameters that are not at their defaults.

    Args:
        loss: any loss, or a combination.
        short: round numbers to four digits, for a legend; else the text can be read back.

    Examples:
        >>> label_of(get("huber", delta=2.0)), label_of(get("mse"))
        ('Huber(delta=2.0)', 'SquaredError')
        >>> label_of(0.5 * get("mse") + get("mae")), label_of(0.5 * get("mse") + get("mae"), short=True)
        ('0.5 * SquaredError + 1.0 * AbsoluteError', '0.5 * SquaredError + AbsoluteError')
    """

    def number(value: Any) -> str:
        return f"{value:.4g}" if short and isinstance(value, float) else repr(value)

    if hasattr(loss, "parts"):
        factors = ["" if short and factor == 1.0 else f"{number(factor)} * " for factor, _ in loss.parts]
        terms = [label_of(term, short) for _, term in loss.parts]
        return " + ".join(factor + term for factor, term in zip(factors, terms, strict=True))
    if not dataclasses.is_dataclass(loss):
        return repr(loss)
    if type(loss).__str__ is not object.__str__:  # an expression writes itself
        return str(loss)
    given = [
        f"{field.name}={number(value)}"
        for field in dataclasses.fields(loss)
        if field.init and field.repr and (value := getattr(loss, field.name)) != field.default
    ]
    return type(loss).__name__ + (f"({', '.join(given)})" if given else "")


def _read(node: ast.expr) -> Loss:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _read(left) + _read(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _read(left) - _read(right)
        case ast.BinOp(left=factor, op=ast.Mult(), right=right):
            scaled: Loss = ast.literal_eval(factor) * _read(right)
            return scaled
        case ast.Call(func=name):
            return _read_call(ast.unparse(name), node)
        case ast.Name() | ast.Attribute():
            return get(ast.unparse(node))
    raise ValueError


def _read_call(name: str, node: ast.expr) -> Loss:
    match node:
        case ast.Call(args=[], keywords=given) if all(word.arg for word in given):
            return get(name, **{str(word.arg): ast.literal_eval(word.value) for word in given})
    raise ValueError


def _construct(loss: type[Loss], parameters: dict[str, Any]) -> Loss:
    allowed = loss.parameters()  # type: ignore[attr-defined]
    for name in parameters:
        if name not in allowed:
            raise ParameterError(
                f"{loss.__name__}: no parameter is called {name!r}; it has {', '.join(allowed) or 'none'}."
                + suggest(name, allowed)
            )
    return loss(**parameters)


def _all_spellings() -> list[tuple[type[Loss], str, dict[str, Any]]]:
    return [
        (loss, spelling, given)
        for family in FAMILIES.values()
        for loss in family
        for spelling, given in spellings(loss).items()
    ]


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
