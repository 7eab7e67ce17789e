"""Every loop of the kernels computes on whole vectors, in the build for every instruction set.

Read from the machine code that the build left behind: a loop that the compiler takes apart into single
numbers holds scalar arithmetic, and one that is narrower than the registers holds none on the widest of them.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from amiss import kernels

ROOT = Path(__file__).resolve().parents[2]
WIDEST = {"amiss_avx512": "%zmm", "amiss_avx2": "%ymm"}
ARITHMETIC = "(add|sub|mul|div|sqrt|min|max|fn?m(add|sub)[0-9]+)"
SCALAR = re.compile(rf"\sv?{ARITHMETIC}s[sd]\s")
PACKED = re.compile(rf"\sv?{ARITHMETIC}p[sd]\s.*")
SETS = 7 * 2 * 2
"""Sets of quantities, with and without weights, in two precisions: the loops of a loss at least."""


def newest(build):
    """Return the newest object file of a build in the tree."""
    objects = sorted(
        ROOT.glob(f"build/*/CMakeFiles/{build}.dir/**/build.cpp.o"), key=lambda x: x.stat().st_mtime
    )
    assert objects, f"no object file of {build} under {ROOT / 'build'}: install with `pip install -e .`"
    assert shutil.which("objdump"), "objdump reads the machine code: install binutils, as gcc needs it too"
    return objects[-1]


def loops(build):
    """Return the machine code of each loop over entries by its name."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(newest(build))]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for block in printed.split("\n\n"):
        heading = re.match(r"\s*[0-9a-f]+ <(\S+)>:", block)
        if heading and "4passI" in heading[1]:
            found[heading[1]] = block
    return found


@pytest.mark.parametrize("build", WIDEST)
def test_every_loop_computes_on_whole_vectors(build):
    found = loops(build)
    assert len(found) >= SETS * len(kernels.names()), len(found)
    for name, code in found.items():
        assert not SCALAR.search(code), f"{name} computes on single numbers: {SCALAR.search(code)}"
        packed = [line[0] for line in PACKED.finditer(code)]  # none where the result is a constant
        assert not packed or any(WIDEST[build] in line for line in packed), (
            f"{name} leaves registers half empty"
        )


@pytest.mark.parametrize("build", WIDEST)
def test_no_build_leaves_a_function_that_others_may_get(build):
    """The linker keeps one of a function that several objects define: it may hold what a machine has not."""
    printed = subprocess.run(
        ["objdump", "-t", "-C", str(newest(build))], capture_output=True, text=True, check=True
    ).stdout
    weak = [line for line in printed.splitlines() if re.match(r"[0-9a-f]+ +[wu]", line)]
    assert weak
    assert [line for line in weak if build not in line] == []
