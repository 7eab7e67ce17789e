"""Every loss says what it is, when to use it, its units and where it comes from, in one order."""

import inspect
import re
from dataclasses import fields

import pytest
from losses_under_test import classes

SECTIONS = ("Args", "Shapes", "Units", "Notes", "Source", "Examples")
REQUIRED = ("Shapes", "Units", "Source", "Examples")

each_loss = pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)


def document(loss):
    return inspect.cleandoc(loss.__doc__)


def section(loss, title):
    """Return the text of a section of a docstring."""
    found = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", document(loss), re.MULTILINE)
    return inspect.cleandoc(found[1]) if found else ""


@each_loss
def test_the_docstring_is_its_own(loss):
    assert "__doc__" in vars(loss)
    assert not document(loss).startswith(f"{loss.__name__}(")  # what a dataclass writes by itself
    assert re.match(r"[A-Z].*\.$", document(loss).splitlines()[0])


@each_loss
def test_it_says_when_to_use_and_when_to_avoid_it_before_any_section(loss):
    text = document(loss)
    use, avoid = text.find("\nUse it "), text.find("\nAvoid it ")
    assert 0 < use < avoid < text.find(f"\n{next(s for s in SECTIONS if section(loss, s))}:\n")


@each_loss
def test_the_sections_are_there_and_in_order(loss):
    titles = re.findall(r"^(\w+):$", document(loss), re.MULTILINE)
    assert titles == [title for title in SECTIONS if title in titles]
    assert set(REQUIRED) <= set(titles)
    assert all(section(loss, title) for title in titles)


@each_loss
def test_every_parameter_is_described(loss):
    described = re.findall(r"^(\w+): \S", section(loss, "Args"), re.MULTILINE)
    assert described == [field.name for field in fields(loss)]


@each_loss
def test_the_units_are_those_of_value_and_gradient(loss):
    for quantity in ("value", "gradient"):
        assert re.search(rf"\b{quantity}: ", section(loss, "Units"))


@each_loss
def test_the_source_names_a_year(loss):
    assert re.search(r"\b(1[789]|20)\d\d\b", section(loss, "Source"))


@each_loss
def test_an_example_computes_with_the_loss(loss):
    examples = section(loss, "Examples")
    assert f">>> float({loss.__name__}(" in examples or f">>> round(float({loss.__name__}(" in examples
    assert re.search(r"#.*\d|# .*log", examples), "the arithmetic by hand stands next to it"
