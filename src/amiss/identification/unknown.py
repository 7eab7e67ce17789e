"""What can be said of a gradient that no loss of the catalogue has."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.arrays.recorded import Node
from amiss.core.errors import ParameterError
from amiss.identification.evaluation import evaluate, inputs_below, nodes_below
from amiss.identification.finding import Found
from amiss.identification.integrals import integral, measured_facts, symmetry
from amiss.identification.matching import softmax_rows, value_matches

__all__ = ["Unknown", "symbols_of", "unknown"]

LARGEST = 2000
"""Operations of a formula, written out, that are worth integrating."""

ROW_WISE = ("sum", "mean", "max", "softmax")


@dataclass(frozen=True)
class Unknown:
    """What is known of a gradient without a name.

    Attributes:
        is_gradient: whether there is a loss at all: its derivative is symmetric.
        asymmetry: how far that is from symmetric, over its size.
        formula: the loss, integrated, as text; None where none was found.
        facts: of that loss.
        itself: the loss of the catalogue whose value, and not gradient, the code computes; or None.
        wrt: what it is integrated by.
        variable: the name of that in the formula.
    """

    is_gradient: bool
    asymmetry: float = 0.0
    formula: str | None = None
    facts: dict[str, bool] | None = None
    itself: Any = None
    wrt: str = "prediction"
    variable: str = ""


def unknown(found: Found | None, gradient: Any) -> Unknown:
    """Return what can be said of a gradient.

    Args:
        found: where it stands in code; None of a function.
        gradient: the function of logits, outputs, targets and numbers for the names that it uses.
    """
    numbers = {node: 1.3 + 0.37 * place for place, node in enumerate(symbols_of(found))}
    softmax = found is not None and found.activation == "softmax"
    unit = found is not None and found.activation in ("sigmoid", "softmax")
    below = softmax and (found.reduced or "z" in found.name.lower())  # type: ignore[union-attr]

    def of(x: np.ndarray, target: np.ndarray) -> np.ndarray:
        output = softmax_rows(x) if below else x
        with np.errstate(all="ignore"):
            logits = x if below else np.log(output)
            return np.asarray(gradient(logits, output, target, numbers), dtype=float) + np.zeros_like(output)

    rng = np.random.default_rng(11)
    _require_numbers(of, unit)
    drawn = [rng.normal(size=(40, 4))] if below else [rng.dirichlet(np.ones(4), 40)]
    for output in drawn if unit else [*drawn, rng.normal(size=(40, 4))]:
        target = np.eye(4)[rng.integers(0, 4, 40)]
        try:
            asymmetry = symmetry(of, output, target)
        except (KeyError, ValueError, TypeError, IndexError):
            return Unknown(is_gradient=True)  # nothing can be said: it does not take rows
        if asymmetry > 1e-4:
            return Unknown(is_gradient=False, asymmetry=asymmetry)
    itself = value_matches(of)
    if itself is not None:
        return Unknown(is_gradient=True, itself=itself)
    if _couples(found):
        return Unknown(is_gradient=True)
    facts = measured_facts(of, unit)
    if found is None:
        return Unknown(is_gradient=True, facts=facts)
    formula, variable = _integrated(found)
    return Unknown(is_gradient=True, formula=formula, facts=facts, variable=variable)


def _require_numbers(of: Any, unit: bool) -> None:
    """Raise if a gradient is nowhere a finite number, or 0 everywhere."""
    rng = np.random.default_rng(13)
    output, target = rng.uniform(0.05, 0.95, (60, 4)), np.eye(4)[rng.integers(0, 4, 60)]
    try:
        values = np.concatenate([of(output, target), output if unit else of(8.0 * output - 4.0, target)])
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        return
    if not np.isfinite(values).any():
        raise ParameterError(
            "identify: the gradient must be finite; it is NaN or infinite on every number drawn."
        )
    if not values.any():
        raise ParameterError(
            "identify: the gradient must not be 0 everywhere; it is: nothing would be learnt."
        )


def symbols_of(found: Found | None) -> list[Node]:
    """Return the nodes of what a gradient uses beside prediction and target: names, and numbers of items."""
    if found is None:
        return []
    counts = {node for node in nodes_below(found.value, found.given) if node.operation == "count"}
    return sorted(counts | inputs_below(found.value, found.given | counts), key=lambda node: node.number)


def _couples(found: Found | None) -> bool:
    """Return whether the numbers of a row have a part in each other's gradient."""
    return found is not None and any(
        node.operation in ROW_WISE for node in nodes_below(found.value, {found.prediction})
    )


def _integrated(found: Found) -> tuple[str | None, str]:
    """Return the loss that a gradient integrates to, as text, and what it is integrated by."""
    try:
        import sympy

        from amiss.arrays.symbolic import SymbolicNamespace
    except ImportError:
        return None, found.predicted
    name = found.predicted if found.predicted.isidentifier() else "prediction"
    p, y = sympy.Symbol(name, real=True), sympy.Symbol(str(found.target.operands[0]), real=True)
    given = {found.prediction: p, found.target: y}
    given |= {
        node: sympy.Symbol("N" if node.operation == "count" else str(node.operands[0]), positive=True)
        for node in symbols_of(found)
    }
    if _written_out(found.value) > LARGEST:
        return None, name
    try:
        expression = sympy.sympify(evaluate(found.value, given, SymbolicNamespace()))
    except (KeyError, TypeError, AttributeError, NotImplementedError):
        return None, name
    return integral(expression, p, y), name


def _written_out(value: Any) -> int:
    """Return how many operations a formula has when nothing in it is shared."""
    sizes: dict[Node, int] = {}
    for node in nodes_below(value):
        sizes[node] = 1 + sum(sizes[x] for x in node.operands if isinstance(x, Node))
    return sizes.get(value, 1) if isinstance(value, Node) else 1
