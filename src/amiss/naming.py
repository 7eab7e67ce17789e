"""Find a loss by any spelling that its users know it by."""

import ast
import dataclasses
import re
from functools import cache
from typing import Any

from amiss.core import Loss
from amiss.core.errors import ParameterError, suggest
from amiss.losses import FAMILIES

__all__ = ["catalogue", "get", "label_of", "parse_loss", "spellings", "words_of"]

AMBIGUOUS = {
    "binary_crossentropy": ("keras.losses.BinaryCrossentropy", "torch.nn.BCELoss", "bce"),
    "binary_cross_entropy": ("torch.nn.functional.binary_cross_entropy", "bce"),
    "log_loss": ("bce", "ce"),
    "logistic": ("bce", "binary:logistic"),
    "l2_loss": ("optax.l2_loss", "mse"),
    "nll": ("NLLLoss", "ce"),
    "poisson": ("Poisson", "torch.nn.PoissonNLLLoss", "keras.losses.Poisson", "count:poisson"),
    "sklearn.metrics.log_loss": ("bce(input='probabilities')", "ce(input='probabilities')"),
}
"""Spellings on which peers disagree, and the names that say which is meant."""

SCALED = {
    spelling: loss
    for family in FAMILIES.values()
    for loss in family
    for spelling in getattr(loss, "multiples", {})
}
"""Spellings of a multiple of a loss."""


_COSINE = "Its negative differs from CosineDistance by a constant only: write 'cosine', which is 0 at best."
_PSEUDO_HUBER = (
    "It is smooth, and Huber is not: write "
    "amiss.define('c**2 * (sqrt(1 + ((prediction - target) / c)**2) - 1)', c=1), where c is huber_slope."
)
_GAMMA = "Write amiss.define('prediction + target * exp(-prediction)', target='positive')."
ELSEWHERE = {
    "cosine_similarity": _COSINE,
    "keras.losses.CosineSimilarity": _COSINE,
    "reg:pseudohubererror": _PSEUDO_HUBER,
    "xgboost.reg:pseudohubererror": _PSEUDO_HUBER,
    "xgboost.reg:gamma": _GAMMA,
    "lightgbm.gamma": _GAMMA,
    "lightgbm.fair": "Write amiss.define('c**2 * (abs(prediction - target) / c "
    "- log1p(abs(prediction - target) / c))', c=1), where c is fair_c.",
    "torch.nn.SoftMarginLoss": "Write amiss.define('log1p(exp(-target * prediction))', target='sign').",
    "sklearn.metrics.mean_poisson_deviance": "It is twice Poisson less its value at perfection: write "
    "2 * amiss.Poisson('rate'), whose gradient is the same.",
}
"""Names that many look for, and what to write instead."""

LEFT_TO_THE_CALL = {
    "reduction": "the call: loss(prediction, target, reduction='sum')",
    "size_average": "the call: loss(prediction, target, reduction='sum')",
    "reduce": "the call: loss(prediction, target, reduction='none')",
    "weight": "the call: loss(prediction, target, weight)",
    "weights": "the call: loss(prediction, target, weight)",
    "sample_weight": "the call: loss(prediction, target, weight)",
    "where": "the call, as a weight of 0: loss(prediction, target, weight)",
    "dtype": "the prediction, whose dtype is computed in",
    "name": "the class: a loss has no other name",
}
"""Options of peers that are no parameters of a loss, and what says it instead."""

HARMLESS = {"reduction": ("mean", "sum_over_batch_size", "mean_with_sample_weight")}
"""Values of them that ask for what is done anyway; so does None."""

SAME_START = (("tensorflow.keras.", "keras."), ("tf.keras.", "keras."), ("optax.losses.", "optax."))
"""Starts of spellings that mean one library."""


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


def words_of(name: str, loss: type[Loss]) -> dict[str, Any]:
    """Return what a library calls the parameters of a loss, for a spelling that is that library's.

    Examples:
        >>> from amiss import Pinball
        >>> words_of("lightgbm.quantile", Pinball), words_of("pinball", Pinball)
        ({'alpha': 'quantile'}, {})
    """
    folded = _fold(name)
    if folded == _fold(loss.__name__):
        return {}
    ways = {*_ways_to_write(folded)}  # "BCELoss" is torch.nn's
    ways |= {_fold(s) for s in (*loss.aliases, *SCALED) if _fold(s).rpartition(".")[2] == folded}
    translations: dict[str, dict[str, Any]] = getattr(loss, "translations", {})
    return {
        word: meaning
        for start, words in translations.items()
        if any(way.startswith(_fold(start)) for way in ways)
        for word, meaning in words.items()
    }


