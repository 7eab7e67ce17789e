"""The card of a loss: all that there is to say of it, as data that a terminal, a page or JSON can show."""

import importlib.util
import inspect
import json
import math
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from amiss.authoring.properties import properties
from amiss.core import ClassItems, Loss
from amiss.core.baselines import baseline
from amiss.core.errors import ParameterError
from amiss.core.formula import latex, text
from amiss.core.items import RowItems
from amiss.core.parameters import about
from amiss.explain.peers import peers
from amiss.naming import spellings
from amiss.plot.slices import slice_of

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
        likelihood: what a constant prediction converges to, and under which distribution, in words.
        baseline: the best constant prediction for a small target: `target`, `constant`, its loss `value`, the
            first loss `start` of a network that says nothing yet, and the same in words.
        properties: each checked property with what was found, and the witness where it fails; `checked` says
            at how many points.
        peers: library, names there, and what differs.
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
    likelihood: str
    baseline: dict[str, Any]
    properties: list[dict[str, Any]]
    checked: str
    peers: list[dict[str, Any]]
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
    found = properties(loss)
    return Card(
        loss=repr(loss),
        family=kind.__module__.rpartition(".")[2],
        summary=text.partition("\n")[0],
        use=_sentence(text, "Use it "),
        avoid=_sentence(text, "Avoid it "),
        formulas=_formulas(loss),
        parameters=_parameters(loss, text),
        facts={field.name: getattr(loss.facts, field.name) for field in fields(loss.facts)},
        names=spellings(kind) if kind.__module__.startswith("amiss.losses.") else {},
        likelihood=_likelihood(loss),
        baseline=_baseline(loss),
        properties=found.to_dict()["properties"],
        checked=found.basis,
        peers=[asdict(peer) for peer in peers(kind)],
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


# --- what to expect ----------------------------------------------------------------------------------------
LINKED = {
    "logit": ", written as a logit",
    "softmax": ", written as logits",
    "log": ", written as a logarithm",
}


def _likelihood(loss: Loss) -> str:
    """Say what a constant prediction converges to, and of which distribution this is the likelihood."""
    facts = loss.facts
    aim = facts.minimiser if " " in facts.minimiser else f"{facts.minimiser} of the target"
    if facts.minimiser.startswith(("depends", "found")):
        words = "What a constant prediction converges to has no formula; it is found numerically."
    else:
        words = f"A constant prediction converges to the {aim}{LINKED.get(facts.link, '')}."
    if facts.likelihood is None:
        return words
    return f"{words} It is the negative log-likelihood of a {facts.likelihood} distribution, up to constants."


def _baseline(loss: Any) -> dict[str, Any]:
    """Return the baseline of a small target, in numbers and in words."""
    target = _small_target(loss)
    found = baseline(loss, target)
    constant = np.asarray(found.constant).round(6).tolist()
    best, value, start = (_short(x) for x in (found.constant, found.value, found.start))
    words = (
        f"For the target {_short(target)} the best constant prediction is {best}, with a loss of {value}; "
        f"a network that says nothing yet starts at {start}{_meaning(loss, target, found.start)}."
    )
    return {
        "target": np.asarray(target).tolist(),
        "constant": constant,
        "value": found.value,
        "start": found.start,
        "words": words,
    }


def _small_target(loss: Any) -> Any:
    """Return a few targets that a loss takes; the mean, the median and the mode of numbers differ."""
    domain = loss.target_domain
    if isinstance(loss, ClassItems):
        index = np.array([0, 1, 1, 2]) % (loss._classes or 3)
        return index if loss._ignored is None else np.where(index == loss._ignored, 1 - index, index)
    if isinstance(loss, RowItems):
        return np.array([[3.0, 4.0], [1.0, 0.0]])
    if domain.members:
        return np.array([max(domain.members), max(domain.members), min(domain.members)])
    if math.isfinite(domain.low + domain.high):
        return np.array([domain.low, domain.high, domain.high, domain.high])
    return np.array([1.0, 2.0, 6.0])


def _meaning(loss: Any, target: Any, start: float) -> str:
    """Say what the first loss is, if it is one of those that are known by heart."""
    classes = int(np.max(target)) + 1 if np.asarray(target).dtype.kind == "i" else 0
    if classes and math.isclose(start, math.log(classes)):
        spread = ", and v / 2 more where logits have a variance v" if loss.facts.link == "softmax" else ""
        return f" = ln {classes}: ln K for K classes{spread}"
    if math.isclose(start, math.log(2.0)):
        return " = ln 2"
    of_means = loss.facts.minimiser == "mean" and loss.facts.link == "identity"
    if of_means and math.isclose(start, float(np.mean(np.square(target, dtype=float)))):
        return ", the mean square: the variance of a target whose mean is 0"
    return ""


def _short(x: Any) -> str:
    if np.ndim(x):
        return "(" + ", ".join(map(_short, x)) + ")"
    return f"{float(x) + 0.0:.4g}"


def _curve(loss: Any, points: int = 161) -> dict[str, Any]:
    """Return value and gradient of one item along its prediction, for a fixed target."""
    one = slice_of(loss)
    x = one.inside(points)
    values, slopes = one("value", x).tolist(), one("gradient", x).tolist()
    return {"x": x.tolist(), "value": values, "gradient": slopes, "about": one.about}
