"""Write down which version of each framework the tests run with: docs/frameworks.md.

python build_tools/versions.py             # write the page from what is installed
python build_tools/versions.py --check     # say what the page and constraints.txt have otherwise; exit with 1
"""

import importlib.metadata
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "frameworks.md"
CONSTRAINTS = ROOT / "constraints.txt"
HEAD = """\
# Frameworks

The versions that the tests ran with, on Linux and on the CPU. `constraints.txt` pins them, and
`python build_tools/versions.py` writes this page from what is installed; a test fails if it says something
else. Other versions are allowed, from the bounds in `pyproject.toml` on.

| framework | tested version |
|---|---|
"""


def pinned() -> dict[str, str]:
    """Return the frameworks of constraints.txt, with their versions."""
    return dict(re.findall(r"^([\w-]+)==(\S+)$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE))


def installed() -> dict[str, str]:
    """Return the same frameworks with the versions that are installed.

    A local part of a version, as in 2.13.0+cpu, is left out: it says where the package came from.

    Raises:
        importlib.metadata.PackageNotFoundError: one is not installed.
    """
    return {name: importlib.metadata.version(name).partition("+")[0] for name in pinned()}


def page(versions: dict[str, str]) -> str:
    """Return the page that states versions."""
    return HEAD + "".join(f"| {name} | {version} |\n" for name, version in sorted(versions.items()))


def main() -> int:
    """Write or check the page; return the exit code."""
    found = installed()
    other = [
        f"{name} {found[name]} (pinned {version})"
        for name, version in pinned().items()
        if found[name] != version
    ]
    if other:
        print(f"constraints.txt pins other versions than are installed: {', '.join(other)}.", file=sys.stderr)
    if "--check" not in sys.argv:
        PAGE.write_text(page(found), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(found):
        print("docs/frameworks.md is out of date. Run python build_tools/versions.py", file=sys.stderr)
        return 1
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
