"""From recorded formulas to C++: one function of a vector of entries per loss, shared terms computed once."""

from collections.abc import Iterable
from dataclasses import fields
from itertools import product
from typing import Any

from amiss.arrays.recorded import Node, RecordedNamespace
from amiss.core import ElementwiseLoss
from amiss.core.errors import ParameterError
from amiss.core.parameters import about
from amiss.losses import FAMILIES

__all__ = [
    "elementwise_variants",
    "kernel_source",
    "losses_source",
    "operand_text",
    "source_of",
    "statement_text",
]

QUANTITIES = ("value", "gradient", "hessian")

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
}
_LOGIC = {"and": "&", "or": "|"}
_ONE_SIDED = {"maximum": "at_least", "minimum": "at_most"}
_ZONED = ("exp", "expm1", "log", "log1p", "scaled", "sigmoid_power", "sigmoid_slope", "weigh")
_ENTRIES = ("prediction", "target", "x", "upstream", "output")  # inputs that differ from entry to entry
_BITS = (1 | 8, 2, 4)  # of the quantities; a sum needs the values too

FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "softplus", "sigmoid", "log_sigmoid")
"""The elementary functions that tests measure."""


def elementwise_variants() -> Iterable[tuple[str, Any, list[str]]]:
    """Yield the name, a symbolic instance and the numeric parameters of every elementwise loss.

    A loss has one variant for each choice of its structural options, as these choose between formulas.
    """
    for family in FAMILIES.values():
        for loss in family:
            if not issubclass(loss, ElementwiseLoss):
                continue
            options = [field.name for field in fields(loss) if "choices" in about(field)]
            numeric = [field.name for field in fields(loss) if "domain" in about(field)]
            choices = [about(field)["choices"] for field in fields(loss) if "choices" in about(field)]
            for chosen in product(*choices):
                name = "_".join((loss.__name__, *chosen))
                yield name, loss._with(dict(zip(options, chosen, strict=True))), numeric


def kernel_source(name: str, loss: Any, parameters: list[str]) -> str:
    """Return the C++ struct of one variant: a function of a prediction and a target."""
    xp = RecordedNamespace()
    prediction, target = xp.input("prediction"), xp.input("target")
    for parameter in parameters:
        object.__setattr__(loss, parameter, xp.input(parameter))
    results = [getattr(loss, f"_{quantity}")(xp, prediction, target) for quantity in QUANTITIES]
    inside = _domains(loss, prediction, target)
    members = "".join(f"  T {parameter};\n" for parameter in parameters)
    needed = _needed(xp.nodes, results)
    lines = "".join(
        f"    {statement_text(node, needed[node])}\n" for node in xp.nodes if node.operation != "input"
    )
    outputs = "".join(
        f"    if constexpr (Wanted & {bits}) out.{quantity} = {operand_text(result)};\n"
        for bits, quantity, result in zip(_BITS, QUANTITIES, results, strict=True)
    )
    if inside is not None:
        outputs += f"    out.inside = {operand_text(inside)};\n"
    careful = any(node.operation in _ZONED for node in xp.nodes)
    return (
        f"template <class T> struct {name} {{\n"
        f'  static constexpr const char* name = "{name}";\n'
        f"  static constexpr int parameters = {len(parameters)};\n"
        f"  static constexpr bool careful = {str(careful).lower()};\n"
        f"{members}\n"
        "  template <int Wanted, class Z>\n"
        "  AMISS_INLINE void operator()(T prediction, T target, Out<T>& out, "
        "[[maybe_unused]] Z& zone) const {\n"
        "    [[maybe_unused]] Z unused;\n    [[maybe_unused]] Zone<T, true> always;\n"
        f"{lines}{outputs}"
        f"  }}\n}};\n"
    )


def function_source(name: str) -> str:
    """Return the C++ struct of one elementary function."""
    xp = RecordedNamespace()
    result = getattr(xp, name)(xp.input("x"))
    lines = "".join(f"    {statement_text(node, 15)}\n" for node in xp.nodes if node.operation != "input")
    return (
        f"struct function_{name} {{\n"
        "  template <class T, class Z> static AMISS_INLINE T of(T x, Z& zone) {\n"
        f"{lines}    return {operand_text(result)};\n"
        "  }\n};\n"
    )


