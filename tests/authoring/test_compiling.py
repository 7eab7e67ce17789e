"""A loss of one's own is compiled to a kernel that gives what its formula gives."""

import copy

import numpy as np
import pytest
import torch

import amiss
from amiss.authoring import compiling

TEXT = "log(cosh(prediction - target)) + where(prediction > target, sqrt(1 + prediction**2), k*abs(target))"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def compiled(cache, monkeypatch):
    monkeypatch.setenv("AMISS_CACHE", str(cache))
    return amiss.compile(amiss.define(TEXT, k=0.5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernel_gives_what_the_formula_gives(compiled, dtype):
    rng = np.random.default_rng(1)
    p, y, w = (rng.normal(size=10_007).astype(dtype) for _ in range(3))
    plain = amiss.define(TEXT, k=0.5)
    assert plain._kernel is None
    for quantity in ("value", "gradient", "hessian"):
        found, expected = (
            loss._compute((quantity,), p, y, w, "sum", None, "nan")[0] for loss in (compiled, plain)
        )
        np.testing.assert_allclose(
            found, expected, rtol=20 * np.finfo(dtype).eps, atol=1e-6 if dtype == "float32" else 1e-15
        )


def test_the_kernel_is_what_answers(compiled):
    found = compiled._answer(1, np.ones(3), np.zeros(3), None, "mean", None, "nan", None)
    assert found == compiled(np.ones(3), np.zeros(3))


def test_eager_tensors_go_through_it(compiled):
    p = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    compiled(p, torch.zeros(2, dtype=torch.float64)).backward()
    np.testing.assert_allclose(
        p.grad.numpy(), amiss.define(TEXT, k=0.5).gradient(p.detach().numpy(), np.zeros(2))
    )


def test_it_equals_the_loss_and_copies_without_the_kernel(compiled):
    assert compiled == amiss.define(TEXT, k=0.5)
    assert copy.deepcopy(compiled)._kernel is None


def test_a_label_outside_its_domain_is_still_an_error(cache, monkeypatch):
    monkeypatch.setenv("AMISS_CACHE", str(cache))
    loss = amiss.compile(amiss.define("relu(1 - prediction*target)", target="sign"))
    assert loss(np.array([0.5]), np.array([1.0])) == 0.5
    with pytest.raises(amiss.DomainError, match=r"target must be -1 or \+1"):
        loss(np.array([0.5]), np.array([0.0]))


def test_the_second_time_no_compiler_runs(compiled, monkeypatch):
    def run(*_, **__):
        raise AssertionError("a compiler ran")

    monkeypatch.setattr(compiling.subprocess, "run", run)
    assert amiss.compile(amiss.define(TEXT, k=0.5)) == compiled


def test_a_loss_of_the_catalogue_has_its_kernel_already():
    loss = amiss.Huber()
    assert amiss.compile(loss) is loss


def test_what_cannot_be_compiled_says_why(monkeypatch, tmp_path):
    with pytest.raises(amiss.ParameterError, match="loss must be one of single numbers"):
        amiss.compile(amiss.CrossEntropy())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "")
    monkeypatch.setattr(compiling.sysconfig, "get_config_var", lambda name: None)
    with pytest.raises(amiss.BackendError, match="a C\\+\\+ compiler such as g\\+\\+"):
        amiss.compile(amiss.define("(prediction - target)**6"))


def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    monkeypatch.setenv("AMISS_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(amiss.AmissError, match="the compiler false failed with code 1"):
        amiss.compile(amiss.define("(prediction - target)**6"))
    assert not list(tmp_path.glob("amiss/*.so"))
