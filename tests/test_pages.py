"""The pages of docs/ show what their commands and examples really print."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "build_tools"))
import pages


@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: page.stem)
def test_a_page_shows_what_is_printed(page, tmp_path):
    before = {picture: picture.read_bytes() for picture in pages.DOCS.glob("pictures/*")}
    text = page.read_text(encoding="utf-8")
    try:
        with pages.fixed_surroundings():
            new = pages.refreshed(text)
    finally:
        for picture, content in before.items():  # another matplotlib draws them a little differently
            picture.write_bytes(content)
    assert pages.comparable(new) == pages.comparable(text)


def test_a_page_that_is_out_of_date_is_seen():
    with pages.fixed_surroundings():
        assert "SquaredError()" in pages.refreshed("```console\n$ amiss identify 'a - y'\nnothing\n```\n")
        assert ">>> 1 + 1\n2\n" in pages.refreshed("```pycon\n>>> 1 + 1\n3\n```\n")


def test_a_command_that_fails_is_not_shown_as_empty():
    with pages.fixed_surroundings(), pytest.raises(RuntimeError, match="no loss is called"):
        pages.refreshed("```console\n$ amiss show nothing\n```\n")
