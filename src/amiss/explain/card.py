"""The card of a loss: all that there is to say of it, as data that a terminal, a page or JSON can show."""

import importlib.util
import inspect
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from amiss.core import LOG_PROBABILITY, PROBABILITY, BatchLoss, ClassItems, Loss
from amiss.core.errors import ParameterError
from amiss.core.formula import latex, text
from amiss.core.items import RowItems
from amiss.core.parameters import about
from amiss.naming import spellings

__all__ = ["Card", "card"]

QUANTITIES = ("value", "gradient", "hessian")


@dataclass(frozen=True)
class Card:
    """What there is to say of a loss.

    Attributes:
        loss: its text, with its parameters.
        summary: one sentence.
        use: when to use it; `avoid`: when not to.
        formulas: for value, gradient and Hessian of one item, "text" and "latex"; without SymPy they
            are those of the default parameters.
        parameters: name, value, domain, typical range and meaning of each.
        facts: the checked claims, by name.
        names: every spelling, with the parameters it stands for.
        curve: x, value and gradient of one item, and what x and the target are.
        source: where it comes from.
    """

    loss: str
    family: str
    summary: str
    use: str
    avoid: str
    formulas: dict[str, dict[str, str]]
    parameters: list[dict[str, Any]]
    facts: dict[str, Any]
    names: dict[str, dict[str, Any]]
    curve: dict[str, Any]
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain data; what is infinite is written "inf"."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)), parse_constant=lambda text: text.lower())
        return plain


def card(loss: Loss) -> Card:
    """Return the card of a loss.

    Raises:
        ParameterError: a combination has no card; ask its terms.

    Examples:
        >>> import amiss
        >>> card(amiss.Hinge()).formulas["value"]["text"]
        'Max(0, -y*z + 1)'
    """
    kind = type(loss)
    if not hasattr(kind, "parameters"):
        raise ParameterError(
            f"card: loss must be one of the catalogue; got {loss!r}. Show its terms one by one."
        )
    text = inspect.cleandoc(kind.__doc__ or "")
    return Card(
        loss=repr(loss),
        family=kind.__module__.rpartition(".")[2],
        summary=text.partition("\n")[0],
        use=_sentence(text, "Use it "),
        avoid=_sentence(text, "Avoid it "),
        formulas=_formulas(loss),
        parameters=_parameters(loss, text),
        facts={field.name: getattr(loss.facts, field.name) for field in fields(loss.facts)},
        names=spellings(kind),
        curve=_curve(loss),
        source=_section(text, "Source"),
    )


def _sentence(text: str, start: str) -> str:
    paragraph = text[text.index(start) :] if start in text else ""
    words = paragraph.partition("\n\n")[0].partition("\nAvoid it ")[0]
    return " ".join(words.split())


def _section(text: str, name: str) -> str:
    _, _, rest = text.partition(f"\n{name}:\n")
    return " ".join(rest.partition("\n\n")[0].split())


def _parameters(loss: Loss, text: str) -> list[dict[str, Any]]:
    meaning = _meanings(text)
    rows = []
    for field in fields(loss):  # type: ignore[arg-type]
        declared = about(field)
        allowed = declared["domain"].text if "domain" in declared else " | ".join(declared.get("choices", ()))
        rows.append(
            {
                "name": field.name,
                "value": getattr(loss, field.name),
                "allowed": allowed,
                "meaning": meaning.get(field.name, ""),
            }
        )
    return rows


def _meanings(text: str) -> dict[str, str]:
    """Return the description of each parameter from the section Args of a docstring."""
    _, _, rest = text.partition("\nArgs:\n")
    found: dict[str, str] = {}
    name = ""
    for line in rest.partition("\n\n")[0].splitlines():
        if not line.startswith("        "):
            name, _, line = line.strip().partition(": ")  # noqa: PLW2901 - the rest of the same line
        found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


@cache
def _generated() -> dict[str, dict[str, dict[str, str]]]:
    path = resources.files("amiss") / "_generated" / "formulas.json"
    try:
        table: dict[str, dict[str, dict[str, str]]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return table


def _formulas(loss: Loss) -> dict[str, dict[str, str]]:
    """Return the formulas that were written when the package was built, or what SymPy says now."""
    kind = type(loss)
    options = [field.name for field in fields(loss) if "choices" in about(field)]  # type: ignore[arg-type]
    key = " ".join((kind.__name__, *(str(getattr(loss, option)) for option in options)))
    if key in _generated() and (_plain(loss) or importlib.util.find_spec("sympy") is None):
        return _generated()[key]
    readings = {quantity: loss._reading(quantity) for quantity in QUANTITIES}
    return {name: {"latex": latex(*reading), "text": text(*reading)} for name, reading in readings.items()}


def _plain(loss: Loss) -> bool:
    """Return whether the parameters that a formula leaves out at their default are at it."""
    return all(
        getattr(loss, field.name) == field.default
        for field in fields(loss)  # type: ignore[arg-type]
        if about(field).get("neutral", "choices" not in about(field) and "domain" not in about(field))
    )


def _curve(loss: Any, points: int = 161) -> dict[str, Any]:
    """Return value and gradient of one item along its prediction, for a fixed target."""
    given = {"class_weight": None, "ignore_index": None, "axis": -1}
    loss = replace(loss, **{name: value for name, value in given.items() if name in loss.parameters()})
    x = np.linspace(*_range(loss), points)
    if isinstance(loss, ClassItems):
        predictions, targets = _rows(loss, x)[:, None], np.zeros((points, 1), int)
        unit = {"logits": "logit", "probabilities": "probability"}.get(loss.input, "log-probability")
        about_x = f"{unit} of the true class, of 3 classes"
    elif isinstance(loss, RowItems):
        predictions, targets = np.stack([x, 0 * x + 1], axis=1)[:, None], np.array([[[1.0, 0.0]]] * points)
        about_x = "x in the prediction (x, 1), for a target of (1, 0)"
    else:
        predictions, targets = x[:, None], np.full((points, 1), _target(loss))
        about_x = f"prediction, for a target of {_target(loss):g}"
    if isinstance(loss, BatchLoss):
        about_x += ", alone in its batch"
    pairs = [
        loss.value_and_gradient(p, t, reduction="sum") for p, t in zip(predictions, targets, strict=True)
    ]
    values, slopes = [float(value) for value, _ in pairs], [float(slope.flat[0]) for _, slope in pairs]
    return {"x": x.tolist(), "value": values, "gradient": slopes, "about": about_x}


def _range(loss: Any) -> tuple[float, float]:
    if loss.prediction_domain is PROBABILITY:
        return 0.01, 0.99
    if loss.prediction_domain is LOG_PROBABILITY:
        return -5.0, -0.01
    reach = max([1.0, *(value for value in vars(loss).values() if isinstance(value, float))])
    return -4.0 * reach, 4.0 * reach


def _target(loss: Any) -> float:
    """Return the target of the drawing: 0 for real numbers, else the largest, such as the label 1."""
    domain = loss.target_domain
    largest = max(domain.members) if domain.members else domain.high
    return 0.0 if math.isinf(largest) else float(largest)


def _rows(loss: Any, x: Any) -> Any:
    if loss.prediction_domain is PROBABILITY:
        return np.stack([x, (1 - x) / 2, (1 - x) / 2], axis=1)
    if loss.prediction_domain is LOG_PROBABILITY:
        rest = np.log(-np.expm1(x) / 2)
        return np.stack([x, rest, rest], axis=1)
    return np.stack([x, 0 * x, 0 * x], axis=1)
