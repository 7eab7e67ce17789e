"""Read the expressions of code as it stands in tutorials into nodes; nothing is run."""

import ast
from dataclasses import dataclass, field
from typing import Any

from amiss.arrays.recorded import Node
from amiss.authoring.expressions import Reader, function_name
from amiss.core.errors import ParameterError
from amiss.identification.recorder import CodeRecorder

__all__ = ["Assignment", "Code", "ExpressionReader", "base_of"]

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
    "cast",
    "mat",
    "expand_dims",
    "unsqueeze",
    "view",
    "nan_to_num",
    "Variable",
    "one_hot",
    "to_categorical",
)
"""Functions and methods that leave the numbers of their first argument as they are."""

REDUCTIONS = ("sum", "mean", "average", "reduce_sum", "reduce_mean", "max", "amax", "reduce_max")
PRODUCTS = ("dot", "matmul", "mm", "outer")
SLOPES = ("sigmoid", "tanh", "relu")


@dataclass(frozen=True)
class Assignment:
    """A value of the code.

    Attributes:
        name: as the code calls it, "return", or "" of a lone expression.
        value: the node, or a number.
        line: where it stands, counted from 1.
        step: of an update in place "+" or "-", else "".
        calls: a function that is called there and not followed, and its arguments.
        unread: the text where it is not understood, else ""; then the value is an input of this name.
        uses: the nodes of the names in that text.
        function: the function of the code that it stands in, or "".
    """

    name: str
    value: Any
    line: int
    step: str = ""
    calls: tuple[str, tuple[Any, ...]] | None = None
    unread: str = ""
    uses: tuple[Node, ...] = ()
    function: str = ""


@dataclass
class Code:
    """What was read.

    Attributes:
        assignments: in the order of the code.
        inputs: the node of each name that the code uses and does not define.
        labels: the nodes that serve as an index of classes.
    """

    assignments: list[Assignment] = field(default_factory=list)
    inputs: dict[str, Node] = field(default_factory=dict)
    labels: set[Node] = field(default_factory=set)


