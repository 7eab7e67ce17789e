"""The card of a loss: what to expect of it, what holds, and what it is called elsewhere."""

import functools
import math
from dataclasses import fields

import numpy as np
import pytest
from losses_under_test import classes, name, variants

import amiss
from amiss.core.errors import ParameterError
from amiss.explain.card import card as make_card
from amiss.explain.peers import LIBRARIES, peers

card = functools.cache(make_card)
each_variant = pytest.mark.parametrize("loss", variants(), ids=name)


@each_variant
def test_every_part_is_told(loss):
    made = card(loss)
    for part in ("summary", "use", "avoid", "source", "likelihood", "checked"):
        assert getattr(made, part).endswith((".", ")", "Information Theory")) or part == "source", part
        assert getattr(made, part)
    assert set(made.formulas) == {"value", "gradient", "hessian"}
    assert set(made.facts) == {field.name for field in fields(loss.facts)}
    assert len(made.properties) == 10


@each_variant
def test_the_baseline_is_of_the_target_that_is_stated(loss):
    made = card(loss).baseline
    found = amiss.baseline(loss, np.array(made["target"]))
    assert (made["value"], made["start"]) == (found.value, found.start)
    assert f"a loss of {found.value:.4g};" in made["words"]
    assert f"starts at {found.start:.4g}" in made["words"]


def test_the_numbers_of_three_baselines():
    mse = card(amiss.SquaredError()).baseline  # of 1, 2, 6: mean 3, (4 + 1 + 9) / 3, (1 + 4 + 36) / 3
    assert (mse["constant"], mse["value"], mse["start"]) == (3.0, 14 / 3, 41 / 3)
    assert "the mean square: the variance of a target whose mean is 0" in mse["words"]
    assert card(amiss.CrossEntropy()).baseline["start"] == pytest.approx(math.log(3))
    assert "= ln 3: ln K for K classes" in card(amiss.CrossEntropy()).baseline["words"]
    assert card(amiss.BinaryCrossEntropy()).baseline["words"].endswith("starts at 0.6931 = ln 2.")


@pytest.mark.parametrize(
    ("spelling", "words"),
    [
        ("mae", "A constant prediction converges to the median of the target."),
        ("bce", "A constant prediction converges to the mean of the target, written as a logit."),
        ("ce", "It is the negative log-likelihood of a categorical distribution, up to constants."),
        ("dice", "What a constant prediction converges to has no formula; it is found numerically."),
    ],
)
def test_what_it_converges_to_is_said_in_words(spelling, words):
    assert words in card(amiss.get(spelling)).likelihood


def test_properties_come_with_their_witness():
    found = {one["name"]: one for one in card(amiss.AbsoluteError()).properties}
    assert found["convex"]["holds"] is True
    assert "+1 to the right" in found["differentiable"]["witness"]["text"]


@pytest.mark.parametrize(
    "loss", [amiss.Poisson("rate"), amiss.CrossEntropy(ignore_index=0), amiss.Dice(axis=0)]
)
def test_a_loss_that_takes_not_every_number_has_a_card(loss):
    made = card(loss)
    assert all(math.isfinite(value) for value in made.curve["value"])


def test_a_loss_of_ones_own_has_a_card():
    made = card(amiss.define("abs(prediction-target)**1.5"))
    assert made.names == {}
    assert made.peers == []
    assert "found numerically" in made.likelihood


def test_a_sum_has_none():
    with pytest.raises(ParameterError, match="Show its terms one by one"):
        card(amiss.SquaredError() + amiss.AbsoluteError())


def test_plain_data_holds_no_infinity():
    import json

    text = json.dumps(card(amiss.SquaredError()).to_dict(), allow_nan=False)
    assert '"inf"' in text


# --- peers -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_the_names_at_a_library_are_spellings_of_the_loss(loss):
    for peer in peers(loss):
        assert peer.library in LIBRARIES
        for spelling in peer.names:
            found = amiss.get(spelling)
            assert type(found) is loss


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_what_differs_is_a_sentence(loss):
    for peer in peers(loss):
        assert peer.difference.endswith("."), peer
        assert len(peer.difference) <= 100


def test_a_library_with_a_name_but_no_word_about_it_is_shown():
    class Named(amiss.SquaredError):
        aliases = {"keras.losses.Named": {}}
        peers = {}

    (peer,) = peers(Named)
    assert (peer.library, peer.names, peer.difference) == ("Keras", ("keras.losses.Named",), "")
