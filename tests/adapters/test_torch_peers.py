"""The twins of `torch.nn`: equal to it on inputs such as its own tests have, different where that is said."""

import copy
import itertools
import pickle
import warnings
from functools import cache

import pytest
import torch
from torch.testing import make_tensor

import amiss
import amiss.torch

RTOL = {torch.float32: 1e-6, torch.float64: 1e-12}
REDUCTIONS = ("mean", "sum", "none")


def tensor(shape, dtype, seed, low=-3.0, high=3.0):
    torch.manual_seed(seed)
    return make_tensor(shape, device="cpu", dtype=dtype, low=low, high=high)


def index(shape, seed, classes=3):
    torch.manual_seed(seed)
    return torch.randint(classes, shape)


def numbers(dtype):
    """Return pairs of numbers: of many axes, of a matrix, of none, of zero length."""
    for seed, shape in enumerate([(2, 3, 4, 5), (5, 10), (7,), (), (0, 3)]):
        yield tensor(shape, dtype, seed), tensor(shape, dtype, seed + 100)


def labelled(dtype):
    for seed, (x, _) in enumerate(numbers(dtype)):
        yield x, (tensor(x.shape, dtype, seed, -1.0, 1.0) > 0).to(dtype)
    x, _ = next(numbers(dtype))
    yield x, torch.rand(x.shape, dtype=dtype)


def class_shapes():
    """Return shapes of scores, classes on axis 1, and of their indices."""
    return [
        ((3,), ()),
        ((6, 3), (6,)),
        ((2, 3, 5), (2, 5)),
        ((2, 3, 5, 4), (2, 5, 4)),
        ((2, 3, 2, 2, 2), (2, 2, 2, 2)),
    ]


def scores(dtype):
    for seed, (shape, items) in enumerate(class_shapes()):
        yield tensor(shape, dtype, seed), index(items, seed)


def rows(dtype):
    for seed, (shape, _) in enumerate(class_shapes()):
        axis = min(1, len(shape) - 1)
        yield tensor(shape, dtype, seed), tensor(shape, dtype, seed + 50).softmax(axis)


def log_probabilities(pairs):
    return [(x.log_softmax(min(1, x.ndim - 1)), t) for x, t in pairs]


def options(**choices):
    """Return every combination of the given choices."""
    return [dict(zip(choices, chosen, strict=True)) for chosen in itertools.product(*choices.values())]


@cache
def cases(dtype):
    """Return all of `each_case`, drawn once."""
    return list(each_case(dtype))


def each_case(dtype):
    """Yield triples: the name of a loss, its arguments, and pairs of inputs."""
    weight, by_class = tensor((3,), dtype, 7, 0.5, 2.0), tensor((10,), dtype, 8, 0.5, 2.0)
    images = [(x, t) for x, t in labelled(dtype) if x.shape == (5, 10)]
    for plain in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss"):
        yield plain, {}, list(numbers(dtype))
    yield "HuberLoss", {"delta": 0.7}, list(numbers(dtype))
    yield "SmoothL1Loss", {"beta": 0.3}, list(numbers(dtype))
    yield "SmoothL1Loss", {"beta": 0.0}, list(numbers(dtype))
    yield "BCEWithLogitsLoss", {}, list(labelled(dtype))
    for given in (
        {"weight": by_class},
        {"pos_weight": by_class},
        {"weight": by_class, "pos_weight": by_class},
    ):
        yield "BCEWithLogitsLoss", given, images
    yield "BCEWithLogitsLoss", {"pos_weight": torch.tensor([3.0], dtype=dtype)}, images
    yield "BCEWithLogitsLoss", {"weight": torch.tensor(0.3, dtype=dtype)}, list(labelled(dtype))
    chances = [(x.sigmoid(), t) for x, t in labelled(dtype)]
    yield "BCELoss", {}, chances
    yield "BCELoss", {"weight": torch.tensor(0.3, dtype=dtype)}, chances
    yield "BCELoss", {"weight": by_class}, [(x.sigmoid(), t) for x, t in images]
    for given in options(weight=(None, weight), ignore_index=(-100, 1), label_smoothing=(0.0, 0.15)):
        yield "CrossEntropyLoss", given, list(scores(dtype))
    for given in options(weight=(None, weight), label_smoothing=(0.0, 0.15)):
        yield "CrossEntropyLoss", given, list(rows(dtype))
    for given in options(weight=(None, weight), ignore_index=(-100, 2, -1)):
        yield "NLLLoss", given, log_probabilities(scores(dtype))
    counts = [(x, t.abs().round()) for x, t in numbers(dtype)]
    yield "PoissonNLLLoss", {}, counts
    yield "KLDivLoss", {}, log_probabilities(rows(dtype))
    yield "KLDivLoss", {"log_target": True}, [(x, t.log()) for x, t in log_probabilities(rows(dtype))]


