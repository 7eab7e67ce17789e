"""What was found, in plain sentences."""

from typing import Any

from amiss.identification.finding import Found
from amiss.identification.metrics import Printed
from amiss.identification.unknown import Unknown

__all__ = ["candidate_words", "function_words", "known_words", "printed_words", "unknown_words"]

NUMBERS = {0.5: "half ", 1.0: "", 2.0: "twice ", 0.25: "a quarter of "}


def noun(loss: Any, names: dict[str, str] | None = None) -> str:
    """Return a loss in words, with the parameters that are not at their defaults, or names in the code.

    Examples:
        >>> import amiss
        >>> noun(amiss.SquaredError()), noun(amiss.Huber(2.0))
        ('the squared error', 'the Huber loss (delta = 2)')
    """
    import dataclasses

    name = type(loss).__name__
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    proper = {
        "Huber": "Huber loss",
        "Poisson": "Poisson loss",
        "Hinge": "hinge loss",
        "SquaredHinge": "squared hinge loss",
        "LogCosh": "log-cosh loss",
        "Pinball": "pinball loss",
        "Linex": "linex loss",
        "KLDivergence": "KL divergence",
        "BinaryFocal": "binary focal loss",
        "CrossEntropy": "cross-entropy",
        "BinaryCrossEntropy": "binary cross-entropy",
    }.get(name, spaced)
    given = [
        f"{field.name} = {getattr(loss, field.name):.6g}"
        for field in dataclasses.fields(loss)
        if isinstance(field.default, float) and getattr(loss, field.name) != field.default
    ]
    given += [f"{parameter} = the code's {name}" for parameter, name in (names or {}).items()]
    return f"the {proper}{f' ({chr(44).join(given)})' if given else ''}".replace(",", ", ")


def through(activation: str, wrt: str) -> str:
    """Say through which activation, and by what."""
    if wrt == "prediction":
        return "with respect to the prediction"
    return f"through {activation}, with respect to the pre-activation"


def amount(one: Any) -> str:
    """Return a multiple of a loss in words, as in "half the squared error, divided by N,"."""
    size = abs(one.scale.number)
    text = NUMBERS.get(size, f"{size:.6g} times ") + noun(one.loss, one.names)
    above = [name for name, n in one.scale.powers.items() for _ in range(max(n, 0))]
    below = [name for name, n in one.scale.powers.items() for _ in range(max(-n, 0))]
    text += f", times {' '.join(above)}" if above else ""
    text += f", divided by {' '.join(below)}" if below else ""
    return text + ("," if above or below else "")


def candidate_words(one: Any) -> str:
    """Return another reading in a sentence."""
    flipped = ", with the sign flipped" if _is_flipped(one) else ""
    return f" It is also that of {amount(one)} {through(one.activation, one.wrt)}{flipped}."


def _is_flipped(one: Any) -> bool:
    return one.factor < 0 if isinstance(one.factor, float) else one.factor.startswith("-")


def printed_words(numbers: tuple[Printed, ...]) -> str:
    """Return what the numbers are that the code computes beside the gradient."""
    return "".join(f" {x.name} (line {x.line}) is never used by the training: {x.relation}." for x in numbers)


def known_words(one: Any, found: Found) -> str:
    """Return the whole sentence about a gradient in code."""
    name = f"{found.name} (line {found.line})" if found.name else "The expression"
    name = f"The gradient in line {found.line}, without the rate," if found.inline else name
    text = f"{name} is the gradient of {amount(one)} {through(one.activation, one.wrt)}."
    if found.reduced and found.weights and found.weights != found.name:
        text = text[:-1] + f"; {found.weights} carries it on to the weights."
    if _is_flipped(one):
        text += _about_sign(found)
    elif found.inline == "+":
        text += " It is written as target - prediction and added, which goes down, as it should."
    elif found.update == "+":
        text += " The update adds it, so that the loss grows: subtract it."
    return text + _about_probability(one, found)


def _about_sign(found: Found) -> str:
    if found.inline:
        return " But the update goes up along it: the loss grows. Turn its sign."
    if found.update == "+":
        return (
            " Its sign is flipped, target - prediction, and the update adds it: that goes down, as it should."
        )
    if found.update == "-":
        return " Its sign is flipped, and the update subtracts it: the loss grows. Write prediction - target."
    return " Its sign is flipped: it points downhill. A step adds it; an optimiser would climb."


def _about_probability(one: Any, found: Found | None) -> str:
    """Warn where a slope by a probability stands where one by the margin is meant."""
    is_probability = getattr(one.loss, "input", "") in ("probabilities", "rate") and one.wrt == "prediction"
    if not is_probability:
        return ""
    if found is not None and found.reduced and found.activation not in (None, "identity"):
        return (
            " It goes on to the weights as it is; that needs the slope by the pre-activation: multiply by "
            f"the derivative of {found.activation}, and it becomes prediction - target."
        )
    what = "rate" if one.loss.input == "rate" else "probability"
    return (
        f" It is the slope by the {what}: where a raw score (a margin, a logit) is meant, as in an "
        "objective of a booster, multiply by the derivative of the link; that leaves prediction - target."
    )


def function_words(one: Any) -> str:
    """Return the sentence about a function."""
    flipped = (
        " Its sign is flipped: it points downhill, and an optimiser, which subtracts, would climb."
        if _is_flipped(one)
        else ""
    )
    text = f"The function is the gradient of {amount(one)} {through(one.activation, one.wrt)}."
    return text + flipped + _about_probability(one, None)


def unknown_words(rest: Unknown, name: str, line: int) -> str:
    """Return the sentence about a gradient that the catalogue has no loss for."""
    where = f"{name} (line {line})" if line and name != "the expression" else name[:1].upper() + name[1:]
    if not rest.is_gradient:
        text = (
            f"{where} is the gradient of no loss: what one output does to the slope of another differs from "
            f"the reverse (by {rest.asymmetry:.0%}), and second derivatives never do."
        )
    elif rest.itself is not None:
        text = f"{where} is the value of {noun(rest.itself)}, not its gradient: `amiss show` has that."
    else:
        text = f"{where} is not recognised: no loss of the catalogue has this gradient."
        if rest.formula:
            text += f" It is the gradient of {rest.formula} with respect to {rest.variable}, "
            text += "checked by differentiation."
        elif rest.facts:
            text += " No closed form of its integral was found."
        if rest.facts:
            text += f" That loss is {_facts(rest.facts)}."
    return text


def _facts(facts: dict[str, bool]) -> str:
    convex = "convex" if facts["convex"] else "not convex"
    perfect = (
        "least at perfection"
        if facts["zero_at_perfection"]
        else "not least where prediction and target agree"
    )
    negative = (
        "below its value there somewhere" if facts["negative_somewhere"] else "nowhere below its value there"
    )
    return f"{convex}, {perfect}, and {negative} (on a grid)"
