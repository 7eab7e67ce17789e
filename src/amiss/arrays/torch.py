"""The namespace on PyTorch tensors: eager, compiled, and under `torch.func`.

Two pairs of `autograd.Function` attach the analytic gradient. Eager code and `torch.func` use the pair with a
`jvp`; while compiling, the plain pair is used, since Dynamo takes neither a `jvp` nor a Function applied
inside another's backward pass. PyTorch refuses a second derivative through a compiled graph in any case.
"""

from typing import Any

import torch

from amiss import kernels
from amiss.arrays.array_namespace import ArrayNamespace
from amiss.arrays.namespace import Array, Formulas
from amiss.arrays.products import MatrixProducts

__all__ = ["TorchNamespace", "is_array", "namespace", "reduced", "untraced"]


def is_array(value: object) -> bool:
    """Return whether `value` is a tensor."""
    return isinstance(value, torch.Tensor)


def namespace(array: Any) -> "TorchNamespace":
    """Return the namespace bound to the dtype and device of `array`."""
    return _namespace(array.dtype, array.device)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def untraced(function: Any, *arguments: Any) -> Any:
    """Return what a function gives; a program that is being compiled leaves it to Python."""
    return function(*arguments)


class TorchNamespace(MatrixProducts, ArrayNamespace):
    """PyTorch, whose names mostly are those of the array API standard."""

    library = "torch"

    def constant(self, value: Any) -> Array:
        return torch.full((), value, dtype=self.dtype, device=self.device)

    def sign(self, x: Array) -> Array:
        return torch.where(torch.isnan(x), x, torch.sign(x))  # PyTorch's own sign of NaN is 0

    def sum(self, x: Array) -> Array:
        return torch.sum(x, dim=-1, keepdim=True)

    def max(self, x: Array) -> Array:
        return torch.amax(x, dim=-1, keepdim=True)

    def over_items(self, x: Array) -> Array:
        return torch.sum(x, dim=-2, keepdim=True)

    def largest_size(self, x: Array) -> Array:
        padded = torch.nn.functional.pad(x, (0, 0, 0, 1))  # amax of nothing raises
        return torch.amax(torch.abs(padded), dim=-2, keepdim=True)

    def kind(self, x: Array) -> str:
        if x.dtype.is_floating_point:
            return "floating"
        if x.dtype == torch.bool:
            return "bool"
        return "other" if x.dtype.is_complex else "integral"

    def astype(self, x: Array, dtype: Any) -> Array:
        return x.to(dtype)

    def concatenate(self, x: Array, y: Array) -> Array:
        return torch.cat((x, y), dim=-1)

    def asarray(self, x: Any) -> Array:
        return x if isinstance(x, torch.Tensor) else torch.as_tensor(x, device=self.device)

    def zeros(self, like: Array) -> Array:
        return torch.zeros(
            like.shape, dtype=like.dtype if like.is_floating_point() else None, device=like.device
        )

    def is_half(self) -> bool:
        return self.dtype in (torch.float16, torch.bfloat16)

    def single(self) -> "TorchNamespace":
        return _namespace(torch.float32, self.device)

    def readable(self, x: Array) -> bool:
        return (
            not torch.compiler.is_compiling()
            and type(x) in (torch.Tensor, torch.nn.Parameter)
            and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        )

    def visible(self, x: Array) -> bool:
        return self.readable(x) and x.device.type == "cpu"

    def numbers(self, x: Array) -> Any:
        return x.detach().resolve_neg().cpu().numpy()

    def host(self, *arrays: Array) -> tuple[Any, ...] | None:
        if self.dtype not in (torch.float32, torch.float64) or not all(map(self.visible, arrays)):
            return None
        return tuple(array.detach().resolve_neg().numpy() for array in arrays)

    def from_host(self, array: Any) -> Array:
        return torch.from_numpy(array)

    def set_product(self, out: Array, a: Array, b: Array) -> None:
        if a.dtype == out.dtype:
            torch.mm(a, b, out=out)
        else:
            out.copy_(torch.mm(a, b))

    def add_product(self, out: Array, a: Array, b: Array, step: int) -> None:
        if a.dtype == out.dtype:
            out.addmm_(a, b)
        else:
            super().add_product(out, a, b, step)

    def nonzero(self, condition: Array) -> Array:
        return torch.nonzero(condition)[:, 0]

    def untracked(self, x: Array) -> Array:
        return x.detach()

    def with_gradients(self, work: Any, *operands: Array | None) -> Array:
        return _Work.apply(work, *operands)

    def differentiable(self, formulas: Formulas, prediction: Array, target: Array) -> Array:
        value = _CompiledValue if torch.compiler.is_compiling() else _Value
        return value.apply(formulas, self, prediction, target)


