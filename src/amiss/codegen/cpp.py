"""From recorded formulas to C++: one function per loss and set of quantities, shared terms computed once."""

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
    lines = [f"    {statement_text(node)}\n" for node in xp.nodes if node.operation != "input"]
    bits = (1 | 8, 2, 4)  # a sum needs the values too
    outputs = "".join(
        f"    if constexpr (Wanted & {bits[bit]}) out.{quantity} = {operand_text(result)};\n"
        for bit, (quantity, result) in enumerate(zip(QUANTITIES, results, strict=True))
    )
    outputs += f"    out.inside = {inside if isinstance(inside, str) else operand_text(inside)};\n"
    return (
        f"template <class T> struct {name} {{\n"
        f'  static constexpr const char* name = "{name}";\n'
        f"  static constexpr int parameters = {len(parameters)};\n"
        f"{members}\n"
        "  template <int Wanted>\n"
        "  AMISS_INLINE void operator()(T prediction, T target, Out<T>& out) const {\n"
        f"{''.join(lines)}{outputs}"
        f"  }}\n}};\n"
    )


def _domains(loss: Any, prediction: Node, target: Node) -> Any:
    """Return the node of whether an entry lies in the loss's domains; a NaN prediction does."""
    inside = [] if loss.target_domain.everything else [loss.target_domain.contains(target)]
    if not loss.prediction_domain.everything:
        inside.append(loss.prediction_domain.contains(prediction) | (prediction != prediction))  # noqa: PLR0124 - NaN
    if not inside:
        return "true"
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
    rows = " \\\n".join(f"  X({name}, {_initialisers(parameters)})" for name, _, parameters in variants)
    return f"{structs}\n#define AMISS_KERNELS(X) \\\n{rows}\n"


def _initialisers(parameters: list[str]) -> str:
    return ", ".join(f"T(p[{index}])" for index, _ in enumerate(parameters))


def statement_text(node: Node) -> str:
    """Return the line that computes a node."""
    kind = "bool" if node.operation in ("lt", "le", "gt", "ge", "eq", "ne", "and", "or") else "T"
    return f"[[maybe_unused]] const {kind} {operand_text(node)} = {_expression(node)};"


def _expression(node: Node) -> str:
    operands = [operand_text(operand) for operand in node.operands]
    if node.operation in _INFIX:
        return f"{operands[0]} {_INFIX[node.operation]} {operands[1]}"
    if node.operation in _LOGIC:
        return f"{operands[0]} {_LOGIC[node.operation]} {operands[1]}"
    if node.operation == "neg":
        return f"-{operands[0]}"
    if node.operation == "where":
        return f"select({', '.join(operands)})"
    if node.operation == "splitter":
        return "Float<T>::splitter"
    return f"{node.operation}({', '.join(operands)})"


def operand_text(operand: Any) -> str:
    """Return how a line names an operand: a node or a number."""
    if isinstance(operand, Node):
        return operand.operands[0] if operand.operation == "input" else f"v{operand.number}"
    if operand == float("inf"):
        return "std::numeric_limits<T>::infinity()"
    return f"T({float(operand)!r})"
