"""Formulas as graphs that keep the functions of the namespace whole, so that they can be differentiated.

`arrays.recorded` takes functions apart into what a kernel computes. Here softplus stays softplus: its
derivative is a sigmoid, which keeps its digits where the derivative of its parts does not.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.arrays.recorded import Node, RecordedNamespace

__all__ = ["Program", "Recorder", "compute", "nodes_of"]

WHOLE = (
    "abs",
    "sign",
    "exp",
    "log",
    "log1p",
    "expm1",
    "sqrt",
    "tanh",
    "sech_squared",
    "maximum",
    "minimum",
    "where",
)
WHOLE += ("clip", "relu", "softplus", "sigmoid", "log_sigmoid", "log_cosh", "full", "weigh", "power")
"""Functions of the namespace that are one node."""

INFIX: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": operator.and_,
    "or": operator.or_,
}


class Recorder(RecordedNamespace):
    """Records functions whole, computes what has numbers only, and knows forms that keep digits.

    Examples:
        >>> xp = Recorder()
        >>> x = xp.input("x")
        >>> xp.log(1.0 + xp.exp(x)).operation, (2.0 * xp.sqrt(xp.number(9.0))), (x**2).operation
        ('softplus', 6.0, 'mul')
    """

    def record(self, operation: str, *operands: Any) -> Any:
        """Return the node of an operation in the form that is kept, or a number."""
        if operands and all(_is_number(x) for x in operands) and operation != "input":
            return _computed(operation, operands)
        if operation == "power":
            return self._power(*operands)
        found = _neutral(operation, *operands)
        if found is None:
            found = self._careful(operation, operands)
        return super().record(operation, *operands) if found is None else found

    def number(self, value: Any) -> float:
        """Return a Python number as a float."""
        return float(value)

    def _power(self, x: Any, n: Any) -> Any:
        if _is_number(n) and float(n).is_integer() and abs(n) <= 64:
            return 1.0 / self._times(x, -int(n)) if n < 0 else self._times(x, int(n))
        if _is_number(n) and n == 0.5:
            return self.sqrt(x)
        if _is_number(x):
            return self.exp(n * math.log(x)) if x > 0 else math.nan
        return super().record("power", x, n)

    def _times(self, x: Any, n: int) -> Any:
        """Return the product of n times x, by squaring."""
        if n <= 1:
            return x if n else 1.0
        half = self._times(x, n // 2)
        return half * half * x if n % 2 else half * half

    def _careful(self, operation: str, operands: tuple[Any, ...]) -> Any:
        """Return the same in a form that does not cancel or overflow, or None."""
        x, y = (*operands, None, None)[:2]
        if operation == "log":
            return self._log(x)
        if operation == "mul":  # 0 * log(0) is 0, as its limit is
            pairs = ((x, y), (y, x))
            return next((self.weigh(a, b) for a, b in pairs if _is(b, "log") or _is(b, "log1p")), None)
        if operation == "sub" and _is(x, "exp") and _equals(y, 1.0):
            return self.expm1(x.operands[0])
        if operation == "sub" and _equals(x, 1.0) and _is(y, "sigmoid"):
            return self.sigmoid(-y.operands[0])
        if operation == "div" and _equals(x, 1.0) and _is(rest := _beside_one(y), "exp"):
            return self.sigmoid(-rest.operands[0])
        return None

    def _log(self, x: Any) -> Any:
        """Return log of cosh(u), sigmoid(u), 1 + exp(u) or 1 + u by its own function, or None."""
        rest = _beside_one(x)
        if (inner := _inside_cosh(x)) is not None:
            return self.log_cosh(inner)
        if _is(x, "sigmoid"):
            return self.log_sigmoid(x.operands[0])
        if _is(rest, "exp"):
            return self.softplus(rest.operands[0])
        return None if rest is None else self.log1p(rest)

    def cosh(self, x: Any) -> Any:
        """Return (exp(x) + exp(-x)) / 2, whose logarithm is recognised."""
        return (self.exp(x) + self.exp(-x)) / 2.0

    def indicator(self, condition: Any) -> Any:
        return self.where(condition, 1.0, 0.0)


def _whole(operation: str) -> Callable[..., Any]:
    def function(self: Recorder, *operands: Any) -> Any:
        return self.record(operation, *operands)

    function.__name__ = operation
    return function


for _name in WHOLE:
    setattr(Recorder, _name, _whole(_name))


def _is(x: Any, operation: str) -> bool:
    return isinstance(x, Node) and x.operation == operation


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float)


def _equals(x: Any, number: float) -> bool:
    return _is_number(x) and x == number


def _beside_one(x: Any) -> Any:
    """Return u of 1 + u, u + 1 or 1 - u (as -u), else None."""
    if not isinstance(x, Node) or x.operation not in ("add", "sub"):
        return None
    a, b = x.operands
    if x.operation == "sub":
        return -b if _equals(a, 1.0) else None
    return b if _equals(a, 1.0) else a if _equals(b, 1.0) else None


def _inside_cosh(x: Any) -> Any:
    """Return u where x was written as cosh(u), else None."""
    if _is(x, "div") and _equals(x.operands[1], 2.0) and _is(x.operands[0], "add"):
        up, down = x.operands[0].operands
        if _is(up, "exp") and _is(down, "exp") and down.operands[0] is -up.operands[0]:
            return up.operands[0]
    return None


def _neutral(operation: str, *operands: Any) -> Any:
    """Return what adding 0 or multiplying by 0 or 1 leaves, or None where it is neither."""
    x, y = (*operands, None)[:2]
    if (operation in ("add", "sub") and _equals(y, 0.0)) or (operation in ("mul", "div") and _equals(y, 1.0)):
        return x
    if (operation == "add" and _equals(x, 0.0)) or (operation in ("mul", "weigh") and _equals(x, 1.0)):
        return y
    if operation == "sub" and _equals(x, 0.0):
        return -y
    nothing = operation in ("mul", "div", "weigh") and _equals(x, 0.0)
    return 0.0 if nothing or (operation == "mul" and _equals(y, 0.0)) else None


def _computed(operation: str, numbers: tuple[Any, ...]) -> Any:
    """Return a function of numbers as a number; NaN or infinite where it is that."""
    with np.errstate(all="ignore"):
        values = [np.float64(x) for x in numbers]
        if operation in ("and", "or"):
            return bool(INFIX[operation](*map(bool, numbers)))
        if operation == "power":
            return float(np.power(*values))
        if operation == "where":
            return float(values[1] if numbers[0] else values[2])
        result = compute(namespace_of(np.float64(0.0)), operation, values)
    return bool(result) if isinstance(result, bool | np.bool_) else float(result)


def compute(xp: Any, operation: str, operands: Any) -> Any:
    """Return one operation on a namespace."""
    if operation in INFIX:
        return INFIX[operation](*operands)
    if operation == "neg":
        return -operands[0]
    if operation == "where" and all(_is_number(x) for x in operands[1:]):
        condition, x, y = operands
        return y + (x - y) * xp.indicator(condition)
    return getattr(xp, operation)(*operands)


@dataclass(frozen=True)
class Program:
    """What a graph computes, step by step, as plain data that PyTorch's compiler can follow.

    Attributes:
        steps: of each step the operation and its operands: pairs of True and the number of an earlier step,
            or of False and a number or a name.

    Examples:
        >>> from amiss.arrays import namespace_of
        >>> xp = Recorder()
        >>> square = Program.of(xp.input("x") ** 2)
        >>> square(namespace_of(np.ones(1)), x=np.array([3.0])), square.inputs
        (array([9.]), {'x'})
    """

    steps: tuple[tuple[str, tuple[tuple[bool, Any], ...]], ...]

    @classmethod
    def of(cls, result: Any) -> "Program":
        """Return the program of a node, or of a number."""
        if not isinstance(result, Node):
            return cls((("number", ((False, result),)),))
        nodes = nodes_of(result)
        place = {node: number for number, node in enumerate(nodes)}
        return cls(
            tuple(
                (
                    node.operation,
                    tuple((True, place[x]) if isinstance(x, Node) else (False, x) for x in node.operands),
                )
                for node in nodes
            )
        )

    @property
    def inputs(self) -> set[str]:
        """The names of what it depends on."""
        return {operands[0][1] for operation, operands in self.steps if operation == "input"}

    def __call__(self, xp: Any, **given: Any) -> Any:
        """Return the result on a namespace: of arrays, of symbols, or a recorder again."""
        found: list[Any] = []
        for operation, operands in self.steps:
            values = [found[x] if is_step else x for is_step, x in operands]
            if operation == "input":
                found.append(given[values[0]])
            elif operation == "number":
                found.append(values[0])
            else:
                found.append(compute(xp, operation, values))
        return found[-1]


def nodes_of(result: Any) -> list[Node]:
    """Return the nodes below a result and itself, operands first."""
    needed: set[Node] = set()
    pending = [result]
    while pending:
        node = pending.pop()
        if isinstance(node, Node) and node not in needed:
            needed.add(node)
            pending.extend(node.operands)
    return sorted(needed, key=lambda node: node.number)
