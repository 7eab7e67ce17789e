"""Where a gradient stands in code: in a product with the inputs of a layer, in a sum, or alone."""

import re
from typing import Any

from amiss.arrays.recorded import Node
from amiss.core.errors import ParameterError
from amiss.identification.evaluation import inputs_below, is_below, nodes_below
from amiss.identification.names import REPORTS, WEIGHTS, is_rate, is_scalar, last_part, reports
from amiss.identification.products import factors, is_linear_in, product
from amiss.identification.reading import Assignment, Code

__all__ = ["alone", "in_product", "in_row_sum", "in_sum"]


def in_product(code: Code, targets: set[Node]) -> Any:
    """Yield what a product of matrices takes to the weights, and then what one takes to the layer below.

    It meets the target before any other product.
    """
    later = []
    for assignment in code.assignments:
        for node in nodes_below(assignment.value):
            if node.operation == "dot" and (value := _near_target(node, targets)) is not None:
                if any(_is_weight(x) for x in node.operands):
                    later.append((assignment, value, None))
                else:
                    yield assignment, value, node
    yield from later


def _is_weight(x: Any) -> bool:
    return isinstance(x, Node) and all(WEIGHTS.match(node.operands[0]) for node in inputs_below(x))


def _near_target(product: Node, targets: set[Node]) -> Any:
    """Return the factor of a product that depends on the target, not through another product."""
    for x in product.operands:
        inner = x.operands[0] if isinstance(x, Node) and x.operation == "transpose" else x
        if _meets(inner, targets) and not any(_meets(y, targets) for y in product.operands if y is not x):
            return inner
    return None


def _meets(x: Any, targets: set[Node]) -> bool:
    """Return whether a node depends on a target otherwise than through a product of matrices."""
    pending, seen = [x], set()
    while pending:
        node = pending.pop()
        if node in targets:
            return True
        if isinstance(node, Node) and node not in seen and node.operation != "dot":
            seen.add(node)
            pending.extend(node.operands)
    return False


def in_sum(code: Code, targets: set[Node]) -> Any:
    """Yield what is summed, or averaged, over the items."""
    for assignment in code.assignments:
        if reports(assignment):
            continue
        for node in nodes_below(assignment.value):
            over_items = node.operation in ("sum", "mean") and node.operands[1] in ("all", "0")
            if (
                over_items
                and _meets(node.operands[0], targets)
                and is_linear_in(assignment.value, node, targets)
            ):
                yield assignment, node.operands[0], node


def in_row_sum(code: Code, targets: set[Node]) -> Any:
    """Yield what is summed over the items where these are columns."""
    for assignment in code.assignments:
        for node in nodes_below(assignment.value):
            if (
                node.operation not in ("sum", "mean")
                or not _meets(node.operands[0], targets)
                or reports(assignment)
            ):
                continue
            others = [
                x for x, _ in factors(assignment.value) if isinstance(x, Node) and not is_below(node, x)
            ]
            if all(map(is_scalar, others)) and is_linear_in(assignment.value, node, targets):
                yield assignment, node.operands[0], node


def alone(code: Code, targets: set[Node]) -> Any:
    """Yield the last value that depends on the target number by number, of a function that goes back first.

    Raises:
        ParameterError: a later line that uses such a value is not understood.
    """
    backward = re.compile(r"back|grad|prime|deriv|delta|obj", re.IGNORECASE)
    ordered = sorted(reversed(code.assignments), key=lambda x: not backward.search(x.function))
    for assignment in ordered:
        reported = reports(assignment)
        used = [x for x in assignment.uses if x not in targets and _meets(x, targets)]
        if assignment.unread and used and not reported and not _only_reported(used, code):
            raise ParameterError(
                f"identify: line {assignment.line} must be understood, since it goes on from the gradient; "
                f"{assignment.unread[:60]!r} is not. Write it out, or leave that line out."
            )
        if not reported and assignment.value not in targets and _meets(assignment.value, targets):
            yield assignment, _step(assignment), None


def _only_reported(used: list[Node], code: Code) -> bool:
    names = [x.name for x in code.assignments for node in used if x.value is node]
    return all(REPORTS.search(last_part(name)) for name in names)


def _step(assignment: Assignment) -> Any:
    """Return the gradient of a step that stands in its update, w = w - rate * gradient, without the rate."""
    value = assignment.value
    if not isinstance(value, Node) or value.operation not in ("add", "sub"):
        return value
    old, moved = value.operands
    if not (_is_old(old, assignment.name) and isinstance(moved, Node)):
        return value
    parts = [(x, power) for x, power in factors(moved) if not (isinstance(x, Node) and is_rate(x))]
    return product([(-1.0, 1), *parts] if value.operation == "add" else parts)


def _is_old(node: Any, name: str) -> bool:
    """Return whether a node is a weight before its update."""
    return isinstance(node, Node) and node.operation == "input" and node.operands[0] == name
