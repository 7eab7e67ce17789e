"""What a loss is called at its peers, and what differs there."""

from dataclasses import dataclass

from amiss.core import Loss
from amiss.naming import spellings

__all__ = ["LIBRARIES", "Peer", "peers"]

LIBRARIES = {
    "PyTorch": "torch.",
    "Keras": "keras.",
    "optax": "optax.",
    "scikit-learn": "sklearn.",
    "XGBoost": "xgboost.",
    "LightGBM": "lightgbm.",
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
