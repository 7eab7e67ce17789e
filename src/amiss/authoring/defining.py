"""A loss of one's own, from an expression or from a small class: the derivatives follow."""

import ast
import dataclasses
import inspect
import math
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from amiss.arrays import Array
from amiss.authoring.derivatives import derivative
from amiss.authoring.expressions import Reader, syntax_tree
from amiss.authoring.recording import Program, Recorder
from amiss.core import NON_NEGATIVE, PROBABILITY, REAL, SIGNS, Domain, ElementwiseLoss, Facts, Loss, parameter
from amiss.core.errors import ParameterError, suggest
from amiss.naming import parse_loss

__all__ = ["DerivedLoss", "define", "read_loss"]

DOMAINS = {"real": REAL, "positive": NON_NEGATIVE, "probability": PROBABILITY, "sign": SIGNS}
"""Words for the numbers that a prediction or a target may be."""

GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "kappa", "lambda", "mu", "nu", "rho", "sigma", "tau")
"""Names of parameters that formulas print as their letter."""


class DerivedLoss(ElementwiseLoss):
    """A loss that writes its value only: gradient and Hessian are derived from it, its facts are measured."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = (
            self._programs
        )  # now, since a compiler that traces a call later could not follow how they are found

    @cached_property
    def _programs(self) -> dict[str, Program]:
        xp = Recorder()
        prediction, target = xp.input("prediction"), xp.input("target")
        value = self._value(xp, prediction, target)
        gradient = derivative(value, prediction)
        hessian = derivative(gradient, prediction)
        if "prediction" not in Program.of(gradient).inputs:
            gradient = gradient + xp.full(0.0, prediction)  # of its shape, and NaN where that is
        if "prediction" not in Program.of(hessian).inputs:
            hessian = hessian + xp.full(0.0, prediction)
        return {"gradient": Program.of(gradient), "hessian": Program.of(hessian)}

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        return self._programs["gradient"](xp, prediction=prediction, target=target)

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        return self._programs["hessian"](xp, prediction=prediction, target=target)

    def expression(self, quantity: str = "value") -> Any:
        """Return "value", "gradient" or "hessian" of one item as a SymPy expression, simplified."""
        import sympy

        return sympy.simplify(super().expression(quantity))

    def _reading(self, quantity: str) -> tuple[Any, dict[Any, Any]]:
        return self.expression(quantity), {}

    @cached_property
    def _measured(self) -> Facts:
        from amiss.authoring.properties import measured

        return measured(self)

    @property
    def facts(self) -> Facts:
        """What `amiss.properties` measures: nobody has proved it."""
        return self._measured


class _Expression(DerivedLoss):
    """A loss that was read from text; a class is made for each text."""

    text: str
    domains: tuple[str, str]
    names: tuple[str, ...]
    program: Program

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        given = {name: getattr(self, name) for name in self.names}
        return self.program(xp, prediction=prediction, target=target, **given)

    def __str__(self) -> str:
        """The text that `read_loss` reads."""
        given = [f"{name}={getattr(self, name)!r}" for name in self.names]
        words = zip(("prediction", "target"), self.domains, strict=True)
        given += [f"{name}={word!r}" for name, word in words if word != "real"]
        return ", ".join((self.text, *given))

    def __repr__(self) -> str:
        text, _, given = str(self).partition(self.text)
        return f"define({self.text!r}{text}{given})"

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: getattr(self, name) for name in self.names}
        return _remade, (self.text, self.domains, values)


def define(
    expression: str | type, /, prediction: str = "real", target: str = "real", **parameters: float
) -> Any:
    """Return a loss of one's own; its gradient and Hessian are derived, and its facts measured.

    It works wherever a loss of the catalogue does: on NumPy, PyTorch, JAX and TensorFlow, in
    `amiss.network`, `compare`, `trace`, `plot`. `amiss.compile` gives it a kernel.

    Args:
        expression: the loss of one item as text in the names `prediction`, `target` and those of parameters,
            with + - * / **, comparisons, `a if condition else b`, and functions such as exp, log, sqrt, abs,
            tanh, maximum, where, clip, softplus, sigmoid. Or a class with such parameters as annotated fields
            with defaults, and a method `value(self, xp, prediction, target)`; then `define` is a decorator.
        prediction: which numbers a prediction may be: "real", "positive", "probability" or "sign".
        target: which numbers a target may be.
        parameters: a number for each other name in the expression.

    Shapes:
        prediction, target: (...), equal. One item per number.

    Raises:
        ParameterError: the text is no formula, a name has no value, or a value has no name.

    Notes:
        The text is never run as Python. log(1 + u), exp(u) - 1, log(1 + exp(u)), log(cosh(u)),
        1 / (1 + exp(-u)) and t * log(u) are computed in the forms that keep their digits; other differences
        may cancel. At a kink the gradient is 0 for abs, and the mean of both slopes for maximum and minimum.

    Examples:
        >>> import amiss
        >>> loss = amiss.define("sqrt((prediction - target)**2 + eps**2) - eps", eps=3.0)
        >>> float(loss([4.0], [0.0])), float(loss.gradient([4.0], [0.0])[0])  # sqrt(16 + 9) - 3; 4 / 5
        (2.0, 0.8)
        >>> loss
        define('sqrt((prediction - target)**2 + eps**2) - eps', eps=3.0)
    """
    if isinstance(expression, type):
        return _from_class(expression, _domain("prediction", prediction), _domain("target", target))
    for name, value in parameters.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | np.number)
            or not math.isfinite(value)
        ):
            raise ParameterError(f"define: {name} must be a finite number; got {value!r}.")
    kind = _class_of(expression, (prediction, target), tuple(parameters))
    return kind(**{name: float(value) for name, value in parameters.items()})


def read_loss(text: str) -> Loss:
    """Return a loss from the text of a command: one of the catalogue, or an expression with its parameters.

    Raises:
        ParameterError: it is neither.

    Examples:
        >>> read_loss("abs(prediction - target)**p, p=1.5")
        define('abs(prediction - target)**p', p=1.5)
        >>> read_loss("huber(delta=2)")
        Huber(delta=2.0)
    """
    if "prediction" not in text or "target" not in text:
        return parse_loss(text)
    text = text.strip()
    call = text if text.startswith("define(") else f"define({text})"
    match syntax_tree(call, "define: expression").body:
        case [ast.Expr(value=ast.Call(args=[body], keywords=words))] if all(word.arg for word in words):
            given = {str(word.arg): _literal(word.value) for word in words}
            quoted = isinstance(body, ast.Constant) and isinstance(body.value, str)
            written = body.value if quoted else ast.get_source_segment(call, body)  # type: ignore[attr-defined]
            return define(written, **given)  # type: ignore[no-any-return]
    raise ParameterError(
        f"define: expression must be a formula, and after it each parameter as name=number; got {text!r}."
    )


def _literal(tree: ast.expr) -> Any:
    try:
        return ast.literal_eval(tree)
    except ValueError:
        raise ParameterError(
            f"define: a parameter must be a number; got {ast.unparse(tree)[:40]!r}."
        ) from None


def _domain(name: str, word: str) -> Domain:
    if word not in DOMAINS:
        hint = suggest(str(word), DOMAINS)
        raise ParameterError(f"define: {name} must be one of {', '.join(DOMAINS)}; got {word!r}.{hint}")
    return DOMAINS[word]


@lru_cache(maxsize=256)
def _class_of(text: str, words: tuple[str, str], names: tuple[str, ...]) -> type[_Expression]:
    """Return the class of a text, the same for the same text: so losses of equal parameters are equal."""
    tree = syntax_tree(text.strip() if isinstance(text, str) else text, "define: expression").body
    xp = Recorder()
    known = {name: xp.input(name) for name in ("prediction", "target", *names)}
    match tree:
        case [ast.Expr(value=body)]:
            program = Program.of(Reader(xp, known).read(body))
        case _:
            raise ParameterError(
                f"define: expression must be one formula, without =; got {text.strip()[:60]!r}."
            )
    for name in known:
        if name not in program.inputs:
            remedy = "Leave it out." if name in names else "Else there is nothing to learn."
            raise ParameterError(f"define: expression must use {name}; got {text.strip()[:60]!r}. {remedy}")
    for name in names:
        if hasattr(ElementwiseLoss, name):
            raise ParameterError(f"define: a parameter must have a name of its own; got {name!r}. Rename it.")
    domains = {
        "prediction_domain": _domain("prediction", words[0]),
        "target_domain": _domain("target", words[1]),
    }
    given = {
        "text": text.strip(),
        "domains": words,
        "names": names,
        "program": program,
        "__doc__": "A loss of one's own.",
    }
    fields = {name: _parameter(1.0, name) for name in names}
    return _frozen("Expression", _Expression, fields, {**given, **domains, "__module__": __name__})


def _remade(text: str, words: tuple[str, str], values: dict[str, float]) -> Any:
    return _class_of(text, words, tuple(values))(**values)


def _from_class(given: type, prediction: Domain, target: Domain) -> Any:
    """Return a class of losses from a small one with fields and a method `value`."""
    if not callable(getattr(given, "value", None)):
        raise ParameterError(
            f"define: {given.__name__} must have a method value(self, xp, prediction, target); it has none."
        )
    fields = {}
    for name in inspect.get_annotations(given):
        if not isinstance(getattr(given, name, None), int | float):
            raise ParameterError(
                f"define: {given.__name__}.{name} must have a number as its default; got none."
            )
        fields[name] = _parameter(float(getattr(given, name)), name)
    kept = {
        key: value for key, value in vars(given).items() if key not in (*fields, "__dict__", "__weakref__")
    }
    kept |= {"_value": given.value, "prediction_domain": prediction, "target_domain": target}
    return _frozen(given.__name__, DerivedLoss, fields, kept)


def _parameter(default: float, name: str) -> Any:
    symbol = {"eps": r"\varepsilon"}.get(name, f"\\{name}" if name in GREEK else name)
    return parameter(default, domain=REAL, typical=(default, default), symbol=symbol)


def _frozen(name: str, base: type, fields: dict[str, Any], kept: dict[str, Any]) -> Any:
    """Return a frozen dataclass; it compares, hashes and copies as a loss of the catalogue does."""
    body = {**kept, **fields, "__annotations__": dict.fromkeys(fields, float)}
    own_text = "__repr__" in vars(base)
    return dataclasses.dataclass(frozen=True, repr=not own_text)(type(base)(name, (base,), body))
