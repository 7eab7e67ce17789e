"""The value of a node of code on numbers, or on symbols; any node can be given instead of being computed."""

from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.arrays.recorded import Node
from amiss.authoring.recording import compute

__all__ = ["depends", "evaluate", "inputs_below", "is_below", "nodes_below"]


def evaluate(result: Any, given: dict[Node, Any], xp: Any = None) -> Any:
    """Return the value of a node.

    Args:
        result: a node, or a number.
        given: what to take for some nodes, every input among them. Arrays hold items in rows.
        xp: a namespace; that of NumPy in double precision by default.

    Raises:
        KeyError: an input is not given, or the namespace has no such operation.
    """
    xp = namespace_of(np.float64(0.0)) if xp is None else xp
    found: dict[Node, Any] = dict(given)
    for node in nodes_below(result, set(given)):
        if node not in found:
            operands = [found[x] if isinstance(x, Node) else x for x in node.operands]
            found[node] = _apply(xp, node.operation, operands)
    return found[result] if isinstance(result, Node) else result


def _apply(xp: Any, operation: str, operands: list[Any]) -> Any:
    """Return one operation, those of code among them."""
    x, *others = operands
    if operation == "input":
        raise KeyError(x)
    if operation in ("sum", "mean", "max"):
        return _reduced(operation, x, others[0])
    if operation == "softmax":
        grown = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return grown / np.sum(grown, axis=-1, keepdims=True)
    if operation == "count":
        return float(np.size(x) if others[0].endswith("size") else len(np.atleast_1d(x)))
    if operation == "dot":
        return np.asarray(x) @ np.asarray(others[0])
    if operation == "transpose":
        return np.transpose(x)
    return compute(xp, operation, operands)


def _reduced(operation: str, x: Any, which: str) -> Any:
    """Return a reduction; over a row it keeps its axis, as code does that goes on with the rows."""
    reduce = {"sum": np.sum, "mean": np.mean, "max": np.max}[operation]
    x = np.asarray(x)
    if which == "all" or x.ndim == 0:
        return reduce(x)
    axis = {"0": 0, "1": x.ndim - 1, "-1": x.ndim - 1}.get(which)
    if axis is None:
        raise KeyError(f"axis {which}")
    return reduce(x, axis=axis, keepdims=True)


def nodes_below(result: Any, stop: set[Node] = frozenset()) -> list[Node]:  # type: ignore[assignment]
    """Return the nodes that a result is computed from, operands first, and none below those to stop at."""
    needed: set[Node] = set()
    pending = [result]
    while pending:
        node = pending.pop()
        if isinstance(node, Node) and node not in needed:
            needed.add(node)
            if node not in stop:
                pending.extend(node.operands)
    return sorted(needed, key=lambda node: node.number)


def inputs_below(result: Any, stop: set[Node] = frozenset()) -> set[Node]:  # type: ignore[assignment]
    """Return the inputs that a result depends on otherwise than through the nodes to stop at."""
    return {node for node in nodes_below(result, stop) if node.operation == "input" and node not in stop}


def is_below(node: Any, result: Any) -> bool:
    """Return whether a result is computed from a node."""
    return any(x is node for x in nodes_below(result))


def depends(node: Any, on: set[Node]) -> bool:
    """Return whether a node is computed from one of some others, or is one of them."""
    return not on.isdisjoint(nodes_below(node, on))
