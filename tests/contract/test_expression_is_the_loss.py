"""The formula that a loss shows, simplified for reading, has the numbers of the loss."""

import numpy as np
import pytest
import sympy
from losses_under_test import K, cases, draw, entries, hard, name, numeric, variants

import amiss
from amiss.arrays.symbolic import CLASSES, INDEX
from amiss.core import RowLoss

QUANTITIES = ("value", "gradient", "hessian")


def evaluate(loss, quantity, prediction, target, entry):
    """Return the number that the shown expression has at a prediction and a target, at one class of a row."""
    logistic = sympy.Function("sigma")
    expression = sympy.sympify(loss.expression(quantity)).replace(logistic, lambda a: 1 / (1 + sympy.exp(-a)))
    parameters = {
        about["symbol"].replace("\\", ""): getattr(loss, key) for key, about in numeric(loss).items()
    }
    if isinstance(loss, RowLoss):
        expression = expression.subs({CLASSES: K, INDEX: entry[-1] + 1 if len(entry) > 1 else 1}).doit()
        p = np.exp(prediction) / np.exp(prediction).sum()
        rows = {"z": prediction, "p": prediction if loss.input == "probabilities" else p, "l": prediction}
        rows |= {"y": target, "c": getattr(loss, "class_weight", None) or np.ones(K)}
        at = {x: rows[str(x.base)][int(x.indices[0]) - 1] for x in expression.atoms(sympy.Indexed)}
    else:
        at = {
            s: target if str(s) == "y" else prediction
            for s in expression.free_symbols
            if str(s) not in parameters
        }
    at |= {symbol: parameters[str(symbol)] for symbol in expression.free_symbols if str(symbol) in parameters}
    return float(expression.subs(at))


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_the_expression_has_the_numbers_of_the_loss(loss, quantity):
    prediction, soft = draw(loss, (3,))
    for item, target in enumerate([soft, hard(loss, (3,)), soft]):
        x, y = prediction[item], target[item]
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
            if symbol.is_Symbol:
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
