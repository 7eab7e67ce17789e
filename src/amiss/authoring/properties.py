"""Properties of a loss, checked at many points: what holds, and where it fails a point that proves it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from amiss.authoring.checks import TOLERANCE, check, is_flat, lower_bound
from amiss.authoring.findings import Property, Witness, plain
from amiss.authoring.measuring import Items
from amiss.core import Facts, Loss
from amiss.core.errors import ParameterError
from amiss.naming import get

__all__ = ["MEASURED", "Properties", "Property", "Witness", "measured", "properties"]

MEASURED = "found numerically"
"""The minimiser of facts that were measured and not claimed."""


@dataclass(frozen=True)
class Properties:
    """The properties of a loss; iterate, or take one by its name.

    Attributes:
        loss: its text.
        each: the properties.
        points: how many predictions were looked at.
        tolerance: differences of values below it, relative to 1 plus the value, count as rounding.
    """

    loss: str
    each: tuple[Property, ...]
    points: int
    tolerance: float = TOLERANCE

    def __iter__(self) -> Iterator[Property]:
        return iter(self.each)

    def __getitem__(self, name: str) -> Property:
        for found in self.each:
            if found.name.lower() == name.lower():
                return found
        raise KeyError(name)

    @property
    def findings(self) -> tuple[Property, ...]:
        """The properties that the loss claims otherwise than they are."""
        return tuple(found for found in self.each if found.agrees is False)

    @property
    def basis(self) -> str:
        """What the answers rest on, as a sentence."""
        return (
            f"Checked numerically at {self.points:,} points, to {self.tolerance:g}: "
            "a witness is a proof, a yes is none."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is infinite is written "inf"."""
        document: dict[str, Any] = plain(asdict(self))
        document["properties"] = document.pop("each")
        return {**document, "findings": [found.name for found in self.findings]}


def properties(loss: Loss | str) -> Properties:
    """Check the properties of a loss at many points, and compare them with what the loss claims.

    derivatives: gradient and Hessian are those of the value. non-negative: no value is below 0. zero at
    perfection: the value is 0 where the prediction equals its target. differentiable: the gradient jumps
    nowhere and is finite. monotonic: the value never falls when a prediction moves away from its target.
    smooth: the curvature is bounded. convex: no chord lies below the curve. Lipschitz: the gradient is
    bounded. symmetric: errors e and -e cost the same. robust: the gradient of a far outlier is bounded;
    redescending if it even goes back to 0.

    Args:
        loss: a loss with one number or one row per item, a sum of such, or a spelling of `amiss.get`. Of a
            loss of a whole batch, a batch of one item is looked at.

    Returns:
        The properties, each with a witness where it fails.

    Raises:
        ParameterError: it is no such loss.

    Source:
        Boyd and Vandenberghe (2004), Convex Optimization, section 3.1; Hampel, Ronchetti, Rousseeuw and
        Stahel (1986), Robust Statistics, sections 2.1 and 2.6 (bounded influence, redescending).

    Examples:
        >>> found = properties("mae")
        >>> found["differentiable"].witness.text
        'at prediction = target = 0 the slope is -1 to the left and +1 to the right'
        >>> found["lipschitz"].number, found.findings
        (1.0, ())
    """
    if not isinstance(loss, str | Loss):
        remedy = "Construct it first." if isinstance(loss, type) else "Give a loss or one of its spellings."
        raise ParameterError(
            f"properties: loss must be a loss such as amiss.Huber(), or its name; got {loss!r}. {remedy}"
        )
    loss = get(loss)
    items = Items(loss)
    found = check(items)
    facts = loss.facts
    if facts.minimiser != MEASURED:
        found = [_compared(one, facts) for one in found]
    return Properties(repr(loss), tuple(found), items.count)


def measured(loss: Loss) -> Facts:
    """Return facts about a loss from its value, gradient and Hessian alone; what nobody can measure is None.

    Examples:
        >>> import amiss
        >>> facts = measured(amiss.Huber(delta=2.0))
        >>> facts.convex, facts.lipschitz, facts.smoothness, facts.differentiable
        (True, 2.0, 1.0, 'everywhere')
    """
    items = Items(loss)
    found = {one.name: one for one in check(items)}
    kink = found["differentiable"].witness
    return Facts(
        convex=found["convex"].holds is True,
        minimiser=MEASURED,
        lipschitz=_number(found["Lipschitz"]),
        smoothness=_number(found["smooth"]),
        differentiable="everywhere" if kink is None else f"not {kink.text.partition(' the ')[0]}",
        lower_bound=lower_bound(items),
        zero_at_perfection=found["zero at perfection"].holds is True,
        monotone=found["monotonic"].holds is True,
        symmetric=found["symmetric"].holds is True,
        link=items.link or "identity",
        hessian="zero almost everywhere" if is_flat(items) else "exact",
    )


def _number(found: Property) -> float:
    return math.inf if found.number is None else found.number


# --- claims ------------------------------------------------------------------------------------------------
CLAIMS: dict[str, Callable[[Facts], Any]] = {
    "derivatives": lambda _: True,
    "non-negative": lambda facts: facts.lower_bound >= 0.0,
    "zero at perfection": lambda facts: facts.zero_at_perfection,
    "differentiable": lambda facts: facts.differentiable == "everywhere",
    "monotonic": lambda facts: facts.monotone,
    "smooth": lambda facts: facts.smoothness,
    "convex": lambda facts: facts.convex,
    "Lipschitz": lambda facts: facts.lipschitz,
    "symmetric": lambda facts: facts.symmetric,
}
"""What the facts of a loss say of a property; a bound where the property has a number."""


def _compared(found: Property, facts: Facts) -> Property:
    """Return a property with the claim about it; a claimed bound may be up to twice what was met."""
    if found.name not in CLAIMS:
        return found
    claim = CLAIMS[found.name](facts)
    agrees = None if found.holds is None else _agrees(found, claim)
    if agrees and found.holds and found.number is not None and claim is not None:
        what = {"smooth": "curvature"}.get(found.name, "gradient")
        met = (
            ""
            if math.isclose(found.number, claim, rel_tol=1e-6)
            else f"; the largest met is {found.number:.6g}"
        )
        found = replace(found, text=f"the {what} is at most {claim:.6g}{met}")
    return replace(found, claim=claim, agrees=agrees)


def _agrees(found: Property, claim: bool | float | None) -> bool | None:
    """Return False where a point contradicts a claim, True where it was met, None where it is too modest."""
    if found.number is None:
        return True if claim == found.holds else False if claim else None
    if math.isinf(found.number):
        return claim is not None and math.isinf(claim)
    if claim is None:  # there is a bound that no formula states
        return True
    if found.number > claim * (1.0 + 1e-9) + 1e-12:
        return False
    return True if found.number >= claim / 2.0 - 1e-12 else None
