"""The build backend: write what is generated from the formulas, then let scikit-build-core do the rest.

Generating comes first and needs no compiler, so that an installation on the portable path has its formulas
as text too.
"""

import sys
from pathlib import Path
from typing import Any

import scikit_build_core.build as _build
from scikit_build_core.build import (  # noqa: F401 - the other hooks of a build backend, unchanged
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)


def _generate() -> None:
    source = Path(__file__).resolve().parent.parent / "src"
    sys.path.insert(0, str(source))
    sys.modules["amiss.kernels._compiled"] = None  # type: ignore[assignment] - an old one would not fit
    try:
        from amiss.codegen import generate

        generate(source / "amiss")
    finally:
        sys.path.remove(str(source))


def build_wheel(*arguments: Any, **options: Any) -> str:
    """Build a wheel."""
    _generate()
    return _build.build_wheel(*arguments, **options)


def build_editable(*arguments: Any, **options: Any) -> str:
    """Build an editable wheel."""
    _generate()
    return _build.build_editable(*arguments, **options)


def build_sdist(*arguments: Any, **options: Any) -> str:
    """Build a source distribution, which holds the generated files too."""
    _generate()
    return _build.build_sdist(*arguments, **options)
