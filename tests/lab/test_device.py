"""Where ensembles train: a device has a key of its own, and one that is not there is said to be missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.device import VARIABLE
from lab.keys import key
from lab.keys.experiments import find_root, names

ROOT = find_root()


def _lab(*typed: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "lab", *typed], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_what_a_device_computes_has_a_key_of_its_own_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: key.compute(name, ROOT) for name in names(ROOT)}
    monkeypatch.setenv(VARIABLE, "cuda")
    after = {name: key.compute(name, ROOT) for name in names(ROOT)}
    changed = {name for name in before if after[name].key != before[name].key}
    assert {"loss_log", "hockey_stick", "zero_init", "batchnorm_regularization"} <= changed
    assert not changed & {"tanh_gain", "momentum_ema", "batch_average"}
    assert all(before[name].book and after[name].book == (name not in changed) for name in before)
    monkeypatch.setenv(VARIABLE, "cpu")
    assert key.compute("loss_log", ROOT).key == before["loss_log"].key


def test_a_device_that_is_not_there_is_an_error_that_says_so_and_leaves_the_book_alone() -> None:
    place = ROOT / "results/loss_log/result.json"
    there = place.read_bytes()
    code, said = _lab("run", "loss_log", "--device", "mtia", "--set", "steps=1")
    assert code == 1 and "has no device 'mtia' here" in said and "leave --device out" in said
    assert place.read_bytes() == there and "failed" not in _lab("status")[1]


def test_a_device_for_an_experiment_that_trains_on_none_is_refused_with_those_that_do() -> None:
    code, said = _lab("run", "tanh_gain", "--device", "cuda")
    assert code == 1 and "tanh_gain trains on the processor alone; --device is for" in said
    assert said.rstrip().endswith(
        "batchnorm_regularization, dead_neurons, hockey_stick, loss_log, saturation, zero_init"
    )


def test_the_processor_by_name_is_the_book_s_own_setting() -> None:
    code, said = _lab("run", "loss_log", "--device", "cpu")
    assert code == 1 and "the book's own setting" in said and VARIABLE not in os.environ
