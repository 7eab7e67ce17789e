"""Read code as it stands in tutorials: every value that it assigns becomes a node, and nothing is run.

Loops are gone through once. Functions of the code are followed. What is not understood, such as a call of
some other library, becomes an input that has the name it is assigned to.
"""

import ast
from dataclasses import dataclass, field
from typing import Any

from amiss.arrays.recorded import Node
from amiss.authoring.expressions import FUNCTIONS, Reader, function_name, syntax_tree
from amiss.core.errors import ParameterError
from amiss.identification.recorder import CodeRecorder

__all__ = ["Assignment", "Code", "read_code"]

MODULES = (
    "np",
    "numpy",
    "torch",
    "tf",
    "math",
    "jnp",
    "jax",
    "F",
    "nn",
    "K",
    "scipy",
    "special",
    "sp",
    "keras",
    "cp",
)
SAME = (
    "array",
    "asarray",
    "astype",
    "copy",
    "float",
    "float32",
    "float64",
    "reshape",
    "flatten",
    "ravel",
    "squeeze",
)
SAME += (
    "detach",
    "numpy",
    "item",
    "get_label",
    "cast",
    "mat",
    "expand_dims",
    "unsqueeze",
    "view",
    "nan_to_num",
)
"""Functions and methods that leave the numbers of their first argument as they are."""

REDUCTIONS = ("sum", "mean", "average", "reduce_sum", "reduce_mean", "max", "amax", "reduce_max")
PRODUCTS = ("dot", "matmul", "mm", "outer")
SLOPES = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu"}
FOLLOWED = 20  # calls of the code's own functions within each other


@dataclass(frozen=True)
class Assignment:
    """A value of the code.

    Attributes:
        name: as the code calls it, "return", or "" of a lone expression.
        value: the node, or a number.
        line: where it stands, counted from 1.
        step: of an update in place "+" or "-", else "".
        calls: a function that is called there and not followed, and its arguments.
    """

    name: str
    value: Any
    line: int
    step: str = ""
    calls: tuple[str, tuple[Any, ...]] | None = None


@dataclass
class Code:
    """What was read.

    Attributes:
        assignments: in the order of the code.
        inputs: the node of each name that the code uses and does not define.
        counts: what the code defines a number of items to be: of each such node the text, as in len(y).
    """

    assignments: list[Assignment] = field(default_factory=list)
    inputs: dict[str, Node] = field(default_factory=dict)
    counts: dict[Node, str] = field(default_factory=dict)


