"""Every loss as a module of PyTorch: what a module can do, and the loss's own numbers."""

import copy
import inspect
import pickle
import subprocess
import sys
import warnings

import pytest
import torch
from losses_under_test import array, classes, draw, few, integers, is_class, name, variants

import amiss
import amiss.torch

PEERS = [getattr(amiss.torch, peer) for peer in amiss.torch.__all__ if hasattr(torch.nn, peer)]


def twin(loss, **given):
    """Return the module of a loss."""
    values = {key: getattr(loss, key) for key in loss.parameters()}
    return getattr(amiss.torch, type(loss).__name__)(**values, **given)


def tensors(loss, dtype="float64"):
    return [array("torch", x, dtype) for x in draw(loss, items=(4,))]


@pytest.fixture
def compiler():
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Dynamo's own, while it imports
        yield lambda module: torch.compile(module, fullgraph=True, backend="aot_eager")
    torch._dynamo.reset()


# --- the modules -------------------------------------------------------------------------------------------
def test_every_loss_has_a_module_of_its_name():
    assert {loss.__name__ for loss in classes()} <= set(amiss.torch.__all__)


def test_every_spelling_of_a_class_of_torch_has_a_module_of_its_name():
    spelt = {
        alias.rpartition(".")[2] for loss in classes() for alias in loss.aliases if alias[:9] == "torch.nn."
    }
    assert {alias for alias in spelt if hasattr(torch.nn, alias)} <= set(amiss.torch.__all__)


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_arguments_are_the_parameters_of_the_loss_and_the_reduction(loss):
    found = inspect.signature(getattr(amiss.torch, loss.__name__)).parameters
    expected = {key: about["default"] for key, about in loss.parameters().items()} | {"reduction": "mean"}
    assert {key: argument.default for key, argument in found.items()} == expected


@pytest.mark.parametrize("loss", few(), ids=name)
def test_a_module_gives_the_value_and_the_gradient_of_its_loss(loss):
    prediction, target = tensors(loss)
    prediction.requires_grad_()
    value = twin(loss)(prediction, target)
    value.backward()
    torch.testing.assert_close(value, loss(prediction, target), rtol=0.0, atol=0.0)
    expected = loss.gradient(prediction.detach(), target)
    torch.testing.assert_close(prediction.grad, expected, rtol=1e-15, atol=1e-16)


def test_reduction_weight_and_normalizer_reach_the_loss():
    prediction, target, weight = torch.tensor([3.0, 1.0]), torch.zeros(2), torch.tensor([1.0, 3.0])
    assert amiss.torch.SquaredError("none")(prediction, target).tolist() == [9.0, 1.0]
    assert amiss.torch.SquaredError(reduction="sum")(prediction, target, weight) == 12.0
    assert amiss.torch.SquaredError()(prediction, target, weight) == 3.0
    assert amiss.torch.SquaredError()(prediction, target, weight, normalizer=6) == 2.0


def test_parameters_are_given_by_position_or_by_name_and_changed_later():
    criterion = amiss.torch.Huber(2.0, "sum")
    assert repr(criterion) == "Huber(delta=2.0, reduction='sum')"
    criterion.delta = 1.0
    assert criterion.loss == amiss.Huber(delta=1.0)
    assert criterion(torch.tensor([3.0]), torch.zeros(1)) == 2.5


def test_any_loss_is_a_module_too():
    criterion = amiss.torch.Criterion(amiss.Dice() + amiss.CrossEntropy())
    prediction, target = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
    assert criterion(prediction, target) == criterion.loss(prediction, target)
    assert repr(amiss.torch.Criterion("mse")) == "Criterion(SquaredError(), reduction='mean')"


@pytest.mark.parametrize("loss", few(), ids=name)
def test_a_module_survives_pickle_and_deepcopy(loss):
    module = twin(loss, **({} if isinstance(loss, amiss.Dice) else {"reduction": "sum"}))
    for found in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert type(found) is type(module)
        assert (found.loss, found.reduction) == (module.loss, module.reduction)


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.__name__)
def test_a_peer_survives_pickle_and_deepcopy(kind):
    module = kind(reduction="sum")
    for found in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert type(found) is kind
        assert (repr(found), found.loss) == (repr(module), module.loss)


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.__name__)
def test_a_peer_is_constructed_as_in_torch(kind):
    theirs = getattr(torch.nn, kind.__name__)
    assert issubclass(kind, theirs)
    assert inspect.signature(kind) == inspect.signature(theirs)
    assert list(kind().state_dict()) == list(theirs().state_dict())


# --- programs ----------------------------------------------------------------------------------------------
def test_all_modules_compile_in_one_graph(compiler):
    modules = [twin(loss()) for loss in classes()]
    given = [tensors(module.loss, "float32") for module in modules]

    @compiler
    def together(given):
        return [module(*inputs) for module, inputs in zip(modules, given, strict=True)]

    for module, inputs, value in zip(modules, given, together(given), strict=True):
        torch.testing.assert_close(value, module(*inputs), rtol=2e-6, atol=1e-7, msg=repr(module))