class ExpressionReader(Reader):
    """Reads expressions of arrays: products of matrices, sums over items, numbers of items, activations."""

    def __init__(self) -> None:
        super().__init__(CodeRecorder(), {}, "identify: code")
        self.code = Code()
        self.opaque: tuple[str, tuple[Any, ...]] | None = None

    def follow(self, tree: ast.Call) -> Any:
        """Return what a function of the code gives, or None if it is not one."""
        return None

    def understood(self, tree: ast.expr, name: str) -> Any:
        """Return the value of an expression, or an input of this name where it is no formula."""
        self.opaque = None
        try:
            return self.read(tree)
        except ParameterError:
            return self.input(name or ast.unparse(tree)[:60])

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
                return self.name(ast.unparse(tree))
            case ast.Subscript(value=ast.Attribute(attr="shape", value=inner), slice=ast.Constant()):
                return self.count(tree, self.read(inner))
            case ast.Subscript():
                return self.part(tree)
        return super().read(tree)

    def part(self, tree: ast.Subscript) -> Any:  # noqa: PLR0911 - a case for each kind of index
        """Return a part of an array: some rows are treated as all; labels as an index pick what they name."""
        text = ast.unparse(tree)
        if text in self.names:
            return self.names[text]
        labels = labels_of(tree.slice)
        if labels is not None:
            return self.xp.record("sum", self.read(tree.value) * self.label(labels), "1")
        if isinstance(tree.value, ast.Call) and function_name(tree.value.func) in ("eye", "identity"):
            return self.label(tree.slice)  # rows of the identity are one-hot
        if isinstance(tree.slice, ast.Compare):
            return self.read(tree.value)  # under a mask, as in x[x < 0] *= 2
        if any(isinstance(part, ast.Slice) and part.step is not None for part in ast.walk(tree.slice)):
            return self.refuse(tree)  # other places, or another order
        known = not isinstance(tree.value, ast.Name | ast.Attribute) or base_of(tree) in self.names
        if (
            isinstance(tree.slice, ast.Slice | ast.Tuple | ast.Constant)
            and known
            and not _is_text(tree.slice)
        ):
            return self.read(tree.value)
        return self.name(text)

    def label(self, tree: ast.expr) -> Any:
        """Return the node of labels that serve as an index: one-hot rows."""
        node = self.read(tree)
        self.code.labels.add(node)
        return node

    def name(self, name: str) -> Any:
        return self.names[name] if name in self.names else self.input(name)

    def input(self, name: str) -> Node:
        """Return the node of a name that the code does not define."""
        if name not in self.code.inputs:
            self.code.inputs[name] = self.xp.input(name)
        return self.code.inputs[name]

    def count(self, tree: ast.expr, of: Any) -> Node:
        """Return the node of a number of items."""
        return self.xp.record("count", of, ast.unparse(tree))  # type: ignore[no-any-return]

    def call(self, tree: ast.Call) -> Any:
        followed = self.follow(tree)
        if followed is not None:
            return followed
        name, arguments = function_name(tree.func), list(tree.args)
        base = tree.func.value if isinstance(tree.func, ast.Attribute) else None
        if name == "get_label":
            return self.input("labels")
        if base is not None and ast.unparse(base) not in ("self", "cls") and base_of(base) not in MODULES:
            arguments = [base, *arguments]
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
        if name in ("len", "size", "numel"):
            return self.count(tree, self.read(first))
        if name in PRODUCTS and len(arguments) == 2:
            left, right = map(self.read, arguments)
            return self.xp.record(
                "dot", self.xp.record("transpose", left) if name == "outer" else left, right
            )
        if name in REDUCTIONS and (name != "max" or len(arguments) == 1 or tree.keywords):
            return self.reduce(name.removeprefix("reduce_"), arguments, tree.keywords)
        if name == "logsumexp":
            grown = self.xp.exp(self.read(first))
            return self.xp.log(self.reduced("sum", grown, arguments, tree.keywords))
        return self.same_shape_call(name, arguments)

    def same_shape_call(self, name: str, arguments: list[ast.expr]) -> Any:
        """Return what a function of one array gives, or None."""
        unchanged = dict.fromkeys(SAME, lambda x: x) | dict.fromkeys(("zeros", "zeros_like"), lambda x: 0.0)
        functions = {
            **unchanged,
            **dict.fromkeys(("ones", "ones_like"), lambda x: 1.0),
            **dict.fromkeys(("transpose", "t"), lambda x: self.xp.record("transpose", x)),
            "softmax": lambda x: self.xp.record("softmax", x),
            "log_softmax": lambda x: self.xp.log(self.xp.record("softmax", x)),
            "heaviside": lambda x: self.xp.indicator(x > 0.0),
        }
        if name in functions:
            return functions[name](self.read(arguments[0]))
        activation = _slope_named(name)
        return None if activation is None else self.xp.record("slope", self.read(arguments[0]), activation)

    def reduce(self, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        """Return a sum, a mean or a maximum over an axis."""
        return self.reduced(
            {"average": "mean", "amax": "max"}.get(name, name), self.read(arguments[0]), arguments, keywords
        )

    def reduced(self, kind: str, x: Any, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        """Return a reduction of a node over the axis that a call names."""
        given = {word.arg: word.value for word in keywords}
        axis = given.get("axis", given.get("dim", arguments[1] if len(arguments) > 1 else None))
        which = "all" if axis is None or ast.unparse(axis) == "None" else ast.unparse(axis)
        return self.xp.record(kind, x, which)


def labels_of(index: ast.expr) -> ast.expr | None:
    """Return y of an index [range(n), y] or [np.arange(n), y], else None."""
    match index:
        case ast.Tuple(elts=[ast.Call(func=function), ast.Name() | ast.Attribute() as labels]):
            return labels if function_name(function) in ("range", "arange") else None
    return None


def _slope_named(name: str) -> str | None:
    """Return the activation whose derivative a function is by its name, such as sigmoid_prime, or None."""
    words = name.lower().replace("_", "")
    for activation in SLOPES:
        said = any(word in words for word in ("deriv", "prime", "grad", "backward", "dsig"))
        if (activation in words and said) or words in (f"d{activation}", f"{activation}d"):
            return activation
    return None


def base_of(tree: ast.AST) -> str:
    """Return the name that attributes and subscripts hang on."""
    while isinstance(tree, ast.Attribute | ast.Subscript | ast.Call):
        tree = tree.func if isinstance(tree, ast.Call) else tree.value
    return tree.id if isinstance(tree, ast.Name) else ""


def _is_text(tree: ast.AST) -> bool:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, str)
