"""`amiss.get` takes the words of a library for parameters, and refuses in a sentence what means nothing."""

import ast
import re

import numpy as np
import pytest
import torch
from losses_under_test import classes

import amiss
from amiss import naming
from amiss.explain.peers import spelled

UNDERSTOOD = [
    ("torch.nn.HuberLoss", {"delta": 2}, amiss.Huber(delta=2.0)),
    ("torch.nn.SmoothL1Loss", {}, 1.0 * amiss.Huber()),
    ("torch.nn.SmoothL1Loss", {"beta": 4.0}, 0.25 * amiss.Huber(delta=4.0)),
    ("SmoothL1Loss", {"beta": 4.0}, 0.25 * amiss.Huber(delta=4.0)),
    ("smooth_l1", {}, 1.0 * amiss.Huber()),
    ("torch.nn.BCEWithLogitsLoss", {"pos_weight": 3}, amiss.BinaryCrossEntropy(positive_weight=3.0)),
    ("BCEWithLogitsLoss", {"pos_weight": torch.tensor([3.0])}, amiss.BinaryCrossEntropy(positive_weight=3.0)),
    (
        "torch.nn.CrossEntropyLoss",
        {"weight": torch.tensor([1.0, 2.0]), "label_smoothing": 0.1},
        amiss.CrossEntropy(ignore_index=-100, class_weight=(1.0, 2.0), label_smoothing=0.1, axis=1),
    ),
    ("torch.nn.CrossEntropyLoss", {"ignore_index": 7}, amiss.CrossEntropy(ignore_index=7, axis=1)),
    ("torch.nn.CrossEntropyLoss", {"dim": -1}, amiss.CrossEntropy(ignore_index=-100, axis=-1)),
    ("torch.nn.PoissonNLLLoss", {"log_input": False}, amiss.Poisson("rate")),
    ("torch.nn.PoissonNLLLoss", {"log_input": True, "full": False}, amiss.Poisson()),
    (
        "torch.nn.KLDivLoss",
        {"reduction": "batchmean", "log_target": False},
        amiss.KLDivergence("log_probabilities"),
    ),
    ("torch.nn.MSELoss", {"reduction": "mean", "size_average": None}, amiss.SquaredError()),
    (
        "keras.losses.Huber",
        {"delta": 3.0, "reduction": "sum_over_batch_size", "name": None},
        amiss.Huber(delta=3.0),
    ),
    (
        "keras.losses.BinaryCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1, "axis": 1},
        amiss.BinaryCrossEntropy(label_smoothing=0.1),
    ),
    (
        "keras.losses.BinaryCrossentropy",
        {"from_logits": False},
        amiss.BinaryCrossEntropy("probabilities", epsilon=1e-7),
    ),
    (
        "tf.keras.losses.SparseCategoricalCrossentropy",
        {"from_logits": True, "ignore_class": 0},
        amiss.CrossEntropy(ignore_index=0),
    ),
    ("optax.l2_loss", {}, 0.5 * amiss.SquaredError()),
    ("optax.losses.l2_loss", {}, 0.5 * amiss.SquaredError()),
    ("optax.huber_loss", {"delta": 2.0}, amiss.Huber(delta=2.0)),
    ("optax.cosine_distance", {"axis": 0}, amiss.CosineDistance(axis=0)),
    (
        "optax.sigmoid_focal_loss",
        {"alpha": 0.25, "gamma": 3.0},
        amiss.BinaryFocal(gamma=3.0, positive_weight=0.25, negative_weight=0.75),
    ),
    ("optax.sigmoid_focal_loss", {"alpha": None}, amiss.BinaryFocal()),
    ("sklearn.metrics.mean_pinball_loss", {"alpha": 0.9}, amiss.Pinball(0.9)),
    ("xgboost.reg:squarederror", {}, 0.5 * amiss.SquaredError()),
    ("reg:squarederror", {}, 0.5 * amiss.SquaredError()),
    ("xgboost.reg:quantileerror", {"quantile_alpha": 0.9}, amiss.Pinball(0.9)),
    ("xgboost.binary:logistic", {"scale_pos_weight": 3}, amiss.BinaryCrossEntropy(positive_weight=3.0)),
    ("xgboost.count:poisson", {"max_delta_step": 0.7}, amiss.Poisson()),
    ("lightgbm.huber", {}, amiss.Huber(delta=0.9)),
    ("lightgbm.huber", {"alpha": 2}, amiss.Huber(delta=2.0)),
    ("lightgbm.quantile", {}, amiss.Pinball(0.9)),
    ("lightgbm.quantile", {"alpha": 0.2}, amiss.Pinball(0.2)),
    ("lightgbm.binary", {"sigmoid": 1.0}, amiss.BinaryCrossEntropy()),
    ("catboost.Quantile", {"alpha": 0.2}, amiss.Pinball(0.2)),
    ("catboost.RMSE", {}, 0.5 * amiss.SquaredError()),
]


