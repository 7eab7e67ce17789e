"""The namespace that writes operations down, in order: the source of generated code.

Values are nodes of a graph. Equal operations on equal operands are one node (hash-consing), so that what the
value, the gradient and the Hessian have in common is computed once, and the order of evaluation is kept.
"""

from typing import Any

from amiss.arrays.namespace import Array, Namespace

__all__ = ["Node", "RecordedNamespace"]


class Node:
    """One recorded operation: its name and its operands, which are nodes or Python numbers."""

    __hash__ = object.__hash__

    def __init__(self, graph: "RecordedNamespace", operation: str, operands: tuple[Any, ...]) -> None:
        self.graph = graph
        self.operation = operation
        self.operands = operands
        self.number = len(graph.nodes)

    def __bool__(self) -> bool:
        raise TypeError("a formula must not branch on a number; write xp.where(condition, a, b)")

    def __neg__(self) -> "Node":
        return self.graph.record("neg", self)

    def __add__(self, other: Any) -> "Node":
        return self.graph.record("add", self, other)

    def __radd__(self, other: Any) -> "Node":
        return self.graph.record("add", other, self)

    def __sub__(self, other: Any) -> "Node":
        return self.graph.record("sub", self, other)

    def __rsub__(self, other: Any) -> "Node":
        return self.graph.record("sub", other, self)

    def __mul__(self, other: Any) -> "Node":
        return self.graph.record("mul", self, other)

    def __rmul__(self, other: Any) -> "Node":
        return self.graph.record("mul", other, self)

    def __truediv__(self, other: Any) -> "Node":
        return self.graph.record("div", self, other)

    def __rtruediv__(self, other: Any) -> "Node":
        return self.graph.record("div", other, self)

    def __pow__(self, other: Any) -> "Node":
        return self.graph.record("power", self, other)

    def __rpow__(self, other: Any) -> "Node":
        return self.graph.record("power", other, self)

    def __lt__(self, other: Any) -> "Node":
        return self.graph.record("lt", self, other)

    def __le__(self, other: Any) -> "Node":
        return self.graph.record("le", self, other)

    def __gt__(self, other: Any) -> "Node":
        return self.graph.record("gt", self, other)

    def __ge__(self, other: Any) -> "Node":
        return self.graph.record("ge", self, other)

    def __eq__(self, other: Any) -> "Node":  # type: ignore[override]
        return self.graph.record("eq", self, other)

    def __ne__(self, other: Any) -> "Node":  # type: ignore[override]
        return self.graph.record("ne", self, other)

    def __and__(self, other: Any) -> "Node":
        return self.graph.record("and", self, other)

    def __or__(self, other: Any) -> "Node":
        return self.graph.record("or", self, other)


