"""From the activations of a network to C++: a struct for each, with both directions."""

from amiss.arrays.recorded import RecordedNamespace
from amiss.codegen.cpp import operand_text, statement_text
from amiss.network.layers import ACTIVATIONS

__all__ = ["activations_source"]


def activations_source() -> str:
    """Return a struct for each activation of single numbers, and their list."""
    names = [name for name, activation in ACTIVATIONS.items() if activation.by_number]
    structs = "\n".join(_struct(name) for name in names)
    return f"{structs}\n#define AMISS_ACTIVATIONS(X) {' '.join(f'X({name})' for name in names)}\n"


def _struct(name: str) -> str:
    directions = _function("forward", name, "x") + _function("backward", name, "upstream", "output")
    return f"struct activation_{name} {{\n{directions}}};\n"


def _function(direction: str, name: str, *inputs: str) -> str:
    xp = RecordedNamespace()
    result = getattr(ACTIVATIONS[name], direction)(xp, *map(xp.input, inputs))
    lines = "".join(f"    {statement_text(node, 15)}\n" for node in xp.nodes if node.operation != "input")
    arguments = ", ".join(f"[[maybe_unused]] T {argument}" for argument in inputs)
    return (
        f"  template <class T, class Z> static AMISS_INLINE T {direction}({arguments}, "
        "[[maybe_unused]] Z& zone) {\n"
        f"{lines}    return {operand_text(result)};\n"
        "  }\n"
    )
