"""Run the commands and examples of the pages in docs/, and write or check what they print.

    python build_tools/pages.py             # write the real output below each command
    python build_tools/pages.py --check     # say which page does not show it, and exit with 1

A block marked `console` holds commands after `$ `; one marked `pycon` holds Python after `>>> `, with one
namespace for a page. Commands run in the folder docs/ with 80 columns and without colour; what goes to stderr
is not shown.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import sys
import traceback
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def refreshed(text: str) -> str:
    """Return a page with the real output in its blocks."""
    namespace: dict[str, Any] = {}

    def renew(match: re.Match[str]) -> str:
        kind, body = match.groups()
        new = _commands(body) if kind == "console" else _examples(body, namespace)
        return f"```{kind}\n{new}```"

    return BLOCK.sub(renew, text)


def _commands(body: str) -> str:
    lines = []
    for line in body.splitlines():
        if line.startswith("$ "):
            lines += [line, *output_of(line[2:]).splitlines()]
    return "\n".join(lines) + "\n"


def output_of(command: str) -> str:
    """Return what an `amiss` command prints, perhaps through `head -n` or `tail -n`.

    It runs in this process, so that nothing is imported twice.
    """
    from amiss.cli import main

    call, *filters = command.split(" | ")
    program, *arguments = shlex.split(call)
    if program != "amiss":
        raise ValueError(f"a page may run amiss only; got {command!r}")
    shown, unseen = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(unseen),
        contextlib.suppress(SystemExit),
    ):
        main(arguments)
    if not shown.getvalue() and "Error" in unseen.getvalue():
        raise RuntimeError(f"{command}: {unseen.getvalue()}")
    lines = [line.rstrip() for line in shown.getvalue().rstrip().splitlines()]
    for name, _, count in (shlex.split(word) for word in filters):
        lines = lines[: int(count)] if name == "head" else lines[-int(count) :]
    return "\n".join(lines)


def _examples(body: str, namespace: dict[str, Any]) -> str:
    lines = []
    for example in doctest.DocTestParser().get_examples(body):
        first, *rest = example.source.rstrip().splitlines()
        lines += [f">>> {first}", *(f"... {line}" for line in rest)]
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            try:
                exec(compile(example.source, "<page>", "single"), namespace)
            except Exception as error:
                print("".join(traceback.format_exception_only(error)).rstrip())
        lines += shown.getvalue().rstrip().splitlines()
    return "\n".join(lines) + "\n"


def comparable(text: str) -> str:
    """Return a page without the digits of what is 0 but for rounding: they differ from machine to machine."""
    return re.sub(r"\d\.\de-1\d", "0.0e+00", text)


def pages() -> list[Path]:
    """Return the pages that run something."""
    return [page for page in sorted(DOCS.glob("*.md")) if BLOCK.search(page.read_text(encoding="utf-8"))]


@contextlib.contextmanager
def fixed_surroundings() -> Any:
    """Make output the same everywhere: the folder docs/, 80 columns, no colour, no progress."""
    before, folder = dict(os.environ), Path.cwd()
    os.environ.update(COLUMNS="80", LINES="40", NO_COLOR="1", TERM="dumb", CI="1")
    os.chdir(DOCS)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)


def main() -> int:
    """Write or check all pages; return the exit code."""
    stale = []
    with fixed_surroundings():
        for page in pages():
            text = page.read_text(encoding="utf-8")
            new = refreshed(text)
            if comparable(new) != comparable(text):
                stale.append(page.name)
                if "--check" not in sys.argv:
                    page.write_text(new, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(
            f"Not what the commands print: {', '.join(stale)}. Run python build_tools/pages.py",
            file=sys.stderr,
        )
        return 1
    print(
        f"{len(pages())} pages, {len(stale)} of them {'stale' if '--check' in sys.argv else 'written anew'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
