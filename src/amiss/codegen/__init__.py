"""Formulas as source text: C++ kernels, and the LaTeX that `show` prints. Runs while the package is built."""

from amiss.codegen.generate import generate, source

__all__ = ["generate", "source"]