@pytest.mark.parametrize(
    ("spelling", "given", "meant"), UNDERSTOOD, ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_library_is_understood_in_its_own_words(spelling, given, meant):
    assert amiss.get(spelling, **given) == meant


def test_words_are_understood_in_text():
    assert amiss.get("xgboost.reg:quantileerror(quantile_alpha=0.9)") == amiss.Pinball(0.9)
    assert naming.parse_loss("torch.nn.CrossEntropyLoss(weight=[1, 2])").class_weight == (1.0, 2.0)
    assert naming.parse_loss("0.5 * lightgbm.huber(alpha=2)") == 0.5 * amiss.Huber(delta=2.0)


REFUSED = [
    (
        "torch.nn.MSELoss",
        {"reduction": "sum"},
        "reduction must be left to the call: loss(prediction, target, red",
    ),
    ("torch.nn.MSELoss", {"size_average": True}, "size_average must be left to the call: loss(prediction"),
    (
        "torch.nn.BCEWithLogitsLoss",
        {"weight": [1.0]},
        "weight must be left to the call: loss(prediction, target, w",
    ),
    (
        "keras.losses.Huber",
        {"dtype": "float32"},
        "dtype must be left to the prediction, whose dtype is computed in",
    ),
    (
        "keras.losses.Huber",
        {"name": "mine"},
        "name must be left to the class: a loss has no other name; got 'mine'",
    ),
    ("optax.softmax_cross_entropy", {"where": [True]}, "where must be left to the call, as a weight of 0"),
    (
        "torch.nn.KLDivLoss",
        {"log_target": True},
        "must be False; got True. Give the probabilities: exp(target).",
    ),
    (
        "torch.nn.KLDivLoss",
        {"reduction": "mean"},
        "must be 'batchmean'; got 'mean'. Its mean divides by K too",
    ),
    ("torch.nn.PoissonNLLLoss", {"log_input": 3}, "log_input must be True or False; got 3."),
    ("torch.nn.PoissonNLLLoss", {"full": True}, "full must be False; got True."),
    ("lightgbm.binary", {"sigmoid": 2.0}, "sigmoid must be 1.0; got 2.0."),
    ("torch.nn.SmoothL1Loss", {"beta": 1, "delta": 1}, "delta must be given once; got beta, delta."),
    ("torch.nn.SmoothL1Loss", {"beta": 0}, "delta must be in (0, inf); got 0.0."),
    ("torch.nn.HuberLoss", {"beta": 2}, "no parameter is called 'beta'; it has delta."),
    ("huber", {"alpha": 0.9}, "no parameter is called 'alpha'; it has delta."),
    ("torch.nn.BCEWithLogitsLoss", {"pos_weight": [1, 2]}, "positive_weight must be a Python number"),
]


@pytest.mark.parametrize(("spelling", "given", "said"), REFUSED)
def test_what_has_no_meaning_is_refused_in_a_sentence(spelling, given, said):
    with pytest.raises(amiss.ParameterError, match=re.escape(said)):
        amiss.get(spelling, **given)


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_every_word_of_a_library_stands_for_parameters_that_the_loss_has(loss):
    own = loss.parameters()
    for words in getattr(loss, "translations", {}).values():
        for meaning in words.values():
            if isinstance(meaning, str):
                assert meaning in own
            elif isinstance(meaning, dict):
                given = [values for values in meaning.values() if not isinstance(values, str)]
                assert all(isinstance(loss(**values), loss) for values in given)
            elif meaning is not None:
                assert isinstance(loss(**meaning(0.25)), loss)


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_no_words_are_declared_for_a_library_that_does_not_have_the_loss(loss):
    names = [*naming.spellings(loss), *getattr(loss, "multiples", {})]
    for start in getattr(loss, "translations", {}):
        assert any(name.startswith(start) for name in names), start


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_every_name_elsewhere_that_is_shown_is_understood(loss):
    for spelling in spelled(loss):
        found = amiss.get(spelling.name)
        assert type(getattr(found, "parts", ((1.0, found),))[0][1]) is loss


def advice():
    for name, text in naming.ELSEWHERE.items():
        for call in re.findall(r"amiss\.define\(.*\)(?=[,.])", text):
            yield pytest.param(call, id=name)


@pytest.mark.parametrize("call", list(advice()))
def test_a_definition_that_is_advised_is_one(call):
    tree = ast.parse(call, mode="eval").body
    loss = amiss.define(tree.args[0].value, **{word.arg: word.value.value for word in tree.keywords})
    target = np.array([1.0, -1.0]) if "sign" in call else np.array([1.0, 2.0])
    assert np.isfinite(loss([0.5, 0.25], target))
