"""What is claimed of a loss. Every claim is checked by a test; what nobody tests is no field."""

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Facts"]


@dataclass(frozen=True)
class Facts:
    """Checked claims about one loss with its parameters; of a batch loss, about a batch of one item.

    Args:
        convex: whether the value of an item is convex in its prediction.
        lipschitz: the largest norm of an item's gradient (inf where there is none); None where there is a
            bound that no formula states.
        smoothness: the largest curvature in any direction, alike.
        differentiable: "everywhere", or where it is not.
        lower_bound: the largest number that the value never goes below.
        zero_at_perfection: whether the value is 0 when the prediction equals the target.
        monotone: whether the value never falls when a prediction moves away from its target.
        symmetric: whether errors e and -e cost the same.
        minimiser: what a constant prediction converges to.
        likelihood: the distribution whose negative log-likelihood it is, up to a constant and a factor.
        link: the function from a probability or mean to the prediction.
        hessian: "exact", or "zero almost everywhere", where Newton's method finds nothing to divide by.

    Examples:
        >>> Facts(convex=True, minimiser="mean").lower_bound
        0.0
    """

    convex: bool
    minimiser: str
    lipschitz: float | None = math.inf
    smoothness: float | None = math.inf
    differentiable: str = "everywhere"
    lower_bound: float = 0.0
    zero_at_perfection: bool = True
    monotone: bool = True
    symmetric: bool = False
    likelihood: str | None = None
    link: str = "identity"
    hessian: Literal["exact", "zero almost everywhere"] = "exact"
