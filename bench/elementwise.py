"""Losses of single numbers: each with the functions of its peers, at several sizes and dtypes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import amiss
from bench import contestants as by
from bench import plain
from bench.cases import Case, Contestant, Targets
from bench.inputs import (
    TOLERANCE,
    Draw,
    counted,
    drawn,
    exact,
    labelled,
    measured,
    probable,
    rated,
    signed,
)

LARGE = 1 << 24


# --- losses and their peers --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Declared:
    """A loss with what its peers call it.

    Args:
        loss: that of amiss.
        draw: its inputs.
        plain: in NumPy, and how many arrays it works in.
        torch: the mean, of torch, torch.nn.functional, prediction and target.
        jax: each item, of jax, prediction and target.
        optax: the name of a function.
        keras: the name of a function, which takes the mean.
        sklearn: the name of a class, and what its losses are multiplied by.
        options: of optax, Keras and scikit-learn, by library.
    """

    loss: Any
    draw: Draw
    plain: tuple[Callable[..., Any], int] | None = None
    torch: Callable[..., Any] | None = None
    jax: Callable[..., Any] | None = None
    optax: str | None = None
    keras: str | None = None
    sklearn: tuple[str, float] | None = None
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        given = getattr(self.loss, "input", None)
        suffix = f"({given})" if given in ("probabilities", "rate") else ""
        return type(self.loss).__name__ + suffix

    def of_torch(self) -> Callable[..., Any]:
        """Return the mean as a function of tensors."""

        def mean(x: Any, t: Any) -> Any:
            import torch

            return self.torch(torch, torch.nn.functional, x, t)

        return mean

    def contestants(self) -> tuple[Contestant, ...]:
        """Return everyone who can compute the mean and its gradient."""
        found = [*by.own(self.loss), by.own_on_torch(self.loss)]
        if self.plain:
            found += by.numpy(self.plain[0], buffers=self.plain[1])
        if self.torch:
            found += [by.torch_eager(self.of_torch()), by.torch_compiled(self.of_torch())]
        if self.jax:
            found += [by.jax_jit("JAX jit", self.of_jax())]
        if self.optax:
            found += [by.jax_jit("optax jit", self._optax, ("jax", "optax"))]
        if self.keras:
            found += [by.jax_jit("Keras on JAX jit", self._keras, ("jax", "keras"))]
        if self.sklearn:
            name, times = self.sklearn
            found += by.sklearn(name, times, **self.options.get("sklearn", {}))
        return tuple(found)

    def of_jax(self) -> Callable[..., Any]:
        def items(x: Any, t: Any) -> Any:
            import jax

            return self.jax(jax, x, t)

        return items

    def _optax(self, x: Any, t: Any) -> Any:
        import optax

        return getattr(optax.losses, self.optax)(x, t, **self.options.get("optax", {}))

    def _keras(self, x: Any, t: Any) -> Any:
        import keras

        return getattr(keras.losses, self.keras)(t, x, **self.options.get("keras", {}))

    def case(self, size: int, dtype: str, targets: Targets) -> Case:
        """Return the case of value and gradient."""
        return Case(
            f"{self.name}/value+gradient/{dtype}/{size}",
            drawn(self.draw, size, dtype),
            self.contestants(),
            exact(self.loss, hessian=False),
            dtype,
            TOLERANCE[dtype],
            targets,
            traffic=3 * size * np.dtype(dtype).itemsize,
        )

    def hessian_case(self, size: int, dtype: str, others: tuple[Contestant, ...], targets: Targets) -> Case:
        """Return the case of gradient and Hessian of the sum."""
        own = by.own(self.loss, "gradient_and_hessian", reduction="sum")
        name, _ = self.sklearn
        booster = by.sklearn(name, hessian=True)
        return Case(
            f"{self.name}/gradient+Hessian/{dtype}/{size}" + ("" if others else "/scikit-learn"),
            drawn(self.draw, size, dtype),
            (*own, *others, *booster),
            exact(self.loss, hessian=True),
            dtype,
            TOLERANCE[dtype],
            targets,
            traffic=4 * size * np.dtype(dtype).itemsize,
        )


SQUARED = Declared(
    amiss.SquaredError(),
    measured,
    (plain.squared_error, 0),
    lambda torch, f, x, t: f.mse_loss(x, t),
    lambda jax, x, t: jax.numpy.square(x - t),
    optax="squared_error",
    keras="mean_squared_error",
    sklearn=("HalfSquaredError", 2.0),
)
HUBER = Declared(
    amiss.Huber(delta=1.0),
    measured,
    (plain.huber, 1),
    lambda torch, f, x, t: f.huber_loss(x, t),
    lambda jax, x, t: jax.numpy.where(abs(x - t) <= 1, 0.5 * (x - t) ** 2, abs(x - t) - 0.5),
    optax="huber_loss",
    keras="huber",
    sklearn=("HuberLoss", 1.0),
    options={"sklearn": {"delta": 1.0}},
)
BINARY = Declared(
    amiss.BinaryCrossEntropy(),
    labelled,
    (plain.binary_cross_entropy, 1),
    lambda torch, f, x, t: f.binary_cross_entropy_with_logits(x, t),
    lambda jax, x, t: jax.nn.softplus(x) - t * x,
    optax="sigmoid_binary_cross_entropy",
    keras="binary_crossentropy",
    sklearn=("HalfBinomialLoss", 1.0),
    options={"keras": {"from_logits": True}},
)
POISSON = Declared(
    amiss.Poisson(),
    counted,
    (plain.poisson, 0),
    lambda torch, f, x, t: f.poisson_nll_loss(x, t),
    lambda jax, x, t: jax.numpy.exp(x) - t * x,
    sklearn=("HalfPoissonLoss", 1.0),
)


def torch_focal(torch: Any, f: Any, x: Any, t: Any) -> Any:
    """As in torchvision, without its balance of classes."""
    p, cost = torch.sigmoid(x), f.binary_cross_entropy_with_logits(x, t, reduction="none")
    return (cost * (1 - (p * t + (1 - p) * (1 - t))) ** 2).mean()


OTHERS = (
    Declared(
        amiss.AbsoluteError(),
        measured,
        (plain.absolute_error, 1),
        lambda torch, f, x, t: f.l1_loss(x, t),
        lambda jax, x, t: abs(x - t),
        keras="mean_absolute_error",
        sklearn=("AbsoluteError", 1.0),
    ),
    Declared(
        amiss.LogCosh(),
        measured,
        (plain.log_cosh, 1),
        lambda torch, f, x, t: torch.logaddexp(x - t, t - x).mean() - 0.6931471805599453,
        lambda jax, x, t: jax.numpy.logaddexp(x - t, t - x) - 0.6931471805599453,
        optax="log_cosh",
        keras="log_cosh",
    ),
    Declared(
        amiss.Pinball(quantile=0.75),
        measured,
        (plain.pinball, 1),
        lambda torch, f, x, t: torch.maximum(0.75 * (t - x), 0.25 * (x - t)).mean(),
        lambda jax, x, t: jax.numpy.maximum(0.75 * (t - x), 0.25 * (x - t)),
        sklearn=("PinballLoss", 1.0),
        options={"sklearn": {"quantile": 0.75}},
    ),
    POISSON,
    Declared(
        amiss.Poisson(input="rate"),
        rated,
        torch=lambda torch, f, x, t: f.poisson_nll_loss(x, t, log_input=False, eps=0.0),
        jax=lambda jax, x, t: x - jax.scipy.special.xlogy(t, x),
        keras="poisson",
    ),
    Declared(
        amiss.BinaryCrossEntropy(input="probabilities"),
        probable,
        torch=lambda torch, f, x, t: f.binary_cross_entropy(x, t),
        jax=lambda jax, x, t: -t * jax.numpy.log(x) - (1 - t) * jax.numpy.log1p(-x),
        keras="binary_crossentropy",
    ),
    Declared(
        amiss.Hinge(),
        signed,
        (plain.hinge, 1),
        lambda torch, f, x, t: f.relu(1 - x * t).mean(),
        lambda jax, x, t: jax.nn.relu(1 - x * t),
        optax="hinge_loss",
        keras="hinge",
    ),
    Declared(
        amiss.SquaredHinge(),
        signed,
        (plain.squared_hinge, 0),
        lambda torch, f, x, t: f.relu(1 - x * t).square().mean(),
        lambda jax, x, t: jax.nn.relu(1 - x * t) ** 2,
        keras="squared_hinge",
    ),
    Declared(
        amiss.BinaryFocal(),
        labelled,
        torch=torch_focal,
        optax="sigmoid_focal_loss",
        keras="binary_focal_crossentropy",
        options={"keras": {"from_logits": True}},
    ),
)


# --- cases -----------------------------------------------------------------------------------------------
def hessians() -> tuple[Contestant, ...]:
    """Return who else computes gradient and Hessian of binary cross-entropy."""
    return (
        *by.numpy(plain.binary_cross_entropy_hessian, outputs=2, buffers=0),
        by.torch_hessian(BINARY.of_torch()),
        by.jax_hessian(BINARY.of_jax()),
    )


def cases() -> Iterator[Case]:
    """Yield the cases of value and gradient, and of gradient and Hessian."""
    for declared, best, eager in ((SQUARED, 1.3, 2.5), (HUBER, 1.3, 2.5), (BINARY, 1.5, 4.0)):
        for dtype in TOLERANCE:
            for size in (1000, 100_000, LARGE):
                triad = 0.85 if size == LARGE and declared is not BINARY else None
                yield declared.case(size, dtype, Targets(best, eager, triad=triad))
                if declared is BINARY:
                    yield declared.hessian_case(size, dtype, hessians(), Targets(best, eager))
    for declared in OTHERS:
        for dtype in TOLERANCE:
            yield declared.case(1_000_000, dtype, Targets(1.3, 3.0))
    for declared in (BINARY, POISSON):
        for size in (100_000, 10_000_000):
            yield declared.hessian_case(size, "float64", (), Targets(3.0))


def cuda_cases() -> Iterator[Case]:
    """Yield the formulas under torch.compile beside PyTorch on a CUDA device."""
    for declared in (SQUARED, HUBER, BINARY, *OTHERS):
        peers = (make(declared.of_torch(), device="cuda") for make in (by.torch_eager, by.torch_compiled))
        yield Case(
            f"cuda/{declared.name}/value+gradient/float32/{LARGE}",
            drawn(declared.draw, LARGE, "float32"),
            (by.own_compiled(declared.loss, "cuda"), *peers),
            exact(declared.loss, hessian=False),
            targets=Targets(),
            traffic=3 * LARGE * 4,
        )