@pytest.mark.parametrize("loss", few(), ids=name)
def test_torch_func_takes_a_module(loss):
    prediction, target = tensors(loss)
    module = twin(loss)
    gradient = torch.func.grad(lambda x: module(x, target))(prediction)
    torch.testing.assert_close(gradient, loss.gradient(prediction, target), rtol=1e-12, atol=1e-14)
    matrix = torch.func.hessian(lambda x: module(x, target))(prediction)
    diagonal = matrix.reshape(prediction.numel(), -1).diagonal().reshape(prediction.shape)
    torch.testing.assert_close(diagonal, loss.hessian(prediction, target), rtol=1e-11, atol=1e-13)
    if not isinstance(loss, amiss.RootMeanSquaredError | amiss.Dice):
        module.reduction = "sum"
        each = torch.func.vmap(module)(prediction[:, None], target[:, None])
        torch.testing.assert_close(each, module.loss(prediction, target, reduction="none"))


@pytest.mark.parametrize("loss", few(), ids=name)
def test_a_module_is_differentiable_twice(loss):
    prediction, target = tensors(loss)
    prediction.requires_grad_()
    (first,) = torch.autograd.grad(twin(loss)(prediction, target), prediction, create_graph=True)
    direction = torch.ones_like(prediction)
    (second,) = torch.autograd.grad((first * direction).sum(), prediction, allow_unused=True)
    expected = loss.hessian_product(prediction.detach(), target, direction)
    second = torch.zeros_like(expected) if second is None else second
    torch.testing.assert_close(second, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_autocast_keeps_the_loss_in_float32_and_the_gradient_in_the_dtype_of_the_prediction(loss):
    prediction, target = tensors(loss, "float32")
    prediction = prediction.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = twin(loss)(prediction, target)
    value.backward()
    assert (value.dtype, prediction.grad.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(value, loss(prediction.detach().float(), target), rtol=1e-5, atol=1e-6)


def test_autocast_of_a_model_and_its_loss():
    torch.manual_seed(0)
    model, criterion = torch.nn.Linear(4, 3), amiss.torch.CrossEntropyLoss()
    x, y = torch.randn(8, 4), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
        value = criterion(output, y)
    value.backward()
    assert (output.dtype, value.dtype) == (torch.bfloat16, torch.float32)
    assert model.weight.grad.abs().sum() > 0.0


def test_eager_tensors_are_read_by_the_compiled_kernel(monkeypatch):
    from amiss import kernels

    calls, evaluate_tensors = [], kernels.evaluate_tensors
    monkeypatch.setattr(
        kernels, "evaluate_tensors", lambda *given: calls.append(1) or evaluate_tensors(*given)
    )
    x = torch.randn(8, 3)
    for criterion, target in (
        (amiss.torch.Huber(), torch.zeros(8, 3)),
        (
            amiss.torch.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])),
            torch.zeros(8, dtype=torch.long),
        ),
    ):
        calls.clear()
        value = criterion(x, target)
        assert calls == [1]
        assert type(value.grad_fn) is type(None)


# --- what is refused ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: amiss.torch.Huber(delt=1.0), "Did you mean 'delta'?"),
        (lambda: amiss.torch.Huber(delta=-1.0), r"delta must be in \(0, inf\); got -1.0"),
        (lambda: amiss.torch.Huber(1.0, delta=2.0), "arguments must be delta, reduction, each given once"),
        (lambda: amiss.torch.Huber(1.0, "mean", 3), "arguments must be delta, reduction"),
        (lambda: amiss.torch.Huber(reduction="average"), "Huber: reduction must be one of"),
        (lambda: amiss.torch.MSELoss(reduction="average"), "MSELoss: reduction must be one of"),
        (lambda: amiss.torch.HuberLoss(delta=0.0), r"delta must be in \(0, inf\)"),
        (lambda: amiss.torch.PoissonNLLLoss(full=True), "full must be False; got True"),
        (lambda: amiss.torch.CrossEntropyLoss(weight=torch.tensor([1.0, -1.0])), r"class_weight\[1\] = -1.0"),
    ],
)
def test_a_bad_argument_is_named(call, message):
    with pytest.raises(amiss.ParameterError, match=message):
        call()


def test_an_argument_that_a_later_torch_adds_is_not_ignored(monkeypatch):
    signature = inspect.signature(lambda reduction="mean", delta=1.0, temperature=None: None)
    monkeypatch.setattr(amiss.torch.HuberLoss, "__signature__", signature)
    with pytest.raises(amiss.ParameterError, match="HuberLoss: temperature must be left out"):
        amiss.torch.HuberLoss(temperature=2.0)


@pytest.mark.parametrize("argument", ["weight", "pos_weight"])
def test_a_buffer_that_does_not_expand_to_the_input_is_refused(argument):
    criterion = amiss.torch.BCEWithLogitsLoss(**{argument: torch.ones(4)})
    with pytest.raises(
        amiss.ShapeError, match=rf"{argument} must expand to the input's shape \(5, 1\); got \(4,\)"
    ):
        criterion(torch.zeros(5, 1), torch.zeros(5, 1))


def test_nothing_is_broadcast():
    with pytest.raises(amiss.ShapeError, match="amiss never broadcasts"):
        amiss.torch.MSELoss()(torch.zeros(3), torch.zeros(3, 1))


def test_without_torch_the_extra_is_named():
    code = "import sys; sys.modules['torch'] = None\nimport amiss.torch"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = found.stderr.strip().splitlines()[-1]
    assert last.startswith("amiss.core.errors.BackendError: amiss.torch: PyTorch must be installed")
    assert 'pip install "amiss[torch]"' in last


def test_class_indices_reach_every_loss_over_classes():
    for loss in filter(is_class, variants()):
        prediction, target = tensors(loss)[0], torch.from_numpy(integers(loss, (4,)))
        assert twin(loss)(prediction, target) == loss(prediction, target)
