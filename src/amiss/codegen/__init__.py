"""Formulas as source text: C++ kernels, and the LaTeX that `show` prints. Runs while the package is built."""

from amiss.codegen.cpp import source
from amiss.codegen.generate import generate

__all__ = ["generate", "source"]
