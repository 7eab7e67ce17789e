"""Losses as mathematics, and proofs that one expression is the derivative of another.

A formula is smooth between its kinks: |x| is x or -x, a maximum is one of its arguments, a case distinction
is one of its cases. A region is one such choice for every switch. Random rational points tell which choices
exist; in each region the claim is a question about smooth expressions, which SymPy decides.
"""

import operator
from random import Random

import numpy as np
import sympy
from losses_under_test import K, formula, is_batch, is_row, numeric

from amiss.arrays.symbolic import SymbolicNamespace


class Row(np.ndarray):
    """A row of expressions whose comparisons are expressions too."""


for _compare in (operator.lt, operator.le, operator.gt, operator.ge):
    setattr(
        Row,
        f"__{_compare.__name__}__",
        lambda self, other, compare=_compare: np.frompyfunc(compare, 2, 1)(self, other),
    )


class Symbolic:
    """A loss with symbols for prediction, target, direction and every numeric parameter.

    Attributes:
        value: the expression of one item; gradient, hessian, product: arrays of expressions, one for each
            number of its prediction. A batch loss is given two items.
        places: the symbols, each with a function that draws a rational number for it.
    """

    def __init__(self, loss):
        self.places = {}
        given = {key: getattr(loss, key) for key in loss.parameters()}
        for key, about in numeric(loss).items():
            low, high = map(sympy.nsimplify, about["typical"])
            positive = about["domain"].low >= 0
            given[key] = self._symbol(
                key, lambda random, low=low, size=high - low: low + size * _unit(random), positive
            )
        if given.get("class_weight") is not None:
            given["class_weight"] = tuple(
                self._symbol(f"c{k}", lambda random: 5 * _unit(random)) for k in range(K)
            )
        shape = (2,) * is_batch(loss) + (K,) * is_row(loss) or (1,)
        self.prediction = self._array("z", shape, lambda random: _inside(loss.prediction_domain, random))
        self.direction = self._array("v", shape, lambda random: 4 * _unit(random) - 2)
        target = self._array("y", shape, lambda random: _inside(loss.target_domain, random))
        formulas = type(loss)._with(given)
        xp, arguments = SymbolicNamespace(named=False), (self.prediction, target)
        self.value = _exact(np.ravel(formula(formulas, "value", xp, *arguments))[0])
        self.gradient = _exact(formula(formulas, "gradient", xp, *arguments))
        self.hessian = _exact(formula(formulas, "hessian", xp, *arguments))
        self.product = _exact(formula(formulas, "hessian_product", xp, *arguments, self.direction))

    def _symbol(self, key, draw, positive=False):
        symbol = sympy.Symbol(key, real=True, positive=positive or None)
        self.places[symbol] = draw
        return symbol

    def _array(self, key, shape, draw):
        made = np.empty(shape, dtype=object)
        for at in np.ndindex(shape):
            made[at] = self._symbol(key + "_".join(map(str, at)) * (made.size > 1), draw)
        return made.view(Row)

    def points(self, count=80):
        """Return points that are spread over the domains, so that every region is met."""
        random = Random(0)
        return [{symbol: draw(random) for symbol, draw in self.places.items()} for _ in range(count)]


def _exact(x):
    return np.frompyfunc(lambda entry: sympy.nsimplify(entry, rational=True), 1, 1)(x)


def _unit(random):
    return sympy.Rational(random.randint(1, 9999), 10000)


def _inside(domain, random):
    """Return a rational number inside a domain, often near an end of it."""
    if domain.members is not None:
        return sympy.nsimplify(random.choice(domain.members))
    low, high = sympy.nsimplify(domain.low), sympy.nsimplify(domain.high)
    if low.is_finite and high.is_finite:
        near = _unit(random) ** random.choice((1, 8))
        return low + (high - low) * random.choice((near, 1 - near))
    if high.is_finite:
        return high - 10 * _unit(random)
    return low + 10 * _unit(random) if low.is_finite else 20 * _unit(random) - 10


SWITCHES = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.Piecewise)


def branch(expression, point, seen):
    """Return the smooth expression that a formula is around a point; collect the choices in `seen`."""
    if not expression.has(*SWITCHES):
        return expression
    if isinstance(expression, sympy.Piecewise):
        holds = [condition.subs(point) == sympy.true for _, condition in expression.args]
        seen.setdefault(expression, set()).add(holds.index(True))
        return branch(expression.args[holds.index(True)][0], point, seen)
    arguments = [branch(argument, point, seen) for argument in expression.args]
    if not isinstance(expression, SWITCHES):
        return expression.func(*arguments)
    at = [sympy.N(argument.subs(point), 30) for argument in arguments]
    if isinstance(expression, sympy.Max | sympy.Min):
        best = max(at) if isinstance(expression, sympy.Max) else min(at)
        seen.setdefault(expression, set()).add(at.index(best))
        return arguments[at.index(best)]
    assert at[0] != 0, "this point lies on a kink"
    side = 1 if at[0] > 0 else -1
    seen.setdefault(expression, set()).add(side)
    return sympy.Integer(side) if isinstance(expression, sympy.sign) else side * arguments[0]


def is_zero(expression, points, prove=True):
    """Return how it was decided that an expression is 0: "proof" or "50 digits"; None if it is not 0.

    Exponentials become positive symbols; what a derivative leaves over is then a rational function of symbols
    and logarithms, and reducing it to lowest terms decides. Where that does not, rational points do.
    """
    if prove and _cancels(expression):
        return "proof"
    residues = [abs(sympy.N(expression.subs(point), 50, maxn=500)) for point in points[:5]]
    return "50 digits" if all(residue < sympy.Float("1e-45") for residue in residues) else None


def _cancels(expression):
    plain = sympy.expand(
        expression, power_exp=True, mul=False, multinomial=False, log=False, power_base=False
    )
    plain = plain.subs({sympy.exp(symbol): sympy.Dummy(positive=True) for symbol in plain.free_symbols})
    return sympy.cancel(sympy.together(plain)) == 0


def check_derivatives(symbolic, claims, prove=True):
    """Assert of each (function, variable, claimed derivative) that it holds in every region.

    Args:
        symbolic: the loss whose symbols these are.
        claims: triples of expressions and a symbol.
        prove: whether to try a proof before digits.

    Returns:
        how that was decided, {"proof"} or with "50 digits" among it.
    """
    points, decided, seen = symbolic.points(), set(), {}
    for function, variable, claimed in claims:
        for smooth, derivative in {(branch(function, p, seen), branch(claimed, p, seen)) for p in points}:
            how = is_zero(sympy.diff(smooth, variable) - derivative, points, prove)
            assert how, f"d/d{variable} of {smooth} is {sympy.diff(smooth, variable)}, not {derivative}"
            decided.add(how)
    for switch, choices in seen.items():
        assert len(choices) > 1, f"only one side of {switch} was met"
    return decided
