"""Which losses a booster can minimise, and what it has to know of them."""

from typing import Any

from amiss.core import BatchLoss, Combination, Loss
from amiss.core.errors import ParameterError
from amiss.core.items import ClassItems, RowItems

__all__ = ["check_boostable", "check_loss", "name_of", "over_classes", "over_rows", "terms"]


def terms(loss: Loss) -> list[Any]:
    """Return the losses that a sum consists of, or the loss itself.

    Examples:
        >>> import amiss
        >>> terms(0.5 * amiss.SquaredError() + amiss.AbsoluteError())
        [SquaredError(), AbsoluteError()]
    """
    return [term for _, term in loss.parts] if isinstance(loss, Combination) else [loss]


def name_of(loss: Loss) -> str:
    """Return what a table of metrics calls a loss: its class, or the classes of a sum.

    Examples:
        >>> import amiss
        >>> name_of(amiss.Huber(2.0)), name_of(0.5 * amiss.SquaredError() + amiss.AbsoluteError())
        ('Huber', 'SquaredError+AbsoluteError')
    """
    return "+".join(type(term).__name__ for term in terms(loss))


def over_classes(loss: Loss) -> bool:
    """Return whether a prediction is a row with one score for each class."""
    return all(isinstance(term, ClassItems) for term in terms(loss))


def over_rows(loss: Loss) -> bool:
    """Return whether a prediction is a row of numbers."""
    return any(isinstance(term, RowItems) for term in terms(loss))


def check_loss(owner: str, loss: Any) -> None:
    """Raise a ParameterError if it is no loss."""
    if not isinstance(loss, Loss):
        remedy = "Construct it first: put () behind the class." if isinstance(loss, type) else ""
        raise ParameterError(
            f"{owner}: loss must be a loss such as amiss.Huber(); got {loss!r}. {remedy}".strip()
        )


def check_boostable(owner: str, loss: Any) -> None:
    """Raise if trees cannot minimise the loss.

    A tree needs a gradient and a Hessian of each row by itself, and adds up to any real number.

    Raises:
        ParameterError: it is no loss, couples all rows, or takes a prediction that must be a probability or a
            rate.
    """
    check_loss(owner, loss)
    for term in terms(loss):
        if isinstance(term, BatchLoss):
            raise ParameterError(
                f"{owner}: loss must be a loss of each row by itself; got {term!r}, which is one number for "
                "all rows together. It can be the metric; train with a loss of rows, such as "
                "amiss.SquaredError() or amiss.CrossEntropy()."
            )
        if not term.prediction_domain.everything:
            raise ParameterError(
                f"{owner}: loss must take any real number, since trees add up to any; got {term!r}, whose "
                f"prediction must be {term.prediction_domain.text}. Take {_logarithmic(term)}; the inverse "
                "link gives the probability or the rate back."
            )


def _logarithmic(term: Any) -> str:
    """Return how to construct the loss on the scale where every number is allowed."""
    choices = type(term).parameters().get("input", {}).get("choices", ())
    return f"input={choices[0]!r}" if choices else "a loss of the logarithm or the logit"
