"""The reader's own function as something that can be run again, with a weight or an array moved."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from amiss.core.errors import DTypeError, ParameterError, suggest

__all__ = ["Step"]

HOOK = "_amiss_moved"


class Step:
    """A function `step(x, y, W1, ...)` that returns its arrays.

    Attributes:
        name: of the function.
        weights: the arrays it takes beside x and y.
        new_weights: those of them that the function gave new numbers, in its first run.
        last_weights: the same of its last run.
        notes: what could not be looked at.
    """

    def __init__(self, function: Callable[..., Any], x: Any, y: Any, weights: Mapping[str, Any] | None):
        self.name = getattr(function, "__name__", "step")
        self._x, self._y = np.asarray(x, np.float64), np.asarray(y)
        self._names, self.weights, self._others = _arguments(function, self.name, weights)
        self._original = function
        self._shifts: dict[str, np.ndarray] = {}
        self._twin, self._movable, self.notes = None, frozenset(), ()
        self.last_weights: dict[str, np.ndarray] = {}
        first, again = self(), self()
        self.new_weights = self.last_weights
        if not _equal(first, again):
            raise ParameterError(
                f"trace: {self.name} must return the same arrays each time; got others. Give it a seed."
            )
        made = _twin(function, self._move)
        if made is not None:
            self._twin, self._movable = made
            if not _equal(first, self()):
                self._twin, self._movable = None, frozenset()
        if self._twin is None:
            self.notes = (
                f"The source of {self.name} is out of reach: only the prediction and weights are moved.",
            )

    def moves(self, name: str) -> bool:
        """Return whether an array of the function can be moved while it runs."""
        return name in self._movable

    def __call__(
        self,
        weights: Mapping[str, np.ndarray] | None = None,
        target: np.ndarray | None = None,
        shifts: dict[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run the function, with some weights replaced, or with something added to arrays on the way."""
        given = {**self.weights, **(weights or {})}
        arguments = {name: array.copy() for name, array in given.items()}  # a step may write into them
        self._shifts = shifts or {}
        y = self._y if target is None else target
        returned = (self._twin or self._original)(self._x.copy(), y.copy(), **self._others, **arguments)
        if not isinstance(returned, Mapping):
            raise ParameterError(
                f"trace: {self.name} must return its arrays as a dict; got {type(returned).__name__}. "
                "End it with `return locals()`."
            )
        found = {name: _numbers(value) for name, value in returned.items() if name not in self._names[:2]}
        found = {name: array for name, array in found.items() if array is not None}
        moved = {name: found.pop(name) for name in list(found) if name in self.weights}
        self.last_weights = {n: array for n, array in moved.items() if not np.array_equal(array, given[n])}
        return {name: array for name, array in found.items() if name not in self._others}

    def _move(self, name: str, value: Any) -> Any:
        return value + self._shifts[name] if name in self._shifts else value


def _arguments(
    function: Callable[..., Any], name: str, weights: Mapping[str, Any] | None
) -> tuple[list[str], dict[str, np.ndarray], dict[str, Any]]:
    """Return the names of the parameters, the weights, and what else the function is given."""
    parameters = inspect.signature(function).parameters
    names, given = list(parameters), dict(weights or {})
    if len(names) < 2:
        raise ParameterError(
            f"trace: {name} must take x, y and its weights; it takes {', '.join(names) or 'nothing'}."
        )
    for spelling in given:
        if spelling not in names[2:]:
            raise ParameterError(
                f"trace: weights must be parameters of {name} after the first two, "
                f"{', '.join(names[2:]) or 'none'}; got {spelling!r}.{suggest(spelling, names[2:])}"
            )
    given = {
        n: given.get(n, parameters[n].default) for n in names[2:] if parameters[n].kind.name[:3] != "VAR"
    }
    missing = [n for n, value in given.items() if value is inspect.Parameter.empty]
    if missing:
        raise ParameterError(
            f"trace: weights must have all that {name} takes; {', '.join(missing)} is missing. Write "
            f"weights={{'{missing[0]}': {missing[0]}, ...}}."
        )
    found = {}
    for n, value in given.items():
        chosen, array = n in (weights or {}), np.asarray(value)
        if chosen and array.dtype.kind not in "fiub":
            raise DTypeError(f"trace: {n} must hold real numbers; got {array.dtype}.")
        if chosen or (isinstance(value, np.ndarray) and array.dtype.kind == "f"):
            found[n] = array.astype(np.float64)
    return names, found, {n: value for n, value in given.items() if n not in found}


def _numbers(value: Any) -> np.ndarray | None:
    """Return an array or a number that is not whole, as float64; None for anything else."""
    if isinstance(value, np.ndarray | np.generic | float) and np.asarray(value).dtype.kind == "f":
        return np.array(value, np.float64)
    return None


def _equal(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    same = one.keys() == other.keys()
    return same and all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


# --- the same function, with a hook behind every assignment --------------------------------------------
def _twin(function: Callable[..., Any], move: Callable) -> tuple[Callable[..., Any], frozenset[str]] | None:
    """Return the function with a hook behind each assignment, and the names it can move; None without source.

    Nothing runs but what the reader wrote: the source is that of the function that was handed over.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        closure = inspect.getclosurevars(function).nonlocals
    except (OSError, TypeError, SyntaxError):
        return None
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef) or definition.decorator_list:
        return None
    arguments = definition.args
    arguments.defaults = [ast.Constant(None) for _ in arguments.defaults]
    arguments.kw_defaults = [default and ast.Constant(None) for default in arguments.kw_defaults]
    hooks = _Hooks()
    definition.body = [line for statement in definition.body for line in hooks.lines(statement)]
    space = {**getattr(function, "__globals__", {}), **closure, HOOK: move}
    exec(compile(ast.fix_missing_locations(tree), f"<trace of {definition.name}>", "exec"), space)
    made = space[definition.name]
    made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    once = frozenset(name for name in hooks.names if hooks.names.count(name) == 1)
    return made, once


class _Hooks:
    """Puts `name = hook("name", name)` behind each plain assignment of a name."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def lines(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return a statement and its hooks."""
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AugAssign | ast.AnnAssign):
            targets = [statement.target]
        names = [node.id for target in targets for node in ast.walk(target) if _is_stored(node)]
        self.names += names
        return [statement, *(ast.parse(f"{name} = {HOOK}({name!r}, {name})").body[0] for name in names)]


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