def by_tape(module, prediction, target):
    prediction = prediction.clone().requires_grad_()
    value = module(prediction, target)
    (gradient,) = torch.autograd.grad(value.sum(), prediction)
    return value.detach(), gradient


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")  # PyTorch's own, of KLDivLoss
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", RTOL, ids=str)
@pytest.mark.parametrize("peer", sorted({peer for peer, _, _ in cases(torch.float64)}))
def test_value_and_gradient_are_those_of_torch(peer, dtype, reduction):
    for name, given, inputs in cases(dtype):
        if name != peer:
            continue
        ours, theirs = (getattr(at, name)(**given, reduction=reduction) for at in (amiss.torch, torch.nn))
        for prediction, target in inputs:
            context = f"{ours} of {tuple(prediction.shape)}"
            for found, expected in zip(
                by_tape(ours, prediction, target), by_tape(theirs, prediction, target), strict=True
            ):
                scale = expected.abs().max().item() if expected.numel() else 0.0
                torch.testing.assert_close(
                    found,
                    expected,
                    rtol=RTOL[dtype],
                    atol=RTOL[dtype] * (0.0 if scale != scale else scale),
                    equal_nan=True,
                    msg=lambda text, context=context: f"{context}: {text}",
                )


@pytest.mark.parametrize("dtype", RTOL, ids=str)
def test_batchmean_is_that_of_torch(dtype):
    for prediction, target in log_probabilities(rows(dtype)):
        ours, theirs = (
            at.KLDivLoss(reduction="batchmean")(prediction, target) for at in (amiss.torch, torch.nn)
        )
        torch.testing.assert_close(ours, theirs, rtol=RTOL[dtype], atol=RTOL[dtype])


def test_rates_of_poisson_get_eps_as_in_torch_whose_value_is_less_by_it():
    rate, count = torch.tensor([0.0, 2.0, 0.5]).double(), torch.tensor([1.0, 3.0, 0.0]).double()
    ours, theirs = (at.PoissonNLLLoss(log_input=False, eps=1e-6) for at in (amiss.torch, torch.nn))
    value, gradient = by_tape(ours, rate, count)
    expected, slope = by_tape(theirs, rate, count)
    torch.testing.assert_close(value - 1e-6, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, slope, rtol=1e-9, atol=1e-9)


def test_legacy_arguments_are_understood_as_torch_does():
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        criterion = amiss.torch.MSELoss(size_average=False)
    assert criterion(torch.tensor([3.0, 1.0]), torch.zeros(2)) == 10.0


# --- differences -------------------------------------------------------------------------------------------
def test_digits_are_kept_that_torch_loses():
    row, target = torch.tensor([[18.0, 0.0]]), torch.tensor([0])
    assert torch.nn.CrossEntropyLoss()(row, target) == 0.0
    assert amiss.torch.CrossEntropyLoss()(row, target).item() == pytest.approx(1.523e-8, rel=1e-3)


def test_the_mean_over_nothing_is_nan_and_leaves_the_weights_alone():
    x, ignored = torch.ones(4, 3), torch.full((4,), -100)
    for given in ({}, {"label_smoothing": 0.1}, {"weight": torch.ones(3)}):
        value, gradient = by_tape(amiss.torch.CrossEntropyLoss(**given), x, ignored)
        assert value.isnan()
        assert torch.all(gradient == 0.0)


def test_a_bad_label_says_where_it_is():
    with pytest.raises(amiss.DomainError, match=r"target\[1\] = 3"):
        amiss.torch.CrossEntropyLoss()(torch.zeros(2, 3), torch.tensor([0, 3]))


def test_scores_that_are_no_log_probabilities_are_refused():
    assert torch.nn.NLLLoss()(torch.ones(1, 3), torch.tensor([0])) == -1.0
    with pytest.raises(amiss.DomainError, match="a log-probability"):
        amiss.torch.NLLLoss()(torch.ones(1, 3), torch.tensor([0]))


# --- buffers -----------------------------------------------------------------------------------------------
WEIGHT, OTHER = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 1.0, 0.5])
X, INDEX = tensor((6, 3), torch.float32, 1), index((6,), 1)
LABELS = (tensor((6, 3), torch.float32, 2) > 0).float()
BUFFERED = [("CrossEntropyLoss", "weight", INDEX), ("BCEWithLogitsLoss", "weight", LABELS),
            ("BCEWithLogitsLoss", "pos_weight", LABELS)]  # fmt: skip
