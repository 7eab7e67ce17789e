"""A loss as mathematics: the same formulas, called with SymPy symbols."""

from collections.abc import Callable
from typing import Any

from amiss.core.errors import BackendError

__all__ = ["expression", "latex", "text"]


def expression(loss: Any, quantity: str) -> Any:
    """Return "value", "gradient" or "hessian" of one item, its parameters as symbols.

    A parameter that the textbook formula leaves out at its default, such as a weight of 1, is left out here.
    A row of class probabilities sums to 1, and a probability lies in [0, 1].

    Raises:
        BackendError: SymPy is not installed.
    """
    try:
        import sympy
    except ImportError:
        raise BackendError('Formulas need SymPy: pip install "amiss[symbolic]".') from None
    from amiss.arrays.symbolic import INDEX, SymbolicNamespace
    from amiss.core.parameters import PROBABILITY
    from amiss.core.rows import RowLoss

    xp = SymbolicNamespace(named=True)
    known = {"positive": True} if loss.prediction_domain is PROBABILITY else {"real": True}
    if isinstance(loss, RowLoss):
        prediction = sympy.IndexedBase(_name(loss.prediction_symbol), **known)[INDEX]
        target = sympy.IndexedBase("y", real=True)[INDEX]
    else:
        prediction = sympy.Symbol(_name(loss.prediction_symbol), **known)
        target = sympy.Symbol("y", real=True)
    formula = getattr(_with_symbols(loss), f"_{quantity}")(xp, prediction, target)
    formula = sympy.nsimplify(formula, rational=True)
    if isinstance(loss, RowLoss):
        formula = formula.subs(sympy.nsimplify(xp.sum(target)), 1)
    if loss.prediction_domain is PROBABILITY:
        formula = _within_unit(formula, prediction)
    return _shortest(formula)


def _with_symbols(loss: Any) -> Any:
    """Return the loss with symbols for its numeric parameters."""
    import sympy

    values: dict[str, Any] = {}
    for name, declared in loss.parameters().items():
        value = getattr(loss, name)
        if "domain" not in declared:
            values[name] = value
        elif declared["neutral"] and value == declared["default"]:
            values[name] = sympy.nsimplify(value)
        else:
            positive = declared["domain"].low >= 0
            values[name] = sympy.Symbol(_name(declared["symbol"]), real=True, positive=positive or None)
    if values.get("class_weight") is not None:
        values["class_weight"] = sympy.IndexedBase("c")
    return loss._with(values)


def _name(symbol: str) -> str:
    """Return SymPy's name of a LaTeX symbol, which SymPy prints in both LaTeX and Unicode."""
    accent, _, letter = symbol.removeprefix("\\").partition(" ")
    return letter + accent


def _within_unit(formula: Any, p: Any) -> Any:
    """Decide comparisons that are linear in a probability and the same at both its ends."""
    import sympy

    decided = {}
    for relation in formula.atoms(sympy.core.relational.Relational):
        ends = {relation.subs(p, end) for end in (0, 1)}
        if len(ends) == 1 and ends <= {sympy.true, sympy.false}:
            decided[relation] = ends.pop()
    return formula.subs(decided)


def _shortest(formula: Any) -> Any:
    """Return the shorter of a formula, its expansion, and its cases written out."""
    import sympy

    candidates = [formula, sympy.expand(formula)]
    if formula.has(sympy.Min):
        sizes = {size: sympy.Dummy(positive=True) for size in formula.atoms(sympy.Abs)}
        cases = sympy.piecewise_fold(formula.subs(sizes).rewrite(sympy.Piecewise))
        return sympy.simplify(cases).subs({plain: size for size, plain in sizes.items()})
    return min(candidates, key=sympy.count_ops)


def latex(formula: Any) -> str:
    """Return LaTeX of an expression."""
    import sympy

    return _neat(lambda order: sympy.latex(formula, order=order))


def text(formula: Any) -> str:
    """Return an expression as lines of Unicode."""
    import sympy

    return _neat(lambda order: sympy.pretty(formula, order=order, use_unicode=True, wrap_line=False))


def _neat(write: Callable[[str], str]) -> str:
    """Return the shorter text of two orders of terms: p - y rather than -y + p."""
    return min((write(order) for order in ("rev-grevlex", "lex")), key=len)
