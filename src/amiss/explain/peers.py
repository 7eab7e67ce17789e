"""What a loss is called at its peers, and what differs there."""

from dataclasses import dataclass
from typing import Any

from amiss.core import Loss
from amiss.naming import SCALED, get, label_of, spellings, words_of

__all__ = ["LIBRARIES", "Peer", "Spelling", "peers", "spelled"]

LIBRARIES = {
    "PyTorch": "torch.",
    "Keras": "keras.",
    "optax": "optax.",
    "scikit-learn": "sklearn.",
    "XGBoost": "xgboost.",
    "LightGBM": "lightgbm.",
    "CatBoost": "catboost.",
}
"""The libraries that are told of, and how spellings that belong to them begin."""


@dataclass(frozen=True)
class Peer:
    """A loss at another library.

    Attributes:
        library: such as "Keras".
        names: the spellings there, which `amiss.get` reads.
        difference: what to know before numbers are compared; "" if nothing is known.
    """

    library: str
    names: tuple[str, ...]
    difference: str


def peers(loss: type[Loss]) -> tuple[Peer, ...]:
    """Return what a loss class is called at each library, and what its own `peers` say of it.

    Examples:
        >>> import amiss
        >>> found = {peer.library: peer for peer in peers(amiss.CosineDistance)}
        >>> found["Keras"].difference
        'CosineSimilarity is this minus 1: -1 at best.'
        >>> found["optax"].names
        ('optax.losses.cosine_distance',)
    """
    told: dict[str, str] = getattr(loss, "peers", {})
    found = []
    for library, start in LIBRARIES.items():
        names = tuple(name for name in spellings(loss) if name.startswith(start))
        if names or library in told:
            found.append(Peer(library, names, told.get(library, "")))
    return tuple(found)


@dataclass(frozen=True)
class Spelling:
    """A library's name of a loss.

    Attributes:
        name: as `amiss.get` reads it.
        loss: what it stands for, with that library's factor and defaults.
        words: what the library's parameters are here, each in a few words.
    """

    name: str
    loss: str
    words: tuple[str, ...]


def spelled(loss: type[Loss]) -> tuple[Spelling, ...]:
    """Return every name of a loss, and of its multiples, that says which library it belongs to.

    Examples:
        >>> import amiss
        >>> found = {spelling.name: spelling for spelling in spelled(amiss.Huber)}
        >>> found["lightgbm.huber"]
        Spelling(name='lightgbm.huber', loss='Huber(delta=0.9)', words=('alpha is delta',))
        >>> found["torch.nn.SmoothL1Loss"].loss  # divided by beta
        '1.0 * Huber'
    """
    names = [*spellings(loss), *(name for name, scaled in SCALED.items() if scaled is loss)]
    return tuple(
        Spelling(
            name,
            label_of(get(name), short=name not in SCALED),
            tuple(_in_words(word, meaning) for word, meaning in words_of(name, loss).items()),
        )
        for name in names
        if "." in name
    )


def _in_words(word: str, meaning: Any) -> str:
    """Return in text what a library's parameter is here."""
    if meaning is None:
        return f"{word} changes nothing"
    if isinstance(meaning, str):
        return f"{word} is {meaning}"
    if callable(meaning):
        return f"{word} gives {' and '.join(meaning(0.25))}"
    allowed = {value: given for value, given in meaning.items() if not isinstance(given, str)}
    said = [
        f"{word}={value!r} is {', '.join(f'{name}={own!r}' for name, own in given.items())}"
        for value, given in allowed.items()
        if given
    ]
    return "; ".join(said) or f"{word} must be {' or '.join(map(repr, allowed))}"
