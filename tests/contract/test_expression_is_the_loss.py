"""The formula that a loss shows, simplified for reading, has the numbers of the loss."""

import numpy as np
import pytest
import sympy
from losses_under_test import (
    K,
    batches,
    cases,
    draw,
    entries,
    hard,
    is_batch,
    is_class,
    is_row,
    itemised,
    name,
    numeric,
    single_places,
    variants,
)

import amiss
from amiss.arrays.symbolic import CLASSES, INDEX, ITEM, ITEMS

QUANTITIES = ("value", "gradient", "hessian")


def evaluate(loss, quantity, prediction, target, entry):
    """Return the number that the shown expression has at a prediction and a target, at one class of a row."""
    logistic = sympy.Function("sigma")
    expression = sympy.sympify(loss.expression(quantity)).replace(logistic, lambda a: 1 / (1 + sympy.exp(-a)))
    parameters = {
        about["symbol"].replace("\\", ""): getattr(loss, key) for key, about in numeric(loss).items()
    }
    if is_row(loss) or is_batch(loss):
        indices = {CLASSES: K, ITEMS: len(prediction), INDEX: 1, ITEM: 1}
        if entry[-1] is not ...:
            indices |= {INDEX: entry[-1] + 1, ITEM: entry[0] + 1 if is_batch(loss) else 1}
        expression = expression.subs(indices).doit()
        p = np.exp(prediction) / np.exp(prediction).sum(-1, keepdims=True)
        known = {"z": prediction, "l": prediction, "ŷ": prediction, "y": target}
        known |= {"p": p if getattr(loss, "input", "") == "logits" else prediction}
        known |= {"c": np.array(getattr(loss, "class_weight", None) or [1.0] * K)}
        at = {
            x: known[str(x.base)][tuple(int(index) - 1 for index in x.indices)]
            for x in expression.atoms(sympy.Indexed)
        }
    else:
        at = {
            s: target if str(s) == "y" else prediction
            for s in expression.free_symbols
            if str(s) not in parameters
        }
    at |= {symbol: parameters[str(symbol)] for symbol in expression.free_symbols if str(symbol) in parameters}
    return float(expression.subs(at))


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("loss", batches(cases()), ids=name)
def test_the_expression_of_a_batch_has_the_numbers_of_the_loss(loss, quantity):
    x, y = draw(loss, (3,))
    method = loss if quantity == "value" else getattr(loss, quantity)
    expected = np.asarray(method(x, y))
    for place in single_places(loss, x.shape) if quantity != "value" else [(...,)]:
        found = evaluate(loss, quantity, x, y, place)
        assert found == pytest.approx(expected[place], rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("loss", itemised(cases()), ids=name)
def test_the_expression_has_the_numbers_of_the_loss(loss, quantity):
    prediction, soft = draw(loss, (3,))
    for item, target in enumerate([soft, hard(loss, (3,)), soft]):
        x, y = prediction[item], target[item]
        if is_class(loss):
            y = np.maximum(y, 1e-300)  # 0 log 0 is 0, which SymPy does not know
        method = loss if quantity == "value" else getattr(loss, quantity)
        expected = np.asarray(method(x, y, reduction="sum"))
        for entry in entries(loss) if quantity != "value" else [(...,)]:
            assert evaluate(loss, quantity, x, y, entry) == pytest.approx(
                expected[entry], rel=1e-12, abs=1e-14
            )


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_the_formula_is_the_expression_of_the_value(loss):
    assert loss.formula == loss.expression("value") == loss.expression()


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_its_latex_names_every_symbol_of_it(loss):
    for quantity in QUANTITIES:
        latex = loss.latex(quantity)
        for symbol in sympy.sympify(loss.expression(quantity)).free_symbols:
            if symbol.is_Symbol and str(symbol) != "ŷ":
                assert sympy.latex(symbol) in latex


def test_the_expression_of_a_combination_is_that_of_its_terms():
    loss = 0.5 * amiss.SquaredError() + 2 * amiss.AbsoluteError()
    expected = amiss.SquaredError().formula / 2 + 2 * amiss.AbsoluteError().formula
    assert sympy.simplify(loss.formula - expected) == 0


def test_an_unknown_quantity_is_refused():
    with pytest.raises(
        amiss.ParameterError, match="must be of 'value', 'gradient' or 'hessian'; got 'slope'"
    ):
        amiss.Huber().expression("slope")