def read_code(text: str) -> Code:
    """Read an expression or lines of code.

    Raises:
        ParameterError: it is no Python, or too large.

    Examples:
        >>> code = read_code("E = a - y; d = E * a * (1 - a)")
        >>> [assignment.name for assignment in code.assignments], sorted(code.inputs)
        (['E', 'd'], ['a', 'y'])
    """
    tree = syntax_tree(_dedented(text), "identify: code")
    reader = CodeReader()
    reader.functions = {
        node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    reader.block(tree.body)
    for function in list(reader.functions.values()):  # those that the code defines and does not call
        if function.name not in reader.called:
            reader.block(function.body)
    return reader.code


class CodeReader(Reader):
    """Reads statements; expressions that are no formula become inputs."""

    def __init__(self) -> None:
        super().__init__(CodeRecorder(), {}, "identify: code")
        self.code = Code()
        self.functions: dict[str, Any] = {}
        self.called: set[str] = set()
        self.depth = 0
        self.opaque: tuple[str, tuple[Any, ...]] | None = None

    # --- statements ------------------------------------------------------------------------------------
    def block(self, body: list[ast.stmt]) -> Any:  # noqa: PLR0912 - a case for each kind of statement
        """Read statements; return what the first `return` among them gives."""
        for statement in body:
            match statement:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self.assign(target, value, statement.lineno)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self.assign(target, value, statement.lineno)
                case ast.AugAssign(target=target, op=op, value=value):
                    step = "+" if isinstance(op, ast.Add) else "-" if isinstance(op, ast.Sub) else ""
                    whole = ast.BinOp(left=_loaded(target), op=op, right=value)
                    self.assign(target, ast.copy_location(whole, statement), statement.lineno, step)
                case ast.Return(value=ast.expr() as value):
                    result = self.understood(value, "return")
                    if not self.depth:
                        self.keep("return", result, statement.lineno)
                    return result
                case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=arguments)):
                    for argument in arguments:
                        if not isinstance(argument, ast.Constant | ast.Name | ast.JoinedStr):
                            self.keep("printed metric", self.understood(argument, ""), statement.lineno)
                case ast.Expr(value=value):
                    if not isinstance(value, ast.Constant) and not self.is_idle(value):
                        self.keep("", self.understood(value, ""), statement.lineno)
                case ast.For() | ast.While() | ast.With() | ast.Try():
                    if (found := self.block(statement.body)) is not None:
                        return found
                case ast.If():
                    if (found := self.block(statement.body or statement.orelse)) is not None:
                        return found
                case ast.ClassDef():
                    self.block([part for part in statement.body if not isinstance(part, ast.FunctionDef)])
        return None

    def assign(self, target: ast.expr, value: ast.expr, line: int, step: str = "") -> None:
        """Give a name a value."""
        if isinstance(target, ast.Tuple | ast.List):
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else [None] * len(target.elts)
            if len(parts) == len(target.elts):
                for name, part in zip(target.elts, parts, strict=True):
                    if part is None:
                        self.names.pop(_text(name), None)
                    else:
                        self.assign(name, part, line)
            return
        name = _text(target)
        result = self.understood(value, name)
        self.names[name] = result
        self.keep(name, result, line, step)

    def keep(self, name: str, value: Any, line: int, step: str = "") -> None:
        """Remember a value of the outermost code, and of the functions that it calls."""
        if value is not None:
            self.code.assignments.append(Assignment(name, value, line, step, self.opaque))

    def understood(self, tree: ast.expr, name: str) -> Any:
        """Return the value of an expression, or an input of this name where it is no formula."""
        self.opaque = None
        try:
            return self.read(tree)
        except ParameterError:
            return self.input(name or ast.unparse(tree)[:60])

    def is_idle(self, tree: ast.expr) -> bool:
        """Return whether a lone expression only reports, as print and append do."""
        return isinstance(tree, ast.Call) and function_name(tree.func) not in (
            *FUNCTIONS,
            *PRODUCTS,
            *REDUCTIONS,
        )

    # --- expressions -----------------------------------------------------------------------------------
    def read(self, tree: ast.expr) -> Any:  # noqa: PLR0911 - a case for each kind of expression
        match tree:
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return self.xp.record("dot", self.read(left), self.read(right))
            case ast.Attribute(attr="T" | "mT", value=inner):
                return self.xp.record("transpose", self.read(inner))
            case ast.Attribute(attr="size", value=inner):
                return self.count(tree, self.read(inner))
            case ast.Attribute(attr="pi" | "e"):
                return 3.141592653589793 if tree.attr == "pi" else 2.718281828459045
            case ast.Attribute():
                return self.name(_text(tree))
            case ast.Subscript(value=ast.Attribute(attr="shape", value=inner), slice=ast.Constant()):
                return self.count(tree, self.read(inner))
            case ast.Subscript():
                text = _text(tree)
                if text in self.names:
                    return self.names[text]
                whole = ast.Slice | ast.Tuple | ast.Constant
                if isinstance(tree.slice, whole) and _base(tree) in self.names and not _is_text(tree.slice):
                    return self.read(tree.value)  # some rows of an array are treated as all of them
                return self.name(text)
        return super().read(tree)

    def name(self, name: str) -> Any:
        return self.names[name] if name in self.names else self.input(name)

    def input(self, name: str) -> Node:
        """Return the node of a name that the code does not define."""
        if name not in self.code.inputs:
            self.code.inputs[name] = self.xp.input(name)
        return self.code.inputs[name]

    def count(self, tree: ast.expr, of: Any) -> Any:
        """Return the node of a number of items."""
        text = ast.unparse(tree)
        node = self.xp.record("count", of, text)
        self.code.counts[node] = text
        return node

    def call(self, tree: ast.Call) -> Any:
        name, arguments = function_name(tree.func), list(tree.args)
        base = _base(tree.func) if isinstance(tree.func, ast.Attribute) else None
        if name in self.functions and base in (None, "self", "cls"):
            return self.follow(self.functions[name], arguments, tree.keywords)
        if base is not None and base not in MODULES:
            arguments = [tree.func.value, *arguments]  # type: ignore[attr-defined]
        found = self.array_call(name, arguments, tree) if arguments else None
        if found is not None:
            return found
        try:
            return super().call(ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]))
        except ParameterError:
            self.opaque = name, tuple(self.understood(argument, "") for argument in arguments)
            raise

    def array_call(self, name: str, arguments: list[ast.expr], tree: ast.Call) -> Any:
        """Return what a function of arrays gives, or None if it is not one of those that are known."""
        first = arguments[0]
        if name == "len":
            return self.count(tree, self.read(first))
        if name in PRODUCTS and len(arguments) == 2:
            left, right = map(self.read, arguments)
            return self.xp.record(
                "dot", self.xp.record("transpose", left) if name == "outer" else left, right
            )
        if name in REDUCTIONS and (name != "max" or len(arguments) == 1 or tree.keywords):
            return self.reduce(name.removeprefix("reduce_"), arguments, tree.keywords)
        return self.same_shape_call(name, arguments)

    def same_shape_call(self, name: str, arguments: list[ast.expr]) -> Any:
        """Return what a function of one array gives, or None."""
        unchanged = dict.fromkeys(SAME, lambda x: x) | dict.fromkeys(("zeros", "zeros_like"), lambda x: 0.0)
        functions = {
            **unchanged,
            **dict.fromkeys(("ones", "ones_like"), lambda x: 1.0),
            **dict.fromkeys(("transpose", "t"), lambda x: self.xp.record("transpose", x)),
            "softmax": lambda x: self.xp.record("softmax", x),
            "heaviside": lambda x: self.xp.indicator(x > 0.0),
        }
        return functions[name](self.read(arguments[0])) if name in functions else self.slope(name, arguments)

    def reduce(self, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        """Return a sum, a mean or a maximum over an axis."""
        given = {word.arg: word.value for word in keywords}
        axis = given.get("axis", given.get("dim", arguments[1] if len(arguments) > 1 else None))
        which = "all" if axis is None or ast.unparse(axis) == "None" else ast.unparse(axis)
        kind = {"average": "mean", "amax": "max"}.get(name, name)
        return self.xp.record(kind, self.read(arguments[0]), which)

    def slope(self, name: str, arguments: list[ast.expr]) -> Any:
        """Return the derivative of an activation that the code calls by name and does not define.

        Such a function takes the output of the activation, a, where it is given what that returned; else z.
        """
        words = name.lower().replace("_", "")
        for activation in SLOPES:
            if activation in words and any(
                word in words for word in ("deriv", "prime", "grad", "backward", "dsig")
            ):
                break
            if words in (f"d{activation}", f"{activation}d"):
                break
        else:
            return None
        x = self.read(arguments[0])
        a = (
            x
            if _is(x, activation) or (_is(x, "input") and x.operands[0][:1] in "aA")
            else self.xp.record(activation, x)
        )
        if activation == "sigmoid":
            return a * (1.0 - a)
        return 1.0 - a * a if activation == "tanh" else self.xp.indicator(a > 0.0)

    def follow(self, function: Any, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        """Return what a function of the code gives."""
        self.called.add(function.name)
        if self.depth >= FOLLOWED:
            return self.refuse(function)
        names = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")]
        defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
        given = {name: self.read(value) for name, value in defaults.items()}
        given |= {name: self.read(value) for name, value in zip(names, arguments, strict=False)}
        given |= {word.arg: self.read(word.value) for word in keywords if word.arg}
        outer, self.names = self.names, {**self.names, **given}
        self.depth += 1
        try:
            found = self.block(function.body)
        finally:
            self.depth -= 1
            kept = {
                name: value for name, value in self.names.items() if "." in name
            }  # self.a2 outlives the call
            self.names = {**outer, **kept}
        return self.refuse(function) if found is None else found


def _dedented(text: str) -> str:
    import textwrap

    return textwrap.dedent(text).strip() if isinstance(text, str) else text


def _is(x: Any, operation: str) -> bool:
    return isinstance(x, Node) and x.operation == operation


def _text(tree: ast.AST) -> str:
    return ast.unparse(tree)


def _loaded(target: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(target), mode="eval").body


def _base(tree: ast.AST) -> str:
    """Return the name that attributes and subscripts hang on."""
    while isinstance(tree, ast.Attribute | ast.Subscript | ast.Call):
        tree = tree.func if isinstance(tree, ast.Call) else tree.value
    return tree.id if isinstance(tree, ast.Name) else ""


def _is_text(tree: ast.AST) -> bool:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, str)
