"""A loss is registered by being written down in one file, and found by every spelling that is its own."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from losses_under_test import classes

import amiss
from amiss import naming

SPELLINGS = [
    (loss, spelling, given) for loss in classes() for spelling, given in naming.spellings(loss).items()
]


def fold(text):
    return re.sub(r"[_\- ]", "", text.lower())


DISPUTED = {fold(spelling) for spelling in naming.AMBIGUOUS}
"""Spellings that belong to nobody once case and separators are gone."""

spelled = pytest.mark.parametrize(
    ("loss", "spelling", "given"), SPELLINGS, ids=lambda x: x if isinstance(x, str) else ""
)


@spelled
def test_a_spelling_gives_its_loss_with_its_parameters(loss, spelling, given):
    assert amiss.get(spelling) == loss(**given)


@spelled
def test_case_and_separators_do_not_matter(loss, spelling, given):
    for other in (spelling.upper(), spelling.lower(), spelling.replace("_", "-"), spelling.replace("_", " ")):
        if fold(spelling) not in DISPUTED:
            assert amiss.get(other) == loss(**given)
        elif other != spelling:  # a class's own name alone is clear, letter by letter
            with pytest.raises(amiss.ParameterError, match="means different losses"):
                amiss.get(other)


@spelled
def test_a_parameter_given_overrides_what_the_spelling_stands_for(loss, spelling, given):
    for key, about in loss.parameters().items():
        if "typical" in about:
            assert getattr(amiss.get(spelling, **{key: about["typical"][1]}), key) == about["typical"][1]


def test_no_spelling_means_two_things():
    meanings = {(fold(spelling), repr(loss(**given))) for loss, spelling, given in SPELLINGS}
    counts = Counter(spelling for spelling, _ in meanings)
    assert [spelling for spelling, count in counts.items() if count > 1] == []
    others = [fold(spelling) for spelling in (*naming.SCALED, *naming.ELSEWHERE)]
    assert not set(others) & (counts.keys() | DISPUTED)
    assert DISPUTED & counts.keys() <= {fold(loss.__name__) for loss in classes()}


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_a_loss_goes_by_its_class_name_and_that_in_snake_case(loss):
    snake = re.sub(r"(?<!^)([A-Z])", r"_\1", loss.__name__).lower()
    assert amiss.get(loss.__name__) == loss()
    if fold(snake) not in DISPUTED:
        assert amiss.get(snake) == loss()
    assert not loss.__name__.endswith("Loss")


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_a_loss_stands_in_the_package_and_in_its_stub(loss):
    assert getattr(amiss, loss.__name__) is loss
    assert loss.__name__ in amiss.__all__
    stub = Path(amiss.losses.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    assert f"import {loss.__name__} as {loss.__name__}\n" in stub


def test_a_loss_is_returned_as_it_is():
    for loss in (amiss.Huber(delta=2.0), 0.5 * amiss.SquaredError() + amiss.Huber()):
        assert amiss.get(loss) is loss


def test_the_half_of_optax_is_a_combination():
    assert amiss.get("optax.l2_loss") == 0.5 * amiss.SquaredError()


@pytest.mark.parametrize("spelling", naming.AMBIGUOUS)
def test_a_name_on_which_peers_disagree_lists_the_qualified_ones(spelling):
    with pytest.raises(
        amiss.ParameterError, match=r"means different losses in different libraries\. Say which"
    ) as raised:
        amiss.get(spelling)
    qualified = naming.AMBIGUOUS[spelling]
    assert all(repr(one) in str(raised.value) for one in qualified)
    assert all(isinstance(amiss.get(one), amiss.Loss) for one in qualified)


@pytest.mark.parametrize("spelling", naming.ELSEWHERE)
def test_a_name_of_what_is_written_otherwise_says_how(spelling):
    with pytest.raises(amiss.ParameterError) as raised:
        amiss.get(spelling)
    assert naming.ELSEWHERE[spelling] in str(raised.value)


def test_the_catalogue_is_by_family_and_cannot_be_changed_from_outside():
    families = amiss.catalogue()
    assert all(
        isinstance(loss, type) and issubclass(loss, amiss.Loss) for f in families.values() for loss in f
    )
    families.clear()
    assert amiss.catalogue()


NEW = '''
"""A family of one."""

from dataclasses import dataclass

from amiss.core import POSITIVE, ElementwiseLoss, Facts, parameter


@dataclass(frozen=True)
class Quartic(ElementwiseLoss):
    """The fourth power of the error."""

    scale: float = parameter(1.0, domain=POSITIVE, typical=(0.1, 10.0), symbol="s")

    aliases = {"l4": {"scale": 2.0}}

    @property
    def facts(self):
        return Facts(convex=True, minimiser="mean", symmetric=True)

    def _value(self, xp, prediction, target):
        square = (prediction - target) * (prediction - target)
        return self.scale * square * square

    def _gradient(self, xp, prediction, target):
        return 4.0 * self.scale * (prediction - target) * (prediction - target) * (prediction - target)

    def _hessian(self, xp, prediction, target):
        return 12.0 * self.scale * (prediction - target) * (prediction - target)
'''


def test_adding_a_loss_touches_one_file(tmp_path):
    package = tmp_path / "amiss"
    shutil.copytree(
        Path(amiss.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    (package / "losses" / "powers.py").write_text(NEW, encoding="utf-8")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.meta_path = [f for f in sys.meta_path "
        "if 'ScikitBuild' not in type(f).__name__]\n"
        "import amiss\n"
        f"assert amiss.__file__.startswith({str(tmp_path)!r}), amiss.__file__\n"
        "from amiss.codegen import source\n"
        "from amiss.codegen.generate import formulas, stub\n"
        "assert amiss.catalogue()['powers'] == (amiss.Quartic,)\n"
        "assert 'Quartic' in amiss.__all__ and 'Quartic' in stub()\n"
        "assert amiss.get('quartic') == amiss.Quartic() and amiss.get('L4').scale == 2.0\n"
        "assert 'struct Quartic' in source()\n"
        "assert 'Quartic' in formulas()\n"
        "print(amiss.Quartic()([2.0], [0.0]), amiss.Quartic().gradient([2.0], [0.0]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "16.0 [32.]\n"