def _needed(nodes: list[Node], results: list[Node]) -> dict[Node, int]:
    """Return which quantities need a node, as bits."""
    needed = dict.fromkeys(nodes, 0)
    for bits, result in zip(_BITS, results, strict=True):
        needed[result] |= bits
    for node in reversed(nodes):
        for operand in node.operands:
            if isinstance(operand, Node):
                needed[operand] |= needed[node]
    return needed


def _domains(loss: Any, prediction: Node, target: Node) -> Node | None:
    """Return the node of whether an entry lies in the domains, or None for any; a NaN prediction does."""
    inside = [] if loss.target_domain.everything else [loss.target_domain.contains(target)]
    if not loss.prediction_domain.everything:
        inside.append(loss.prediction_domain.contains(prediction) | (prediction != prediction))  # noqa: PLR0124 - NaN
    if not inside:
        return None
    return inside[0] if len(inside) == 1 else inside[0] & inside[1]


def source_of(loss: Any) -> str:
    """Return the generated text of one loss's kernel.

    Raises:
        ParameterError: the loss has no kernel.
    """
    for name, symbolic, parameters in elementwise_variants():
        chosen = vars(symbolic)
        if type(symbolic) is type(loss) and all(getattr(loss, key) == chosen[key] for key in chosen):
            return kernel_source(name, symbolic, parameters)
    if getattr(loss, "_softmax_options", None) is not None:
        raise ParameterError(f"{loss!r}: its kernel is not generated but written: kernels/cross_entropy.h.")
    raise ParameterError(f"{loss!r}: no kernel is generated for it; it runs on the portable path.")


def losses_source() -> str:
    """Return one struct per loss and choice of its structural options, and their list."""
    variants = list(elementwise_variants())
    structs = "\n".join(kernel_source(*variant) for variant in variants)
    functions = "\n".join(map(function_source, FUNCTIONS))
    rows = " \\\n".join(f"  X({name}, {_initialisers(parameters)})" for name, _, parameters in variants)
    names = " ".join(f"X({name})" for name in FUNCTIONS)
    return (
        f"{structs}\n{functions}\n#define AMISS_KERNELS(X) \\\n{rows}\n\n#define AMISS_FUNCTIONS(X) {names}\n"
    )


def _initialisers(parameters: list[str]) -> str:
    return ", ".join(f"T(p[{index}])" for index, _ in enumerate(parameters))


def statement_text(node: Node, needed: int = 15) -> str:
    """Return the line that computes a node, which these quantities need (as bits)."""
    return f"[[maybe_unused]] const auto {operand_text(node)} = {_expression(node, needed)};"


def _expression(node: Node, needed: int) -> str:
    operands = [operand_text(operand) for operand in node.operands]
    if node.operation in _INFIX:
        return f"{operands[0]} {_INFIX[node.operation]} {operands[1]}"
    if node.operation in _LOGIC:
        return f"{operands[0]} {_LOGIC[node.operation]} {operands[1]}"
    if node.operation == "neg":
        return f"-{operands[0]}"
    if node.operation == "where":
        return f"select({', '.join(operands)})"
    name = node.operation
    if name in _ONE_SIDED and _is_bound(node.operands[1]):
        name = _ONE_SIDED[name]
    if name in _ZONED and _is_constant(node):
        operands.append("always")  # computed once for all entries, so that a parameter may be what it likes
    elif name in _ZONED:
        operands.append("zone" if needed == 15 else f"zone_if<(Wanted & {needed}) != 0>(zone, unused)")
    return f"{name}({', '.join(operands)})"


def _is_bound(operand: Any) -> bool:
    """Return whether an operand is known not to be NaN: a number, or a parameter, which is checked."""
    return not isinstance(operand, Node) or (operand.operation == "input" and _is_constant(operand))


def _is_constant(node: Any) -> bool:
    """Return whether a node is the same for all entries: it depends on parameters only."""
    if not isinstance(node, Node):
        return True
    if node.operation == "input":
        return node.operands[0] not in _ENTRIES
    return all(map(_is_constant, node.operands))


def operand_text(operand: Any) -> str:
    """Return how a line names an operand: a node or a number."""
    if isinstance(operand, Node):
        return operand.operands[0] if operand.operation == "input" else f"v{operand.number}"
    if operand == float("inf"):
        return "T(infinity<T>)"
    return f"T({float(operand)!r})"
