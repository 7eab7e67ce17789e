"""The derivative of a recorded formula: one rule for each function, and the chain rule."""

from collections.abc import Callable
from typing import Any

from amiss.arrays.recorded import Node
from amiss.authoring.recording import nodes_of
from amiss.core.errors import ParameterError

__all__ = ["derivative"]


def _larger(x: Any, y: Any, dx: Any, dy: Any, xp: Any) -> Any:
    """Return the slope of the larger one; where they are equal, the mean of both, as of |x| = max(x, -x)."""
    equal = (dx + dy) / 2.0 + xp.full(0.0, x) + xp.full(0.0, y)  # NaN where one of them is
    return xp.where(x > y, dx, xp.where(x < y, dy, equal))


def _smaller(x: Any, y: Any, dx: Any, dy: Any, xp: Any) -> Any:
    return _larger(y, x, dx, dy, xp)


def _to_power(x: Any, n: Any, dx: Any, dn: Any, xp: Any) -> Any:
    slope = n * xp.power(x, n - 1.0) * dx
    return slope if _is_zero(dn) else slope + xp.power(x, n) * xp.log(x) * dn


def _within(x: Any, low: Any, high: Any, dx: Any, dlow: Any, dhigh: Any, xp: Any) -> Any:
    """Return the slope of x inside the bounds and on them, that of a bound beyond it."""
    return xp.where(x < low, dlow, xp.where(x > high, dhigh, dx))


# Each takes the operands, their derivatives and the namespace.
RULES: dict[str, Callable[..., Any]] = {
    "neg": lambda x, dx, xp: -dx,
    "add": lambda x, y, dx, dy, xp: dx + dy,
    "sub": lambda x, y, dx, dy, xp: dx - dy,
    "mul": lambda x, y, dx, dy, xp: dx * y + x * dy,
    "div": lambda x, y, dx, dy, xp: dx / y if _is_zero(dy) else (dx - x / y * dy) / y,
    "power": _to_power,
    "abs": lambda x, dx, xp: xp.sign(x) * dx,
    "sign": lambda x, dx, xp: 0.0,
    "exp": lambda x, dx, xp: xp.exp(x) * dx,
    "expm1": lambda x, dx, xp: xp.exp(x) * dx,
    "log": lambda x, dx, xp: dx / x,
    "log1p": lambda x, dx, xp: dx / (1.0 + x),
    "sqrt": lambda x, dx, xp: dx / (2.0 * xp.sqrt(x)),
    "tanh": lambda x, dx, xp: xp.sech_squared(x) * dx,
    "sech_squared": lambda x, dx, xp: -2.0 * xp.sech_squared(x) * xp.tanh(x) * dx,
    "log_cosh": lambda x, dx, xp: xp.tanh(x) * dx,
    "sigmoid": lambda x, dx, xp: xp.sigmoid(x) * xp.sigmoid(-x) * dx,
    "softplus": lambda x, dx, xp: xp.sigmoid(x) * dx,
    "log_sigmoid": lambda x, dx, xp: xp.sigmoid(-x) * dx,
    "relu": lambda x, dx, xp: xp.where(x > 0.0, dx, xp.full(0.0, x)),
    "maximum": _larger,
    "minimum": _smaller,
    "clip": _within,
    "where": lambda c, x, y, dc, dx, dy, xp: xp.where(c, dx, dy),
    "full": lambda value, like, dvalue, dlike, xp: 0.0,
    "weigh": lambda w, x, dw, dx, xp: xp.weigh(w, dx) + (0.0 if _is_zero(dw) else xp.weigh(dw, x)),
}
FLAT = ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "input")
"""What has no slope: comparisons, and inputs other than the one in question."""


def derivative(result: Any, variable: Node) -> Any:
    """Return the derivative of a node of a `Recorder`, as a node of it, or 0.0 if there is none.

    Where a formula has a kink the result is what its functions agree on: sign(0) = 0, the mean of both slopes
    where a maximum is reached twice, the slope inside where a clip begins.

    Examples:
        >>> from amiss.authoring.recording import Recorder
        >>> xp = Recorder()
        >>> x = xp.input("x")
        >>> derivative(xp.softplus(x), x).operation
        'sigmoid'
        >>> derivative(3.0 * x, x)
        3.0
    """
    xp = variable.graph
    slopes: dict[Node, Any] = {variable: 1.0}
    for node in nodes_of(result):
        if node in slopes:
            continue
        operands = node.operands
        inner = [slopes.get(x, 0.0) if isinstance(x, Node) else 0.0 for x in operands]
        steep = node.operation not in FLAT and any(not _is_zero(slope) for slope in inner)
        if steep and node.operation not in RULES:
            raise ParameterError(
                "define: a formula must be made of functions whose derivative is known; "
                f"got {node.operation!r}. "
                f"There are {', '.join(RULES)}."
            )
        slopes[node] = RULES[node.operation](*operands, *inner, xp) if steep else 0.0
    return slopes[result] if isinstance(result, Node) else 0.0


def _is_zero(slope: Any) -> bool:
    return not isinstance(slope, Node) and slope == 0.0
