"""One step of one network in NumPy, PyTorch, Keras and JAX, each with what that framework has itself.

Layers, loss, derivative and optimiser are the framework's own; every step returns the same quantities.
"""

import copy
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from amiss.core.errors import ParameterError, ShapeError
from amiss.kernels.products import product
from amiss.network import Adam, Network
from amiss.parities.case import Case, Step, comparable, fitting, in_double, named, needed
from amiss.parities.keras_step import keras_step
from amiss.parities.losses import peer_loss

__all__ = ["FRAMEWORKS", "numpy_step", "step_of_torch"]


# --- NumPy -------------------------------------------------------------------------------------------------
def numpy_step(case: Case, weights_above: Network | None = None) -> Step:
    """Make the step with the network from scratch; `weights_above` has other weights to carry deltas down."""
    network, deltas = case.network, []
    activations = network.forward(case.x)
    value, doutput = case.loss.value_and_gradient(activations[-1], case.y)
    gradient, moved = np.empty_like(network.parameters), network.parameters.copy()
    carriers = (weights_above or network).split((weights_above or network).parameters)
    delta = doutput
    for n in reversed(range(len(network.layers))):
        below, a, out = activations[n], activations[n + 1], network.split(gradient)[n]
        delta = network.layers[n].backward(delta, below, a, out=out)
        deltas.insert(0, delta)
        delta = product(delta, carriers[n][0].T)
    case.optimizer.start(moved, gradient)()
    parts = [network.split(buffer) for buffer in (network.parameters, gradient, moved)]
    found = named(*parts, deltas, output=activations[-1], loss=value, doutput=doutput)
    return Step(comparable(network, found), network.dtype)


# --- PyTorch -----------------------------------------------------------------------------------------------
def torch_step(case: Case) -> Step:
    """Make the step with Linear layers, a loss of torch.nn, autograd and an optimiser of torch.optim."""
    torch = needed("torch")
    nn, dtype = torch.nn, getattr(torch, case.network.dtype)
    activations = {
        "identity": nn.Identity,
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "softmax": lambda: nn.Softmax(dim=-1),
    }
    modules: list[Any] = []
    for layer, (weight, *bias) in zip(case.network.layers, case.weights, strict=True):
        linear = nn.Linear(layer.inputs, layer.outputs, bias=layer.bias, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weight.T))
            if bias:
                linear.bias.copy_(torch.tensor(bias[0]))
        modules += [linear, activations[layer.activation]()]
    model = nn.Sequential(*modules)
    loss, note = peer_loss("torch", case.loss, case.y)
    rate, adam = case.optimizer.learning_rate, case.optimizer
    if isinstance(adam, Adam):
        optimizer = torch.optim.Adam(
            model.parameters(), lr=rate, betas=(adam.beta1, adam.beta2), eps=adam.epsilon
        )
    else:
        optimizer = torch.optim.SGD(
            model.parameters(), lr=rate, momentum=adam.momentum, nesterov=adam.nesterov
        )
    return step_of_torch(model, loss, optimizer, case.scaled, case.y, note)


