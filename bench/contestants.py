"""Contestants: how each library is asked for the same results.

What a contestant needs is imported when it is prepared.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import amiss
from bench.cases import EAGER, Contestant, Ready

Pair = Any
"""Inputs with `prediction` and `target`."""

TORCH, JAX = ("torch",), ("jax",)
WHOLE = {"fullgraph": True, "dynamic": False}
"""Options of torch.compile: one graph, for the shapes of the case."""


# --- amiss -----------------------------------------------------------------------------------------------
def own(loss: amiss.Loss, method: str = "value_and_gradient", **options: Any) -> list[Contestant]:
    """Return amiss on NumPy arrays, with fresh and with reused outputs."""
    call, outputs = getattr(loss, method), 1 if method == "value_and_gradient" else 2

    def fresh(inputs: Pair) -> Ready:
        x, t = inputs.prediction, inputs.target
        return Ready(lambda: call(x, t, **options))

    def reused(inputs: Pair) -> Ready:
        x, t = inputs.prediction, inputs.target
        kept = tuple(np.empty_like(x) for _ in range(outputs))
        out = kept[0] if outputs == 1 else kept
        return Ready(lambda: call(x, t, out=out, **options))

    return [Contestant("amiss", fresh, own=True), Contestant("amiss out=", reused, own=True, reused=True)]


def own_on_torch(loss: amiss.Loss) -> Contestant:
    """Return amiss on PyTorch tensors, forward and backward."""
    return Contestant("amiss on PyTorch", tape(loss), own=True, needs=TORCH)


def own_compiled(loss: amiss.Loss, device: str) -> Contestant:
    """Return amiss' formulas under torch.compile."""
    name = "amiss, torch.compile"
    return Contestant(name, tape(loss, True, device), own=True, needs=TORCH, compiles=True)


# --- PyTorch ---------------------------------------------------------------------------------------------
def tape(
    function: Callable[..., Any], compiled: bool = False, device: str = "cpu"
) -> Callable[[Pair], Ready]:
    """Return how to prepare the mean and its gradient by PyTorch's tape."""

    def prepare(inputs: Pair) -> Ready:
        import torch

        x = torch.tensor(inputs.prediction, device=device, requires_grad=True)
        t = torch.tensor(inputs.target, device=device)
        wait = torch.cuda.synchronize if device == "cuda" else lambda: None
        loss = function
        if compiled:
            torch._dynamo.reset()  # a program of another case is not one more of this
            loss = torch.compile(lambda x, t: function(x, t), **WHOLE)  # noqa: PLW0108 - it may be a loss, not a function

        def call() -> Any:
            x.grad = None
            value = loss(x, t)
            value.backward()
            wait()
            return value

        return Ready(call, lambda value: (value.detach().cpu().numpy(), x.grad.cpu().numpy()))

    return prepare


def torch_eager(function: Callable[..., Any], device: str = "cpu") -> Contestant:
    """Return PyTorch's mean of a loss, forward and backward."""
    return Contestant(EAGER, tape(function, device=device), needs=TORCH)


def torch_compiled(function: Callable[..., Any], device: str = "cpu") -> Contestant:
    """Return the same under torch.compile, both ways in one graph each."""
    return Contestant("torch.compile", tape(function, True, device), needs=TORCH, compiles=True)


def torch_hessian(function: Callable[..., Any]) -> Contestant:
    """Return gradient and diagonal Hessian of a sum by PyTorch's tape, run twice."""

    def prepare(inputs: Pair) -> Ready:
        import torch

        x = torch.tensor(inputs.prediction, requires_grad=True)
        t = torch.tensor(inputs.target)

        def call() -> Any:
            (gradient,) = torch.autograd.grad(function(x, t) * len(x), x, create_graph=True)
            (hessian,) = torch.autograd.grad(gradient.sum(), x)
            return gradient.detach(), hessian

        return Ready(call, lambda pair: tuple(each.numpy() for each in pair))

    return Contestant(EAGER, prepare, needs=TORCH)


