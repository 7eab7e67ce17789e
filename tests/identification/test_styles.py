"""Code is read right in the styles in which people write it, and nothing is named that does not fit."""

import dataclasses
import math

import pytest
from identification_styles import NAMED, NAMELESS

import amiss
from amiss import identify


@pytest.mark.parametrize("style", NAMED)
def test_a_gradient_is_named_in_whatever_style_it_is_written(style):
    code, (loss, activation, factor, wrt) = NAMED[style]
    found = identify(code)
    expected = eval(f"amiss.{loss}", {"amiss": amiss})
    assert type(found.loss) is type(expected), found.sentence
    for field in dataclasses.fields(expected):
        value = getattr(expected, field.name)
        close = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        assert getattr(found.loss, field.name) == close, found.sentence
    assert (found.activation, found.wrt) == (activation, wrt), found.sentence
    if isinstance(factor, float):
        assert math.isclose(found.factor, factor, rel_tol=1e-9), found.sentence
    elif factor is not None:
        assert found.factor == factor, found.sentence


@pytest.mark.parametrize("style", NAMELESS)
def test_nothing_is_named_that_does_not_fit(style):
    try:
        found = identify(NAMELESS[style]).loss
    except amiss.AmissError:
        found = None
    assert found is None