# --- kernels on the memory of tensors ---------------------------------------------------------------------
_PLAIN = (torch.Tensor, torch.nn.Parameter)
# Since PyTorch 2.10; before that, tensors go by way of NumPy.
_exchange = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)


def _is_constant(x: Any) -> bool:
    """Return whether the numbers of a tensor are those in its memory, and nobody asks for a derivative."""
    return type(x) in _PLAIN and not (x.requires_grad or x.is_neg())


def is_eager() -> bool:
    """Return whether operations run now, and are seen by nothing but the tape of reverse mode."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
    )


def reduced(loss: Any, reduction: str, divisor: float, prediction: Any, target: Any, weight: Any) -> Any:
    """Return the reduced loss of plain tensors from one pass of a kernel, which finds the gradient too.

    Args:
        loss: what has a `_kernel`, and computes in steps what is differentiable twice.
        reduction: how it reduces.
        divisor: the same as `amiss.kernels.evaluate` takes it.
        prediction: of floating-point numbers.
        target: of the same shape, or of that of the items.
        weight: of the shape of the items, or None.

    Returns None where the kernel does not serve.
    """
    if _exchange is None or not is_eager() or type(prediction) not in _PLAIN or prediction.is_neg():
        return None
    if not (_is_constant(target) and (weight is None or _is_constant(weight))):
        return None
    wanted = prediction.requires_grad and torch.is_grad_enabled()
    found = kernels.evaluate_tensors(loss._kernel, _exchange, divisor, wanted, prediction, target, weight)
    if found is None:
        return None
    return _attach(prediction, (*found, loss, reduction, target, weight)) if wanted else found[0]


class _Known(torch.autograd.Function):  # type: ignore[misc]
    """A value whose gradient was found with it. A second derivative computes both again, step by step."""

    @staticmethod
    def forward(ctx: Any, prediction: Array, known: tuple[Any, ...]) -> Array:
        value, ctx.gradient, ctx.loss, ctx.reduction, target, weight = known
        ctx.save_for_backward(prediction, target, weight)
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Array) -> Any:
        gradient, ctx.gradient = ctx.gradient, None  # whoever gets it may write to it
        if gradient is None or torch.is_grad_enabled():
            prediction, target, weight = ctx.saved_tensors
            with torch.enable_grad():
                value = ctx.loss._in_steps(("value",), prediction, target, weight, ctx.reduction)[0]
            differentiable = torch.is_grad_enabled()
            return torch.autograd.grad(value, prediction, upstream, create_graph=differentiable)[0], None
        return gradient if upstream.item() == 1.0 else gradient * upstream, None


# The C++ part of `apply`: what Python does before it serves `torch.func` only, which is not active.
_attach = super(torch.autograd.Function, _Known).apply


def _namespace(dtype: Any, device: Any) -> TorchNamespace:
    return TorchNamespace(torch, dtype, device)


def _target_pull(formula: Any, target: Array, upstream: Array) -> Array:
    """Differentiate a formula in the target, where no analytic form is written, by reverse mode."""
    return torch.func.vjp(formula, target)[1](upstream)[0]


def _target_push(formula: Any, target: Array, along: Array | None) -> Array | float:
    """Differentiate a formula in the target along a direction; None stands for zero.

    By reverse mode of reverse mode, which is linear, as forward mode must not be nested in itself.
    """
    if along is None:
        return 0.0
    value, pull = torch.func.vjp(formula, target)
    return torch.func.vjp(lambda upstream: pull(upstream)[0], torch.zeros_like(value))[1](along)[0]


class _Value(torch.autograd.Function):  # type: ignore[misc]
    """The value of each item; its derivative is the gradient formula."""

    generate_vmap_rule = True

    @staticmethod
    def forward(formulas: Formulas, xp: Any, prediction: Array, target: Array) -> Array:
        return formulas._evaluate(xp, "value", prediction, target)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.formulas, ctx.xp, prediction, target = inputs
        ctx.set_materialize_grads(False)  # no direction is None, not zeros
        ctx.save_for_backward(prediction, target)
        ctx.save_for_forward(prediction, target)

    @staticmethod
    def backward(ctx: Any, upstream: Array | None) -> Any:
        if upstream is None:
            return None, None, None, None
        formulas, xp, (prediction, target) = ctx.formulas, ctx.xp, ctx.saved_tensors
        by_prediction = by_target = None
        if ctx.needs_input_grad[2]:
            by_prediction = _Gradient.apply(formulas, xp, prediction, target) * formulas._spread(xp, upstream)
        if ctx.needs_input_grad[3]:
            by_target = _target_pull(
                lambda t: formulas._evaluate(xp, "value", prediction, t), target, upstream
            )
        return None, None, by_prediction, by_target

    @staticmethod
    def jvp(ctx: Any, _f: Any, _x: Any, along: Array | None, target_along: Array | None) -> Array:
        formulas, xp, (prediction, target) = ctx.formulas, ctx.xp, ctx.saved_tensors
        change = _target_push(lambda t: formulas._evaluate(xp, "value", prediction, t), target, target_along)
        if along is not None:
            change = change + formulas._contract(xp, _Gradient.apply(formulas, xp, prediction, target), along)
        return change


class _Gradient(torch.autograd.Function):  # type: ignore[misc]
    """The gradient of each item; its derivative is the Hessian formula."""

    generate_vmap_rule = True

    @staticmethod
    def forward(formulas: Formulas, xp: Any, prediction: Array, target: Array) -> Array:
        return formulas._evaluate(xp, "gradient", prediction, target)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _Value.setup_context(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, along: Array | None) -> Any:
        if along is None:
            return None, None, None, None
        formulas, xp, (prediction, target) = ctx.formulas, ctx.xp, ctx.saved_tensors
        by_prediction = by_target = None
        if ctx.needs_input_grad[2]:  # a Hessian is symmetric: forward and reverse are one product
            by_prediction = formulas._evaluate(xp, "hessian_product", prediction, target, along)
        if ctx.needs_input_grad[3]:
            by_target = _target_pull(
                lambda t: formulas._evaluate(xp, "gradient", prediction, t), target, along
            )
        return None, None, by_prediction, by_target

    @staticmethod
    def jvp(ctx: Any, _f: Any, _x: Any, along: Array | None, target_along: Array | None) -> Array:
        formulas, xp, (prediction, target) = ctx.formulas, ctx.xp, ctx.saved_tensors
        change = _target_push(
            lambda t: formulas._evaluate(xp, "gradient", prediction, t), target, target_along
        )
        if along is not None:
            change = change + formulas._evaluate(xp, "hessian_product", prediction, target, along)
        return change


class _CompiledValue(torch.autograd.Function):  # type: ignore[misc]
    """The value of each item with its gradient formula, in the form that Dynamo traces."""

    @staticmethod
    def forward(formulas: Formulas, xp: Any, prediction: Array, target: Array) -> Array:
        return formulas._evaluate(xp, "value", prediction, target)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.formulas, ctx.xp, prediction, target = inputs
        ctx.save_for_backward(prediction, target)

    @staticmethod
    def backward(ctx: Any, upstream: Array) -> Any:
        formulas, xp, (prediction, target) = ctx.formulas, ctx.xp, ctx.saved_tensors
        by_target = None
        if ctx.needs_input_grad[3]:
            by_target = _target_pull(
                lambda t: formulas._evaluate(xp, "value", prediction, t), target, upstream
            )
        by_prediction = formulas._evaluate(xp, "gradient", prediction, target) * formulas._spread(
            xp, upstream
        )
        return None, None, by_prediction, by_target


class _Work(torch.autograd.Function):  # type: ignore[misc]
    """A value whose gradients are computed with it, since both read the same large arrays.

    They are held for one backward pass, which may keep them as they are. A second pass through a retained
    graph computes them again, as does the first where it is only there that the upstream derivative is known
    to be one number, or where float16 needs its scale.
    """

    @staticmethod
    def forward(ctx: Any, work: Any, *operands: Array | None) -> Array:
        ctx.work, wanted = work, ctx.needs_input_grad[1:]
        ctx.save_for_backward(*operands)
        later = not work.is_scalar or any(x is not None and x.dtype == torch.float16 for x in operands)
        value, gradients = work.run(operands, (False,) * len(operands) if later else wanted)
        ctx.gradients = None if later else gradients
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Array) -> Any:
        operands, gradients, ctx.gradients = ctx.saved_tensors, ctx.gradients, None
        with torch.no_grad():
            if gradients is None:
                gradients = ctx.work.run(operands, ctx.needs_input_grad[1:], upstream)[1]
            elif upstream.device.type != "cpu" or upstream != 1.0:
                for gradient in gradients:
                    if gradient is not None:
                        gradient.mul_(upstream)
        if torch.is_grad_enabled():
            inputs = [upstream, *(x for x in operands if x is not None)]
            gradients = [None if x is None else _Final.apply(ctx.work, x, *inputs) for x in gradients]
        return None, *gradients


class _Final(torch.autograd.Function):  # type: ignore[misc]
    """A gradient that depends on its inputs, and that cannot be differentiated in them."""

    @staticmethod
    def forward(ctx: Any, work: Any, gradient: Array, *inputs: Array) -> Array:
        ctx.work = work
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, upstream: Array) -> Any:
        raise ctx.work.no_second_derivative()
