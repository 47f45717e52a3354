"""Where ensembles train: a device has a key of its own, and one that is not there is said to be missing."""

from __future__ import annotations

import os

import pytest
from small_project import Project

from lab.device import VARIABLE
from lab.keys import key

# One whose training follows the device.
TRAINED = '''\
"""What do ones add up to?"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lab.device import training_device


@dataclass(frozen=True)
class Params:
    steps: int = 3  # ones


SMOKE = Params(steps=1)


@dataclass(frozen=True)
class Result:
    total: float


CLAIMS = ()


def run(params: Params) -> Result:
    return Result(torch.ones(params.steps, device=training_device()).sum().item())
'''


@pytest.fixture
def trained(project: Project) -> Project:
    """The small project with two experiments: `quick` knows no device, `trained` does."""
    project.write("experiments/trained.py", TRAINED)
    return project


def test_what_a_device_computes_has_a_key_of_its_own_where_it_matters(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: key.compute(name, trained.root) for name in ("quick", "trained")}
    monkeypatch.setenv(VARIABLE, "cuda")
    after = {name: key.compute(name, trained.root) for name in before}
    assert after["quick"].key == before["quick"].key and after["quick"].book
    assert after["trained"].key != before["trained"].key and not after["trained"].book
    monkeypatch.setenv(VARIABLE, "cpu")
    assert key.compute("trained", trained.root).key == before["trained"].key


def test_a_device_that_is_not_there_is_an_error_that_says_so_and_leaves_the_book_alone(trained: Project) -> None:
    trained.shell("run")
    there = (trained.result("trained") / "result.json").read_bytes()
    said = trained.shell("run", "trained", "--device", "mtia", "--set", "steps=1", code=1)
    assert "has no device 'mtia' here" in said and "leave --device out" in said
    assert (trained.result("trained") / "result.json").read_bytes() == there
    assert "failed" not in trained.shell("status")


def test_a_device_for_an_experiment_that_trains_on_none_is_refused_with_those_that_do(trained: Project) -> None:
    said = trained.shell("run", "quick", "--device", "cuda", code=1)
    assert said == "error: quick trains on the processor alone; --device is for trained\n"


def test_the_processor_by_name_is_the_book_s_own_setting(trained: Project) -> None:
    said = trained.shell("run", "trained", "--device", "cpu", code=1)
    assert "the book's own setting" in said and VARIABLE not in os.environ