class RecordedNamespace(Namespace):
    """Records elementwise formulas; `nodes` holds the operations in the order of evaluation.

    Examples:
        >>> xp = RecordedNamespace()
        >>> x = xp.input("x")
        >>> (x + 1) * (x + 1) is (x + 1) * (x + 1)
        True
        >>> [node.operation for node in xp.nodes]
        ['input', 'add', 'mul']
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[tuple[Any, ...], Node] = {}
        self._finite: set[Node] = set()  # where its arguments are ordinary

    def record(self, operation: str, *operands: Any) -> Node:
        """Return the node of an operation, an old one if it was recorded before."""
        if operation in ("abs", "neg") and getattr(operands[0], "operation", "") == "neg":
            inner: Node = operands[0].operands[0]  # |-x| is |x|: sigmoid(x) and sigmoid(-x) share one exp
            if operation == "neg":
                return inner
            operands = (inner,)
        key = (operation, *(x.number if isinstance(x, Node) else ("constant", repr(x)) for x in operands))
        if key not in self._known:
            node = Node(self, operation, operands)
            self.nodes.append(node)
            self._known[key] = node
        return self._known[key]

    def input(self, name: str) -> Node:
        """Return the node of an input or a parameter."""
        return self.record("input", name)

    def abs(self, x: Array) -> Array:
        return self.record("abs", x)

    def sign(self, x: Array) -> Array:
        return self.record("sign", x)

    def exp(self, x: Array) -> Array:
        return self.record("exp", x)

    def log(self, x: Array) -> Array:
        return self.record("log", x)

    def log1p(self, x: Array) -> Array:
        return self.record("log1p", x)

    def expm1(self, x: Array) -> Array:
        return self.record("expm1", x)

    def sqrt(self, x: Array) -> Array:
        return self.record("sqrt", x)

    def maximum(self, x: Array, y: Array) -> Array:
        return self.record("maximum", x, y)

    def minimum(self, x: Array, y: Array) -> Array:
        return self.record("minimum", x, y)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return self.record("where", condition, x, y)

    def indicator(self, condition: Array) -> Array:
        return self.record("where", condition, 1.0, 0.0)

    # A kernel has more digits at hand than arrays, and computes parts once: kernels/composites.h.
    def _fading(self, x: Array, rate: float = 1.0) -> tuple[Array, Array]:
        """Return exp(-rate |x|), and sigmoid(-rate |x|)."""
        size = self.abs(x)
        fading = self.exp(-size if rate == 1.0 else -rate * size)
        return fading, self.record("small_of", fading)

    def softplus(self, x: Array) -> Array:
        result = self.relu(x) + self.record("log1p_fraction", self._fading(x)[0])
        self._finite.add(result)
        return result

    def weigh(self, weight: Array, x: Array) -> Array:
        return self.record("weigh", weight, x) if x in self._finite else super().weigh(weight, x)

    def sigmoid(self, x: Array) -> Array:
        small = self._fading(x)[1]
        return self.where(x >= 0.0, 1.0 - small, small)

    def sigmoid_power(self, x: Array, power: Array) -> Array:
        return self.record("sigmoid_power", x, self.abs(x), self._fading(x)[1], power)

    def sigmoid_slope(self, x: Array, weight: Array, lost: Array) -> Array:
        return self.record("sigmoid_slope", self.abs(x), self._fading(x)[1], weight, lost)

    def tanh(self, x: Array) -> Array:
        return self.record("tanh_of_parts", x, self._fading(x, 2.0)[1])

    def sech_squared(self, x: Array) -> Array:
        small = self._fading(x, 2.0)[1]
        return 4.0 * (small * (1.0 - small))

    def log_cosh(self, x: Array) -> Array:
        return self.record("log_cosh", self.abs(x), self._fading(x, 2.0)[0])

    def expm1_minus(self, x: Array) -> Array:
        return self.record("expm1_minus", x, self.expm1(x))

    def _scaled(self, scale: Array, x: Array, grown: Array) -> Array:
        return self.record("scaled", scale, x, grown)

    def multiply_add(self, x: Array, y: Array, z: Array) -> Array:
        return self.record("fma", x, y, z)

    def product(self, x: Array, y: Array) -> tuple[Array, Array]:
        whole = x * y
        return whole, self._if_small(self.record("rounding_of", x, y, whole))

    def splitter(self) -> Array:
        raise NotImplementedError("a kernel has what rounding takes from a product at once: rounding_of")

    def sum(self, x: Array) -> Array:
        raise NotImplementedError("only elementwise formulas are recorded")

    def max(self, x: Array) -> Array:
        raise NotImplementedError("only elementwise formulas are recorded")

    def row(self, values: tuple[float, ...], like: Array) -> Array:
        raise NotImplementedError("only elementwise formulas are recorded")

    def length(self, x: Array) -> Any:
        raise NotImplementedError("only elementwise formulas are recorded")

    def over_items(self, x: Array) -> Array:
        raise NotImplementedError("only elementwise formulas are recorded")

    def largest_size(self, x: Array) -> Array:
        raise NotImplementedError("only elementwise formulas are recorded")
