"""Write everything that is made from the formulas while the package is built."""

import json
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

from amiss.codegen.activations import activations_source
from amiss.codegen.cpp import QUANTITIES, losses_source
from amiss.codegen.updates import updates_source
from amiss.core.formula import latex, text
from amiss.core.parameters import about
from amiss.losses import FAMILIES

__all__ = ["formulas", "generate", "source", "stub"]


def generate(package: Path) -> None:
    """Write the C++ of the kernels, the formulas as text, and the stub that names every loss.

    Args:
        package: the folder `src/amiss`.
    """
    folder = package / "_generated"
    folder.mkdir(exist_ok=True)
    _write(folder / "kernels.inc", source())
    _write(folder / "formulas.json", json.dumps(formulas(), indent=1, ensure_ascii=False))
    _write(package / "losses" / "__init__.pyi", stub())


def source() -> str:
    """Return the whole generated text of the kernels."""
    return f"{losses_source()}\n{updates_source()}\n{activations_source()}"


def formulas() -> dict[str, dict[str, dict[str, str]]]:
    """Return LaTeX and plain text of value, gradient and Hessian for every loss and structural option."""
    return {
        loss_text: {quantity: _texts(loss, quantity) for quantity in QUANTITIES}
        for loss_text, loss in _structural_instances()
    }


def _structural_instances() -> list[tuple[str, Any]]:
    found = []
    for family in FAMILIES.values():
        for loss in family:
            options = [field for field in fields(loss) if "choices" in about(field)]  # type: ignore[arg-type]
            for chosen in product(*(about(field)["choices"] for field in options)):
                given = {field.name: value for field, value in zip(options, chosen, strict=True)}
                found.append((formula_key(loss.__name__, given), loss(**given)))
    return found


def formula_key(name: str, options: dict[str, str]) -> str:
    """Return the key of a loss with its structural options, as in "CrossEntropy logits"."""
    return " ".join((name, *options.values()))


def _texts(loss: Any, quantity: str) -> dict[str, str]:
    reading = loss._reading(quantity)
    return {"latex": latex(*reading), "text": text(*reading)}


def stub() -> str:
    """Return the stub of `amiss.losses`, so that editors and type checkers see every loss."""
    lines = ["from amiss.core import Loss", ""]
    names = []
    for family, losses in FAMILIES.items():
        for loss in losses:
            lines.append(f"from amiss.losses.{family} import {loss.__name__} as {loss.__name__}")
            names.append(loss.__name__)
    lines += ["", "FAMILIES: dict[str, tuple[type[Loss], ...]]", f"__all__ = {names!r}", ""]
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    """Write only what changed, so that nothing is compiled again without need."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
