"""From the updates of optimisers to C++: one loop over parameters, gradient and memories for each."""

from inspect import signature
from typing import Any

from amiss.arrays.recorded import RecordedNamespace
from amiss.codegen.cpp import operand_text, statement_text
from amiss.network.optimisers import UPDATES

__all__ = ["updates_source"]


def updates_source() -> str:
    """Return a struct for each update, and their list."""
    structs = "\n".join(_struct(update, memories) for update, memories in UPDATES.items())
    rows = " ".join(f"X({update.__name__})" for update in UPDATES)
    return f"{structs}\n#define AMISS_UPDATES(X) {rows}\n"


def _struct(update: Any, memories: int) -> str:
    numbers = list(signature(update).parameters)[2:]
    arrays = ["w", "g", *(f"memory{place}" for place in range(memories))]
    xp = RecordedNamespace()
    results = update(xp, [xp.input(name) for name in arrays], *map(xp.input, numbers))
    changed = [name for name in arrays if name != "g"]
    lines = [f"const T {name} = T(p[{place}]);" for place, name in enumerate(numbers)]
    body = [f"const T {name} = array_{name}[i];" for name in arrays]
    body += [statement_text(node) for node in xp.nodes if node.operation != "input"]
    body += [
        f"array_{name}[i] = {operand_text(result)};" for name, result in zip(changed, results, strict=True)
    ]
    pointers = ", ".join(f"{'const ' if name == 'g' else ''}T* __restrict array_{name}" for name in arrays)
    passed = ", ".join(f"arrays[{place}] + start" for place in range(len(arrays)))
    return (
        f"struct update_{update.__name__} {{\n"
        f'  static constexpr const char* name = "{update.__name__}";\n'
        f"  static constexpr int arrays = {len(arrays)}, numbers = {len(numbers)};\n"
        "  template <class T>\n"
        f"  static void loop(std::size_t n, const double* p, {pointers}) {{\n"
        f"{''.join(f'    {line}{chr(10)}' for line in lines)}"
        "    for (std::size_t i = 0; i < n; ++i) {\n"
        f"{''.join(f'      {line}{chr(10)}' for line in body)}"
        "    }\n  }\n"
        "  template <class T>\n"
        "  static void call(std::size_t start, std::size_t n, const double* p, T* const* arrays) {\n"
        f"    loop<T>(n, p, {passed});\n"
        "  }\n};\n"
    )
