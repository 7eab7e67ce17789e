"""Read a formula from text. A syntax tree is walked and nothing is ever evaluated as Python."""

import ast
import math
from collections.abc import Callable
from typing import Any

from amiss.authoring.recording import Recorder
from amiss.core.errors import ParameterError, suggest

__all__ = ["Reader", "function_name", "syntax_tree"]

LONGEST, DEEPEST = 20_000, 150  # characters, and brackets within brackets: more is no formula
COMPARISONS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power"}
OPERATORS |= {ast.BitAnd: "and", ast.BitOr: "or"}

Function = tuple[int, Callable[..., Any]]
FUNCTIONS: dict[str, Function] = {
    **{
        name: (1, getattr(Recorder, name)) for name in ("abs", "sign", "exp", "log", "log1p", "expm1", "sqrt")
    },
    **{name: (1, getattr(Recorder, name)) for name in ("tanh", "relu", "softplus", "sigmoid", "log_sigmoid")},
    **{name: (2, getattr(Recorder, name)) for name in ("maximum", "minimum")},
    **{name: (3, getattr(Recorder, name)) for name in ("where", "clip")},
    "xlogy": (2, lambda xp, x, y: xp.weigh(x, xp.log(y))),
    "cosh": (1, Recorder.cosh),
    "sinh": (1, lambda xp, x: (xp.exp(x) - xp.exp(-x)) / 2.0),
    "log_cosh": (1, Recorder.log_cosh),
    "square": (1, lambda xp, x: x * x),
    "reciprocal": (1, lambda xp, x: 1.0 / x),
    "negative": (1, lambda xp, x: -x),
    "log2": (1, lambda xp, x: xp.log(x) / math.log(2.0)),
    "log10": (1, lambda xp, x: xp.log(x) / math.log(10.0)),
    "add": (2, lambda xp, x, y: x + y),
    "subtract": (2, lambda xp, x, y: x - y),
    "multiply": (2, lambda xp, x, y: x * y),
    "divide": (2, lambda xp, x, y: x / y),
    "power": (2, Recorder.power),
}
"""What may be called: the number of arguments, and what it does with them on a recorder."""

ALIASES = {"absolute": "abs", "fabs": "abs", "ln": "log", "expit": "sigmoid", "logsigmoid": "log_sigmoid"}
ALIASES |= {"max": "maximum", "min": "minimum", "pow": "power", "true_divide": "divide", "mul": "multiply"}
ALIASES |= {"logcosh": "log_cosh", "sub": "subtract", "div": "divide", "neg": "negative", "clamp": "clip"}


def syntax_tree(text: str, what: str) -> ast.Module:
    """Return the syntax tree of text.

    Raises:
        ParameterError: it is too long, too deep, or no Python.
    """
    if not isinstance(text, str):
        raise ParameterError(f"{what} must be text; got {type(text).__name__}.")
    if len(text) > LONGEST:
        raise ParameterError(f"{what} must have {LONGEST:,} characters at most; got {len(text):,}.")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        line = (error.text or text).strip()[:60]
        raise ParameterError(
            f"{what} must be written as Python is; got {line!r} in line {error.lineno or 1}: {error.msg}."
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise ParameterError(
            f"{what} must be a formula of a size to read; got one too deep to read."
        ) from None
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise ParameterError(f"{what} must have {DEEPEST} levels of brackets at most; got more. Name some parts.")


class Reader:
    """Reads expressions into nodes of a recorder.

    Args:
        xp: the recorder.
        names: what each name stands for; a name that is not among them is an error.
        what: how errors call the text.
    """

    def __init__(self, xp: Recorder, names: dict[str, Any], what: str = "define: expression") -> None:
        self.xp = xp
        self.names = names
        self.what = what

    def read(self, tree: ast.expr) -> Any:  # noqa: PLR0911 - a case for each kind of expression
        """Return a node, or a number.

        Raises:
            ParameterError: something in it is not part of a formula.
        """
        match tree:
            case ast.Constant(value=value):
                return self._number(value)
            case ast.Name(id=name):
                return self.name(name)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.read(inner)
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.read(inner)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return self._finite(
                    self.xp.record(OPERATORS[type(op)], self.read(left), self.read(right)), tree
                )
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                return self.xp.record(COMPARISONS[type(op)], self.read(left), self.read(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.xp.where(self.read(test), self.read(body), self.read(orelse))
            case ast.Call():
                return self.call(tree)
        return self.refuse(tree)

    def name(self, name: str) -> Any:
        """Return what a name stands for."""
        if name not in self.names:
            hint = suggest(name, self.names)
            raise ParameterError(
                f"{self.what} must use {', '.join(self.names)} only; got {name!r}.{hint} "
                f"A parameter comes with its value: {name}=1.0."
            )
        return self.names[name]

    def call(self, tree: ast.Call) -> Any:
        """Return what a call of a known function gives."""
        name = function_name(tree.func)
        name = ALIASES.get(name, name)
        if name not in FUNCTIONS:
            raise ParameterError(
                f"{self.what} must call known functions; got {ast.unparse(tree.func)[:40]!r}."
                f"{suggest(name, (*FUNCTIONS, *ALIASES))} There are {', '.join(FUNCTIONS)}."
            )
        count, function = FUNCTIONS[name]
        if len(tree.args) != count or tree.keywords:
            given = len(tree.args) + len(tree.keywords)
            raise ParameterError(
                f"{self.what} must give {name} {count} argument{'s' * (count > 1)} by place; got {given}."
            )
        return self._finite(function(self.xp, *map(self.read, tree.args)), tree)

    def refuse(self, tree: ast.AST) -> Any:
        """Say what is no part of a formula."""
        raise ParameterError(
            f"{self.what} must be made of numbers, names, + - * / **, comparisons and functions; "
            f"got {ast.unparse(tree)[:60]!r}."
        )

    def _number(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParameterError(f"{self.what} must have real numbers as constants; got {str(value)[:40]!r}.")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return self._finite(number, None)

    def _finite(self, result: Any, tree: ast.AST | None) -> Any:
        if isinstance(result, float) and not math.isfinite(result):
            got = (
                "a number beyond 1e308" if tree is None else f"{ast.unparse(tree)[:40]!r}, which is {result}"
            )
            raise ParameterError(f"{self.what} must have finite numbers; got {got}.")
        return result


def function_name(tree: ast.expr) -> str:
    """Return the last part of the name of a function: exp of np.exp, torch.exp and exp."""
    return tree.attr if isinstance(tree, ast.Attribute) else tree.id if isinstance(tree, ast.Name) else ""
