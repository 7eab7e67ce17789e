"""A loss as mathematics: the same formulas, called with SymPy symbols."""

from collections.abc import Callable
from typing import Any

from amiss.core.errors import BackendError

__all__ = ["expression", "latex", "reading", "text"]


def expression(loss: Any, quantity: str) -> Any:
    """Return "value", "gradient" or "hessian" of one item, its parameters as symbols.

    A parameter that the textbook formula leaves out at its default, such as a weight of 1, is left out here.
    A row of class probabilities sums to 1, and a probability lies in [0, 1].

    Raises:
        BackendError: SymPy is not installed.
    """
    return _formulas(loss, quantity, parts=False)[0]


def reading(loss: Any, quantity: str) -> tuple[Any, dict[Any, Any]]:
    """Return the expression with the names that its formula gives to its parts, and what these mean."""
    return _formulas(loss, quantity, parts=True)


def _formulas(loss: Any, quantity: str, parts: bool) -> tuple[Any, dict[Any, Any]]:
    try:
        import sympy
    except ImportError:
        raise BackendError('Formulas need SymPy: pip install "amiss[symbolic]".') from None
    from amiss.arrays.symbolic import INDEX, ITEM, SymbolicNamespace
    from amiss.core.batches import BatchLoss
    from amiss.core.items import ClassItems, RowItems
    from amiss.core.parameters import PROBABILITY

    xp = SymbolicNamespace(named=True, parts=parts)
    known = {"positive": True} if loss.prediction_domain is PROBABILITY else {"real": True}
    batch = isinstance(loss, BatchLoss)
    at = (ITEM,) * batch + (INDEX,) * isinstance(loss, RowItems)
    prediction = _symbol(loss.prediction_symbol, at, **known)
    target = _symbol("y", at, real=True)
    weight = (sympy.Integer(1),) * batch
    formula = getattr(_with_symbols(loss), f"_{quantity}")(xp, prediction, target, *weight)

    def readable(formula: Any) -> Any:
        formula = sympy.nsimplify(formula, rational=True)
        if isinstance(loss, ClassItems):
            formula = formula.subs(sympy.nsimplify(xp.sum(target)), 1)
        if loss.prediction_domain is PROBABILITY:
            formula = _within_unit(formula, prediction)
        return _shortest(formula)

    formula, definitions = readable(formula), {}
    pending = [formula]
    while pending:  # only what the formula, or a definition that it needs, mentions
        bases = {getattr(atom, "base", atom) for atom in pending.pop().atoms(sympy.Indexed, sympy.Symbol)}
        for name, meaning in xp.definitions.items():
            if getattr(name, "base", name) in bases and name not in definitions:
                definitions[name] = readable(meaning)
                pending.append(meaning)
    return formula, definitions


_HAT = "ŷ"  # SymPy prints an accent of a symbol, but none of an indexed one


def _symbol(name: str, at: tuple[Any, ...], **known: Any) -> Any:
    """Return a symbol, indexed by the item and the class where there are several."""
    import sympy

    if not at:
        return sympy.Symbol(_name(name), **known)
    return sympy.IndexedBase(_HAT if name == r"\hat y" else _name(name), **known)[at]


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


def latex(formula: Any, definitions: dict[Any, Any] | None = None) -> str:
    """Return LaTeX of an expression, and of what the names in it stand for."""
    import sympy

    lines = [_neat(lambda order: sympy.latex(formula, order=order))]
    for name, meaning in (definitions or {}).items():
        lines.append(f"{sympy.latex(name)} = {latex(meaning)}")
    return r",\quad ".join(lines).replace(_HAT, r"\hat{y}")


def text(formula: Any, definitions: dict[Any, Any] | None = None) -> str:
    """Return an expression as lines of Unicode, and what the names in it stand for."""
    import sympy

    def write(formula: Any) -> str:
        return _neat(lambda order: sympy.pretty(formula, order=order, use_unicode=True, wrap_line=False))

    blocks = [write(formula)]
    for name, meaning in (definitions or {}).items():
        blocks.append(write(sympy.Eq(name, meaning, evaluate=False)))
    return "\n\n".join(blocks)


def _neat(write: Callable[[str], str]) -> str:
    """Return the shorter text of two orders of terms: p - y rather than -y + p."""
    return min((write(order) for order in ("rev-grevlex", "lex")), key=len)