CHANGES = {
    "load_state_dict": lambda module, name: module.load_state_dict({name: OTHER}),
    "load_state_dict(assign=True)": lambda module, name: module.load_state_dict({name: OTHER}, assign=True),
    "copy_": lambda module, name: getattr(module, name).copy_(OTHER),
    "an item": lambda module, name: getattr(module, name).__setitem__(0, 9.0),
    "assignment": lambda module, name: setattr(module, name, OTHER.clone()),
    "double": lambda module, name: module.double(),
    "None": lambda module, name: setattr(module, name, None),
}


@pytest.fixture
def compiler():
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Dynamo's own, while it imports
        yield lambda module: torch.compile(module, fullgraph=True, backend="aot_eager")
    torch._dynamo.reset()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("peer", "buffer", "target"), BUFFERED)
def test_a_changed_buffer_is_used_at_once(peer, buffer, target, change):
    ours, theirs = (getattr(at, peer)(**{buffer: WEIGHT.clone()}) for at in (amiss.torch, torch.nn))
    before = ours(X, target)
    for module in (ours, theirs):
        CHANGES[change](module, buffer)
    x, t = (
        (X.double(), target.double() if target.is_floating_point() else target)
        if change == "double"
        else (X, target)
    )
    torch.testing.assert_close(ours(x, t), theirs(x, t), rtol=1e-5, atol=0.0)
    if change != "double":
        assert ours(X, target) != before


@pytest.mark.parametrize(("peer", "buffer", "target"), BUFFERED)
def test_a_changed_buffer_is_used_at_once_by_a_compiled_program(peer, buffer, target, compiler):
    ours, theirs = (getattr(at, peer)(**{buffer: WEIGHT.clone()}) for at in (amiss.torch, torch.nn))
    program = compiler(ours)
    torch.testing.assert_close(program(X, target), theirs(X, target), rtol=1e-5, atol=0.0)
    for change in ("an item", "load_state_dict", "assignment", "None"):
        for module in (ours, theirs):
            CHANGES[change](module, buffer)
        torch.testing.assert_close(program(X, target), theirs(X, target), rtol=1e-5, atol=0.0, msg=change)


@pytest.mark.parametrize(("peer", "buffer", "target"), BUFFERED)
def test_a_state_dict_carries_the_buffer_to_torch_and_back(peer, buffer, target):
    theirs = getattr(torch.nn, peer)(**{buffer: OTHER.clone()})
    ours = getattr(amiss.torch, peer)(**{buffer: WEIGHT.clone()})
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours.state_dict()[buffer], OTHER)
    torch.testing.assert_close(ours(X, target), theirs(X, target), rtol=1e-5, atol=0.0)


def test_the_buffer_of_a_copy_is_its_own():
    for peer, buffer, target in BUFFERED:
        module = getattr(amiss.torch, peer)(**{buffer: WEIGHT.clone()})
        value = module(X, target)
        for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            assert other(X, target) == value
            getattr(other, buffer)[0] = 9.0
            assert other(X, target) != value
            assert module(X, target) == value


def test_functional_call_over_many_weights():
    module = amiss.torch.CrossEntropyLoss(weight=WEIGHT.clone())
    many = torch.stack([WEIGHT, OTHER])
    found = torch.vmap(lambda w: torch.func.functional_call(module, {"weight": w}, (X, INDEX)))(many)
    expected = [torch.nn.functional.cross_entropy(X, INDEX, weight=w) for w in many]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-5, atol=0.0)
    torch.testing.assert_close(module(X, INDEX), expected[0], rtol=1e-5, atol=0.0)


def test_a_module_on_the_meta_device_is_filled_later():
    with torch.device("meta"):
        module = amiss.torch.CrossEntropyLoss(weight=torch.ones(3))
    module.to_empty(device="cpu").load_state_dict({"weight": WEIGHT})
    expected = torch.nn.functional.cross_entropy(X, INDEX, weight=WEIGHT)
    torch.testing.assert_close(module(X, INDEX), expected, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize(
    ("attribute", "value"), [("ignore_index", 1), ("label_smoothing", 0.3), ("reduction", "sum")]
)
def test_an_attribute_may_be_changed_as_in_torch(attribute, value):
    ours, theirs = (at.CrossEntropyLoss() for at in (amiss.torch, torch.nn))
    for module in (ours, theirs):
        setattr(module, attribute, value)
    torch.testing.assert_close(ours(X, INDEX), theirs(X, INDEX), rtol=1e-5, atol=0.0)


def test_the_second_derivative_with_a_vector_of_pos_weight_is_that_of_torch():
    found = []
    for at in (amiss.torch, torch.nn):
        x, module = X.double().requires_grad_(), at.BCEWithLogitsLoss(pos_weight=WEIGHT.double())
        (first,) = torch.autograd.grad(module(x, LABELS.double()), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), x)[0])
    torch.testing.assert_close(*found, rtol=1e-11, atol=1e-14)
