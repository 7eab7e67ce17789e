"""Which output and which targets a network needs for a loss, and how a loss is written in text."""

import dataclasses
from typing import NamedTuple

import numpy as np

from amiss.authoring.defining import read_loss
from amiss.comparison.data import DataSet
from amiss.core import Loss
from amiss.core.errors import ParameterError
from amiss.naming import get, label_of

__all__ = ["SETUPS", "Entrant", "Setup", "coded", "enter"]


class Setup(NamedTuple):
    """What a loss is given: the activation of the last layer, and a coding of the targets.

    Attributes:
        task: classification or regression.
        loss: the name of a loss class or of a base of it; for standardised targets, which can be any numbers,
            the loss must take them.
        input: the loss's parameter `input`, where it has one.
        output: the activation of the network's last layer.
        target: index (0 .. K-1), one-hot (0 and 1), signs (-1 and +1, one class against the rest), or
            standardised (one number: training mean 0, standard deviation 1).
    """

    task: str
    loss: str
    input: str | None
    output: str
    target: str


SETUPS = [  # the first row that fits counts
    Setup("classification", "CrossEntropy", "logits", "identity", "index"),
    Setup("classification", "CrossEntropy", "probabilities", "softmax", "index"),
    Setup("classification", "BinaryCrossEntropy", "logits", "identity", "one-hot"),
    Setup("classification", "BinaryCrossEntropy", "probabilities", "sigmoid", "one-hot"),
    Setup("classification", "BinaryFocal", None, "identity", "one-hot"),
    Setup("classification", "CosineDistance", None, "identity", "one-hot"),
    Setup("classification", "SquaredError", None, "softmax", "one-hot"),
    Setup("classification", "AbsoluteError", None, "softmax", "one-hot"),
    Setup("classification", "RootMeanSquaredError", None, "softmax", "one-hot"),
    Setup("classification", "Huber", None, "softmax", "one-hot"),
    Setup("classification", "LogCosh", None, "softmax", "one-hot"),
    Setup("classification", "Hinge", None, "identity", "signs"),
    Setup("classification", "SquaredHinge", None, "identity", "signs"),
    Setup("classification", "ClassItems", "logits", "identity", "index"),
    Setup("classification", "ClassItems", "probabilities", "softmax", "index"),
    Setup("classification", "DerivedLoss", None, "softmax", "one-hot"),
    Setup("classification", "DerivedLoss", None, "identity", "signs"),
    Setup("regression", "NumberItems", None, "identity", "standardised"),
]

_CODINGS = {
    "index": lambda y, classes: y,
    "one-hot": lambda y, classes: np.eye(classes, dtype=np.float32)[y],
    "signs": lambda y, classes: 2 * np.eye(classes, dtype=np.float32)[y] - 1,
    "standardised": lambda y, classes: y[:, None],
}
_VALUES = {"one-hot": (0.0, 1.0), "signs": (-1.0, 1.0)}


@dataclasses.dataclass(frozen=True)
class Entrant:
    """A loss with the output and the targets that it is compared with.

    Attributes:
        loss: the loss.
        output: the activation of the network's last layer.
        target: the coding of the targets: index, one-hot, signs or standardised.
    """

    loss: Loss
    output: str
    target: str

    @property
    def label(self) -> str:
        """The loss in text that `read_loss` reads."""
        return label_of(self.loss)


def enter(loss: str | Loss | Entrant, task: str) -> Entrant:
    """Return a loss with the output and targets that `SETUPS` gives it.

    Raises:
        ParameterError: there is no such loss, or no row for it.

    Examples:
        >>> enter("hinge", "classification")
        Entrant(loss=Hinge(margin=1.0), output='identity', target='signs')
    """
    if isinstance(loss, Entrant):
        return loss
    loss = read_loss(loss) if isinstance(loss, str) else get(loss)
    terms = [term for _, term in getattr(loss, "parts", ((1.0, loss),))]
    found = {_setup(term, task)[3:] for term in terms}
    if len(found) > 1:
        raise ParameterError(
            f"{label_of(loss)}: its terms must take the same outputs and targets; they take "
            f"{' and '.join(map('/'.join, sorted(found)))}. Compare them one by one."
        )
    return Entrant(loss, *found.pop())


def _setup(loss: Loss, task: str) -> Setup:
    names = {base.__name__ for base in type(loss).__mro__}
    for setup in SETUPS:
        fits = setup.loss in names and setup.input in (None, getattr(loss, "input", None))
        fits = fits and all(value in loss.target_domain for value in _VALUES.get(setup.target, ()))  # type: ignore[attr-defined]
        if setup.task == task and fits and (setup.target != "standardised" or _takes_any_number(loss)):
            return setup
    elsewhere = any(setup.loss in names for setup in SETUPS if setup.task != task)
    raise ParameterError(_unfit(loss, task, elsewhere))


def _unfit(loss: Loss, task: str, elsewhere: bool) -> str:
    known = sorted(
        {setup.loss for setup in SETUPS if setup.task == task} - {"NumberItems", "ClassItems", "DerivedLoss"}
    )
    usual = ", ".join(known) if known else "SquaredError, AbsoluteError, Huber"
    what = "classes" if task == "regression" else "numbers"
    reason = f"is for {what}" if elsewhere else "has no usual output and targets"
    return (
        f"{label_of(loss)} {reason}; the data are a {task}. Choose among {usual}. If the data are no {task}, "
        "say so (task=, --task)."
    )


def _takes_any_number(loss: Loss) -> bool:
    return loss.prediction_domain.everything and loss.target_domain.everything


def coded(entrant: Entrant, data: DataSet, y: np.ndarray) -> np.ndarray:
    """Return targets as the entrant's loss takes them.

    Shapes:
        y: (rows,). result: (rows,) for index, (rows, K) for one-hot and signs, (rows, 1) for standardised.
    """
    return _CODINGS[entrant.target](y, len(data.classes or ()))