def step_of_torch(
    model: Any,
    loss: Callable,
    optimizer: Any,
    x: np.ndarray,
    y: np.ndarray,
    note: str = "",
    weights: Sequence[np.ndarray] | None = None,
) -> Step:
    """Make one step of a copy of a torch model, in evaluation mode. Its layers are those that are Linear.

    `weights` are copied into it first.
    """
    torch = needed("torch")
    if not callable(loss) or not hasattr(optimizer, "zero_grad"):
        got = f"{type(loss).__name__} and {type(optimizer).__name__}"
        raise ParameterError(
            f"parity: with a torch model must come its loss function, then its optimiser; got {got}."
        )
    model, optimizer = copy.deepcopy((model, optimizer))  # together, so that it still moves these parameters
    model.eval()
    linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    if not linears:
        raise ParameterError(f"parity: a torch model must have Linear layers; got {model!r}.")
    if weights is not None:
        held = [p for linear in linears for p in (linear.weight, linear.bias) if p is not None]
        with torch.no_grad():
            turned = [p.T if p.ndim == 2 else p for p in held]  # views, so that what is copied arrives
            for parameter, given in zip(turned, fitting(turned, weights), strict=True):
                parameter.copy_(torch.tensor(given))
    zs: dict[Any, Any] = {}

    def keep(module: Any, _: Any, z: Any) -> Any:
        z.retain_grad()
        zs[module] = z
        return z.clone()  # what an activation in place may write over

    hooks = [linear.register_forward_hook(keep) for linear in linears]
    first = linears[0].weight
    output = model(torch.tensor(x, dtype=first.dtype, device=first.device))
    for hook in hooks:
        hook.remove()
    output.retain_grad()
    whole = y.dtype.kind in "iu" and y.shape != tuple(output.shape)  # indices of classes
    target = torch.tensor(y, dtype=torch.long if whole else first.dtype, device=first.device)
    value = loss(output, target)
    if tuple(value.shape):
        raise ShapeError(
            f"parity: a torch loss must be one number; got shape {tuple(value.shape)}. Reduce it."
        )
    optimizer.zero_grad()
    value.backward()

    def split(part: Callable) -> list[list[np.ndarray]]:
        return [
            [_numpy(part(p)).T for p in (linear.weight, linear.bias) if p is not None] for linear in linears
        ]

    before, gradient = split(lambda p: p), split(lambda p: torch.zeros_like(p) if p.grad is None else p.grad)
    optimizer.step()
    deltas = [_numpy(zs[linear].grad) if linear in zs else None for linear in linears]
    rest = {"output": _numpy(output), "loss": _numpy(value), "doutput": _numpy(output.grad)}
    found = named(before, gradient, split(lambda p: p), deltas, **rest)
    return Step(found, str(first.dtype).removeprefix("torch."), (note,) if note else ())


def _numpy(tensor: Any) -> Any:
    return None if tensor is None else tensor.detach().cpu().numpy().copy()


# --- JAX ---------------------------------------------------------------------------------------------------
def jax_step(case: Case) -> Step:
    """Make the step with jax.nn, jax.value_and_grad, and a loss and an optimiser of optax."""
    jax, optax = needed("jax"), importlib.import_module("optax")
    jnp, optimizer = jax.numpy, case.optimizer
    activations = {"identity": lambda z: z, "tanh": jnp.tanh} | {
        name: getattr(jax.nn, name) for name in ("relu", "sigmoid", "softmax")
    }
    objective, note = peer_loss("jax", case.loss, case.y)
    if isinstance(optimizer, Adam):
        moments = {"b1": optimizer.beta1, "b2": optimizer.beta2, "eps": optimizer.epsilon}
        transformation = optax.adam(optimizer.learning_rate, **moments)
    else:
        momentum = optimizer.momentum or None
        transformation = optax.sgd(optimizer.learning_rate, momentum, nesterov=optimizer.nesterov)
    with in_double(jax, case.network.dtype == "float64"):
        x, y = jnp.asarray(case.scaled), jnp.asarray(case.target)
        weights = jax.tree.map(jnp.asarray, case.weights)
        probes = [jnp.zeros((len(x), layer.outputs), x.dtype) for layer in case.network.layers]

        def forward(weights: Any, probes: Any) -> tuple:
            a = x
            for layer, (weight, *bias), probe in zip(case.network.layers, weights, probes, strict=True):
                z = a @ weight + (bias[0] if bias else 0.0) + probe  # the derivative by the probe is dL/dz
                a = activations[layer.activation](z)
            return objective(a, y), a

        (value, output), (gradient, deltas) = jax.value_and_grad(forward, argnums=(0, 1), has_aux=True)(
            weights, probes
        )
        doutput = jax.grad(lambda output: objective(output, y))(output)
        updates, _ = transformation.update(gradient, transformation.init(weights), weights)
        moved = optax.apply_updates(weights, updates)
        found = named(weights, gradient, moved, deltas, output=output, loss=value, doutput=doutput)
    return Step(found, case.network.dtype, (note,) if note else ())


FRAMEWORKS = {"numpy": numpy_step, "torch": torch_step, "keras": keras_step, "jax": jax_step}
"""A function of a `Case` for each framework."""