# --- JAX -------------------------------------------------------------------------------------------------
def jax_jit(name: str, function: Callable[..., Any], needs: Sequence[str] = JAX) -> Contestant:
    """Return the mean of a function and its gradient in one compiled program."""

    def prepare(inputs: Pair) -> Ready:
        import jax

        x, t = on_jax(inputs)
        program = jax.jit(jax.value_and_grad(lambda x, t: jax.numpy.mean(function(x, t))))
        return Ready(lambda: jax.block_until_ready(program(x, t)), arrays)

    return Contestant(name, prepare, needs=tuple(needs), compiles=True)


def jax_hessian(function: Callable[..., Any]) -> Contestant:
    """Return gradient and diagonal Hessian of a sum in one compiled program."""

    def prepare(inputs: Pair) -> Ready:
        import jax

        x, t = on_jax(inputs)

        @jax.jit
        def program(x: Any, t: Any) -> Any:
            gradient = jax.grad(lambda x: function(x, t).sum())
            return jax.jvp(gradient, (x,), (jax.numpy.ones_like(x),))

        return Ready(lambda: jax.block_until_ready(program(x, t)), arrays)

    return Contestant("JAX jit", prepare, needs=JAX, compiles=True)


def on_jax(inputs: Pair) -> tuple[Any, Any]:
    """Return the inputs as JAX takes them, class indices as its int32."""
    from jax import numpy as jnp

    target = inputs.target
    return jnp.asarray(inputs.prediction), jnp.asarray(target, "int32" if target.dtype.kind == "i" else None)


def arrays(results: Sequence[Any]) -> tuple[Any, ...]:
    """Return results as NumPy arrays."""
    return tuple(np.asarray(each) for each in results)


# --- scikit-learn and NumPy ------------------------------------------------------------------------------
def sklearn(name: str, times: float = 1.0, hessian: bool = False, **options: Any) -> list[Contestant]:
    """Return a loss of scikit-learn with fresh and reused outputs.

    It returns the losses of items and derivatives of their sum. As its linear models do, the former are
    summed and both are divided; `times` is 2 where its losses are half of others.
    """

    def prepare(reused: bool) -> Callable[[Pair], Ready]:
        def bind(inputs: Pair) -> Ready:
            from sklearn._loss import loss as losses

            loss, threads = getattr(losses, name)(**options), amiss.kernels.thread_count()
            x, t, share = (
                inputs.prediction,
                inputs.target.astype(inputs.prediction.dtype),
                times / len(inputs.target),
            )
            made: dict[str, Any] = {"n_threads": threads}
            if hessian:
                outputs = ("gradient_out", "hessian_out")
                made |= {key: np.empty_like(x) for key in outputs} if reused else {}
                return Ready(lambda: loss.gradient_hessian(t, x, **made))
            if reused:
                made |= {"loss_out": np.empty_like(t), "gradient_out": np.empty_like(x)}

            def call() -> tuple[Any, Any]:
                items, gradient = loss.loss_gradient(t, x, **made)
                gradient *= share
                return items.sum() * share, gradient

            return Ready(call)

        return bind

    needs = ("sklearn",)
    return [
        Contestant("scikit-learn", prepare(False), needs=needs),
        Contestant("scikit-learn out=", prepare(True), reused=True, needs=needs),
    ]


def numpy(function: Callable[..., Any], outputs: int = 1, buffers: int = 2) -> list[Contestant]:
    """Return NumPy as a careful user writes it.

    The function takes prediction, target, arrays for the derivatives, and arrays to work in; it returns the
    value unless it is asked for gradient and Hessian.
    """

    def bind(inputs: Pair, make: Callable[[], list[Any]]) -> Ready:
        x, t = inputs.prediction, inputs.target

        def call() -> tuple[Any, ...]:
            made = make()
            value = function(x, t, *made)
            return (*made[:outputs],) if value is None else (value, *made[:outputs])

        return Ready(call)

    def empty(inputs: Pair) -> list[Any]:
        return [np.empty_like(inputs.prediction) for _ in range(outputs + buffers)]

    def reused(inputs: Pair) -> Ready:
        kept = empty(inputs)
        return bind(inputs, lambda: kept)

    return [
        Contestant("NumPy", lambda inputs: bind(inputs, lambda: empty(inputs))),
        Contestant("NumPy out=", reused, reused=True),
    ]