def get(name: str | Loss, /, **parameters: Any) -> Loss:
    """Return the loss of a spelling that some library uses, with that library's parameters.

    Args:
        name: a spelling such as "mse", "MSELoss", "mean_squared_error"; case and separators do not matter.
            A loss is returned as it is.
        parameters: override those that the spelling stands for. A library's spelling takes its words for
            them too: `beta`, `pos_weight`, `from_logits`, `alpha`.

    Raises:
        ParameterError: no loss has that spelling, or peers mean different things by it; or a parameter is
            none of the loss.

    Examples:
        >>> get("huber", delta=2.0)
        Huber(delta=2.0)
        >>> get("BCELoss").input
        'probabilities'
        >>> get("optax.l2_loss")
        0.5 * SquaredError()
        >>> get("torch.nn.SmoothL1Loss", beta=2.0)  # 0.5 * error**2 / beta up to beta
        0.5 * Huber(delta=2.0)
    """
    if isinstance(name, Loss):
        if parameters:
            raise ParameterError(
                f"get: parameters must come with a name; got the loss {name!r}. Use dataclasses.replace."
            )
        return name
    if not isinstance(name, str):
        raise ParameterError(f"get: name must be a string or a loss; got {type(name).__name__}.")
    if "(" in name and not parameters:
        return parse_loss(name)
    own = [loss for family in FAMILIES.values() for loss in family if loss.__name__ == name]
    if own:  # a class of this library means itself, whatever others call by that name
        return _construct(own[0], parameters)
    folded = _fold(name)
    for spelling, qualified in sorted(AMBIGUOUS.items(), key=lambda entry: entry[0] != name):
        if _fold(spelling) == folded:
            raise ParameterError(
                f"get: the name {name!r} means different losses in different libraries. "
                f"Say which: {', '.join(map(repr, qualified))}."
            )
    for spelling, advice in ELSEWHERE.items():
        if _fold(spelling) == folded:
            raise ParameterError(f"get: no loss is called {name!r}. {advice}")
    written = next((way for way in _ways_to_write(folded) if way in _known()), None)
    if written is None:
        names = [*SCALED, *(s for family in FAMILIES.values() for loss in family for s in spellings(loss))]
        raise ParameterError(
            f"get: no loss is called {name!r}.{suggest(name, names)} `amiss list` shows all of them."
        )
    loss, given, factor = _known()[written]
    made = _construct(loss, {**given, **_translated(name, loss, parameters)})
    if factor is None:
        return made
    scaled: Loss = (factor(made) if callable(factor) else factor) * made
    return scaled


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


def _translated(name: str, loss: type[Loss], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a loss that the words of a peer stand for."""
    words, own = words_of(name, loss), loss.parameters()  # type: ignore[attr-defined]
    found: dict[str, Any] = {}
    for word, value in parameters.items():
        if word in words:
            meant = _meant(name, word, words[word], _plain(value))
        elif word in LEFT_TO_THE_CALL and word not in own:
            meant = _left_to_the_call(name, word, value)
        else:
            meant = {word: value}
        if twice := found.keys() & meant:
            raise ParameterError(f"{name}: {min(twice)} must be given once; got {', '.join(parameters)}.")
        found |= meant
    return found


def _meant(name: str, word: str, meaning: Any, value: Any) -> dict[str, Any]:
    if meaning is None:
        return {}
    if isinstance(meaning, str):
        return {meaning: value}
    if callable(meaning):
        called: dict[str, Any] = meaning(value)
        return called
    taken = [known for known, meant in meaning.items() if not isinstance(meant, str)]
    meant = next((meant for known, meant in meaning.items() if known is value or known == value), "")
    if isinstance(meant, str):
        raise ParameterError(
            f"{name}: {word} must be {' or '.join(map(repr, taken))}; got {value!r}. {meant}".rstrip()
        )
    found: dict[str, Any] = meant
    return found


def _left_to_the_call(name: str, word: str, value: Any) -> dict[str, Any]:
    if value is None or (isinstance(value, str) and value in HARMLESS.get(word, ())):
        return {}
    raise ParameterError(
        f"{name}: {word} must be left to {LEFT_TO_THE_CALL[word]}; got {value!r}. Leave it out."
    )


def _plain(value: Any) -> Any:
    """Return the numbers of an array or a tensor, which peers take as parameters."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain[0] if isinstance(plain, list) and len(plain) == 1 else plain


def _ways_to_write(folded: str) -> list[str]:
    """Return a folded spelling, and the same with other starts for its library."""
    pairs = [*SAME_START, *((after, before) for before, after in SAME_START)]
    return [folded, *(b + folded.removeprefix(a) for a, b in pairs if folded.startswith(a))]


@cache
def _known() -> dict[str, tuple[type[Loss], dict[str, Any], Any]]:
    """Return for each folded spelling the loss, the parameters that it stands for, and its factor, if any."""
    losses = [loss for family in FAMILIES.values() for loss in family]
    plain = {_fold(s): (loss, given, None) for loss in losses for s, given in spellings(loss).items()}
    multiples: dict[str, Any] = {
        _fold(spelling): (loss, {}, getattr(loss, "multiples")[spelling])  # noqa: B009
        for spelling, loss in SCALED.items()
    }
    return {**plain, **multiples}


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
