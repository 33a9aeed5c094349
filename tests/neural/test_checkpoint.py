"""Checkpoints: what a fit finds, leaves and refuses, shown by a training that only counts; and fits of estimators."""

import io
import os
import re
import threading
import time
import tracemalloc
import zipfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV, ScoreMatchingDensity, TabularDensity
from skscore.estimators import denoising_routes
from skscore.models.fitted_density import FittedDensity
from skscore.neural import NeuralEnergy, ScoreNetwork, progress_file
from skscore.neural.sealed import head_of
from skscore.neural.writing import written_whole
from skscore.tabular import table_fit

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural import checkpoint as checkpoints  # noqa: E402
from skscore.neural.checkpoint import Checkpoint, checkpoint_of, progress, take_up, train_to_the_end  # noqa: E402
from skscore.neural.state_bytes import from_bytes, to_bytes  # noqa: E402
from skscore.neural.training import TrainingState  # noqa: E402

OWN, FOREIGN = "0" * 64, "f" * 64


class Died(BaseException):
    """Stands for the death of a process."""


class Counting:
    """A training whose steps add a half to a tensor; it dies at one of them."""

    def __init__(self, n_steps=8, dies_at=None):
        self.n_steps, self.dies_at, self.done = n_steps, dies_at, []
        self.step, self.over, self.train_curve, self.validation_curve = 0, False, [], []
        self.total = torch.zeros(3)

    def advance(self):
        self.step += 1
        self.total += 0.5
        self.done.append(self.step)
        if self.step == self.dies_at:
            raise Died
        return self.step == self.n_steps

    def state(self):
        return {**progress(self), "total": self.total, "by_number": {0: (1.0, None)}}

    def restore(self, state):
        take_up(self, state)
        self.total.copy_(state["total"])
        assert state["by_number"][0] == [1.0, None]


def trained(path, *runs, owner=OWN, every=2):
    """Take trainings of one fit to their ends in turn, and return them."""
    checkpoint = Checkpoint(path, every, owner)
    for run in runs:
        train_to_the_end(run, run.advance, checkpoint)
    return runs


def left_behind(path, *runs, **options):
    """Bytes of the checkpoint of a fit whose last training dies at its fifth step, after the others have ended."""
    with pytest.raises(Died):
        trained(path, *runs, Counting(dies_at=5), **options)
    return path.read_bytes()


def refusal(path, owner=OWN):
    """Why a fit that finds this file is refused, in one line; the file is left as it is."""
    before = path.read_bytes() if path.is_file() else None
    run = Counting()
    with pytest.raises(ValueError, match="checkpoint=") as caught:
        trained(path, run, owner=owner)
    assert run.done == []
    assert before is None or path.read_bytes() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sealed(states, owner=OWN):
    """A checkpoint of these bytes, with the checksum that fits."""
    content = owner.encode() + b"\n" + states
    return head_of("checkpoint", checkpoints.FORMAT, content) + content


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training"


# ---- what is saved, and for how long -------------------------------------------------------------


def test_a_training_goes_on_where_it_was_saved(path):
    left_behind(path)
    (run,) = trained(path, Counting())
    assert run.done == [5, 6, 7, 8]
    assert run.total.tolist() == [4.0] * 3
    assert not path.exists()


def test_a_training_that_is_over_is_not_repeated(path):
    """Killed in the second training of a fit, and again while what the first has ended with is looked at."""
    left_behind(path, Counting())
    with pytest.raises(Died):
        trained(path, Counting(), Counting(dies_at=7))
    first, second = trained(path, Counting(), Counting())
    assert (first.done, second.done) == ([], [7, 8])
    assert first.total.tolist() == [4.0] * 3


def test_the_state_of_a_later_training_outlives_a_death_in_an_earlier_phase(path):
    left_behind(path, Counting())
    checkpoint = Checkpoint(path, 2, OWN)
    checkpoint.resume(Counting())  # and dies before the second training begins
    assert trained(path, Counting(), Counting())[1].done == [5, 6, 7, 8]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "complex64", "int64", "uint8", "bool"])
def test_tensors_come_back_bit_by_bit(dtype):
    tensors = [torch.arange(6).to(getattr(torch, dtype)).reshape(shape) for shape in [(6,), (2, 3), (3, 1, 2)]]
    tensors += [tensors[1].T, tensors[0][2], tensors[0][:0]]
    for tensor in tensors:
        (found,) = from_bytes(to_bytes([tensor]))
        assert found.dtype == tensor.dtype
        assert torch.equal(found, tensor)


def test_numbers_come_back_bit_by_bit():
    numbers = [0.1 + 0.2, -0.0, float("inf"), 2**127 + 1, True, None, "é\n"]
    assert list(map(repr, from_bytes(to_bytes(numbers)))) == list(map(repr, numbers))
    assert np.isnan(from_bytes(to_bytes(float("nan"))))


# ---- files that are refused ----------------------------------------------------------------------


def test_a_flipped_bit_is_found(path):
    content = left_behind(path)
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert any(word in refusal(path) for word in ("checksum", "no checkpoint", "in format"))


def bomb():
    """An archive of torch that unfolds to a thousand times its size."""
    unfolded, folded = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.zeros(250_000)}, unfolded)
    with zipfile.ZipFile(unfolded) as old, zipfile.ZipFile(folded, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return folded.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"some notes of mine", b"\n" * 300, bomb(), head_of("model", 1, b"x") + b"x"],
    ids=["empty", "notes", "lines", "bomb", "model"],
)
def test_another_file_is_refused_and_kept(content, path):
    path.write_bytes(content)
    assert "no checkpoint" in refusal(path)


def test_a_part_of_a_checkpoint(path):
    path.write_bytes(left_behind(path)[:-1])
    assert "checksum" in refusal(path)


def test_another_format_names_its_version(path):
    path.write_bytes(b"skscore checkpoint 99 by 0.9.1 sha256 " + b"0" * 64 + b"\n")
    assert "read it with skscore 0.9.1" in refusal(path)


def test_a_checkpoint_of_another_fit(path):
    left_behind(path)
    assert "other rows or with other parameters" in refusal(path, FOREIGN)


WHOLE = to_bytes([Counting().state()])
BY_HAND = {
    "nothing": b"",
    "no list": b"7",
    "no state": b"[7]",
    "an empty state": to_bytes([{}]),
    "a state without a tensor": to_bytes([{**Counting().state(), "total": None}]),
    "a tensor of another shape": to_bytes([{**Counting().state(), "total": torch.zeros(4)}]),
    "no number": to_bytes([{**Counting().state(), "by_number": {}}]),
    "a pair of three": b'{"dict": [[1, 2, 3]]}',
    "no pair": b'{"dict": 7}',
    "no dictionary": b'{"list": []}',
    "an unknown type": b'{"tensor": ["object", [1]]}\n12345678',
    "a negative length": b'{"tensor": ["uint8", [-1, -8]]}\n12345678',
    "lengths that are none": b'{"tensor": ["uint8", [true, 8.0]]}\n12345678',
    "a tensor longer than the file": b'{"tensor": ["uint8", [9]]}\n12345678',
    "a tensor of a terabyte": b'{"tensor": ["float64", [1000000, 1000000]]}\n12345678',
    "a dimension beyond all numbers": b'{"tensor": ["uint8", [0, 1' + b"0" * 30 + b"]]}\n",
    "a number of ten thousand digits": b"[1" + b"0" * 10_000 + b"]",
    "lists in lists": b"[" * 100_000 + b"]" * 100_000,
    "bytes left over": WHOLE + b"\0",
    "no text": b'["\xff"]',
}


@pytest.mark.parametrize("states", BY_HAND.values(), ids=BY_HAND)
def test_what_fits_its_checksum_and_no_training(states, path):
    path.write_bytes(sealed(states))
    assert any(word in refusal(path) for word in ("is damaged", "holds no state of this training"))


@pytest.mark.parametrize("kind", ["pipe", "/dev/full", "/dev/zero"])
def test_devices_and_pipes(kind, path):
    if kind == "pipe":
        os.mkfifo(path)
    elif os.path.exists(kind):
        path = Path(kind)
    else:
        pytest.skip(f"there is no {kind} here")
    assert "neither a file nor a folder" in refusal(path)


def test_what_cannot_be_read_is_not_called_damaged(path, monkeypatch):
    left_behind(path)

    def closed(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(progress_file, "read_sealed", closed)
    assert "cannot be read: Permission denied" in refusal(path)


@pytest.mark.parametrize("name", ["nowhere/training", "nowhere/", "file/training"])
def test_no_folder_is_told_before_the_first_step(name, tmp_path):
    (tmp_path / "file").touch()
    run = Counting()
    with pytest.raises(ValueError, match=r"checkpoint=.* cannot be written: .*Give a path in a folder that is there"):
        trained(f"{tmp_path}/{name}", run)
    assert run.done == []


def test_a_full_disk_leaves_what_was_saved(path, monkeypatch):
    content = left_behind(path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be written: No space left on device" in refusal(path)
    assert path.read_bytes() == content


# ---- several fits of one path --------------------------------------------------------------------


def test_two_fits_that_begin_together(path):
    """The second one is refused at once; the first ends, and its file goes with it."""
    first, second = (Checkpoint(path, 2, owner) for owner in (OWN, FOREIGN))
    second._read = list  # of the moment before the first one wrote
    run = Counting()
    first.resume(run)
    with pytest.raises(ValueError, match=r"A folder holds a file for each fit"):
        second.resume(Counting())
    second.remove()
    assert path.exists()
    train_to_the_end(run, run.advance, first)
    assert not path.exists()


def test_a_file_system_without_links(path, monkeypatch):
    def refuses(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuses)
    assert trained(path, Counting())[0].done == [*range(1, 9)]
    left_behind(path)
    with pytest.raises(FileExistsError), written_whole(path, replaces=False):
        pass
    assert trained(path, Counting())[0].done == [5, 6, 7, 8]


def test_a_file_that_another_fit_takes_is_not_overwritten(path):
    def moves(run):
        path.unlink(missing_ok=True)
        left_behind(path, owner=FOREIGN)

    run = Counting()
    run.advance = lambda: moves(run) or Counting.advance(run)
    with pytest.raises(ValueError, match="other rows or with other parameters"):
        trained(path, run, every=1)
    assert FOREIGN.encode() in path.read_bytes()


def test_the_same_fit_in_many_threads(path):
    totals = []
    threads = [
        threading.Thread(target=lambda: totals.append(trained(path, Counting(40), every=1)[0].total.tolist()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert totals == [[20.0] * 3] * 8
    assert not any(path.parent.iterdir())


def test_a_folder_holds_a_file_for_each_fit(tmp_path):
    for owner in (OWN, FOREIGN):
        with pytest.raises(Died):
            trained(tmp_path, Counting(dies_at=5), owner=owner)
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{OWN}.training", f"{FOREIGN}.training"]
    assert trained(tmp_path, Counting())[0].done == [5, 6, 7, 8]
    assert [file.name for file in tmp_path.iterdir()] == [f"{FOREIGN}.training"]


def test_what_the_dead_have_left_is_removed(path):
    names = ["training.0123456789abcdef.part", "other.0123456789abcdef.part", "training.mine.part"]
    for name in names:
        (path.parent / name).touch()
        os.utime(path.parent / name, (0, 0))
    (path.parent / "training.fedcba9876543210.part").touch()
    trained(path, Counting())
    left = ["other.0123456789abcdef.part", "training.fedcba9876543210.part", "training.mine.part"]
    assert sorted(file.name for file in path.parent.iterdir()) == left


# ---- fits of estimators --------------------------------------------------------------------------

SMALL = {"hidden_layer_sizes": (16,), "max_iter": 100, "device": "cpu"}
QUICK = {"n_likelihood_steps": 8, "tail": None, "parzen": None, "random_state": 0}


def rows(seed=0, n=100):
    """Points near a circle, which a network knows better than a Gaussian."""
    rng = np.random.default_rng([seed, 42])
    u = rng.uniform(0.0, 2.0 * np.pi, n)
    return (np.column_stack([np.cos(u), np.sin(u)]) + 0.1 * rng.standard_normal((n, 2))).round(3)


def network(path=None, **parameters):
    given = {**SMALL, "n_folds": 1, "learning_rate": 0.02, "checkpoint": path, "checkpoint_every": 20, **parameters}
    return DenoisingScoreEstimator(ScoreNetwork(**given), sigma_min=0.1, **QUICK)


@cache
def scores_of_a_whole_fit(refit=False):
    return network(refit=refit).fit(rows()).score_samples(rows(1))


def energy(path=None, **parameters):
    model = NeuralEnergy(**{**SMALL, "checkpoint": path, "checkpoint_every": 20, **parameters})
    return ScoreMatchingDensity(model, random_state=0)


@contextmanager
def death(owner, name, at=1):
    """All that stands in this block dies when a function is called for the time `at`."""
    function, calls = getattr(owner, name), []

    def deadly(*args, **kwargs):
        calls.append(name)
        if len(calls) == at:
            raise Died
        return function(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, deadly)
        with pytest.raises(Died):
            yield


PHASES = {  # parameters, the function in which the fit dies at a call, and the steps at which its trainings go on
    "choices": ({}, denoising_routes, "choose_all", 1, []),
    "refit": ({"refit": True}, TrainingState, "advance", 4, [50, 100]),
    "the end of a refit": ({"refit": True}, DenoisingScoreEstimator, "_keep", 1, []),
    "choices in time": ({"max_time": 1e4}, denoising_routes, "choose_all", 1, []),
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_fit_killed_after_its_training_does_not_repeat_it(phase, path, monkeypatch):
    parameters, owner, name, at, steps = PHASES[phase]
    expected = scores_of_a_whole_fit("refit" in parameters)
    with death(owner, name, at):
        network(path, **parameters).fit(rows())
    assert path.exists()
    seen, advance = [], TrainingState.advance
    monkeypatch.setattr(TrainingState, "advance", lambda state: seen.append(state.step) or advance(state))
    resumed = network(path, **parameters).fit(rows())
    assert seen == steps
    assert not path.exists()
    assert_array_equal(resumed.score_samples(rows(1)), expected)


def test_an_energy_killed_after_its_training_does_not_repeat_it(path):
    whole, seen = energy().fit(rows()), []
    with death(FittedDensity, "__init__"):
        energy(path).fit(rows())
    resumed = energy(path, callback=lambda *values: seen.append(values)).fit(rows())
    assert seen == []
    assert not path.exists()
    assert_array_equal(resumed.score_samples(rows(1)), whole.score_samples(rows(1)))


def test_the_same_rows_in_another_form_are_the_same_fit(path):
    X = rows().astype(np.float32).astype(np.float64)
    for make, owner, name in ((network, DenoisingScoreEstimator, "_keep"), (energy, FittedDensity, "__init__")):
        with death(owner, name):
            make(path).fit(X)
        content = path.read_bytes()
        for same in (np.asfortranarray(X), pd.DataFrame(X), X.astype(np.float32)):
            path.write_bytes(content)
            make(path, hidden_layer_sizes=[16]).fit(same)
            assert not path.exists()


@pytest.mark.parametrize("parameter", ["weighting", "model__network"])
def test_two_functions_are_two_fits(parameter, path):
    def fit_of(function):
        return checkpoint_of(ScoreNetwork(checkpoint=path), network().set_params(**{parameter: function})).fingerprint

    assert fit_of(lambda x: x) == fit_of(lambda x: x)
    assert fit_of(lambda x: x) != fit_of(lambda x: 2 * x)


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_a_search_with_two_jobs_keeps_a_file_for_each_fit(backend, tmp_path):
    search = {"param_grid": {"sigma_min": [0.1]}, "cv": 2, "n_jobs": 2, "refit": False}
    with joblib.parallel_config(backend):
        whole, saved = (GridSearchCV(network(p), **search).fit(rows()) for p in (None, str(tmp_path)))
    assert_array_equal(saved.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"])
    assert not any(tmp_path.iterdir())


def test_folds_have_a_file_each_in_a_folder(tmp_path, path, monkeypatch):
    def fitted(place):
        model = network(place).model
        return DenoisingScoreEstimatorCV(model, sigma_mins=[0.1, 0.2], cv=2, **QUICK)

    with pytest.raises(ValueError, match="give a folder"):
        fitted(path).fit(rows())
    with death(DenoisingScoreEstimatorCV, "_keep"):
        fitted(tmp_path).fit(rows())
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.setattr(TrainingState, "advance", None)  # nothing is left to train
    fitted(tmp_path).fit(rows())
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_that_stays_does_not_lose_the_fit(path, monkeypatch):
    def stays(self, missing_ok=False):
        if self == path:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", stays)
    with pytest.warns(ConvergenceWarning, match="cannot be removed: Permission denied.*delete the file yourself"):
        fitted = network(path).fit(rows())
    assert np.isfinite(fitted.score(rows()))


def numbers(path):
    return TabularDensity(ScoreNetwork(**SMALL, checkpoint=path), random_state=0)


def test_a_table_killed_after_its_numbers_are_learned_does_not_repeat_that(path, monkeypatch):
    with death(table_fit, "stack"):
        numbers(path).fit(rows())
    monkeypatch.setattr(TrainingState, "advance", None)  # nothing is left to train
    assert np.isfinite(numbers(path).fit(rows()).score(rows()))
    assert not path.exists()


@pytest.mark.parametrize("make", [network, energy, numbers])
def test_paths_are_checked_before_the_fit_begins(make, tmp_path):
    with pytest.raises(ValueError, match=r"The 'checkpoint' parameter"):
        make(7).fit(rows())
    with pytest.raises(ValueError, match=r"checkpoint=.* cannot be written: "):
        make(tmp_path / "nowhere" / "training").fit(rows())


# ---- files that chance has changed ---------------------------------------------------------------


def damaged(data, rng):
    """Bytes with some of them flipped, cut out, repeated, exchanged for chance or for others of them."""
    start, end = np.sort(rng.integers(0, len(data) + 1, size=2))
    end = min(end, start + int(rng.choice([1, 1, 4, 64, len(data)])))
    piece = data[start:end]
    flipped = bytes(b ^ 1 << int(rng.integers(8)) for b in piece)
    other = rng.integers(0, len(data) + 1)
    middle = [flipped, b"", piece + piece, rng.bytes(len(piece)), data[other : other + len(piece)]][rng.integers(5)]
    return data[:start] + middle + data[end:]


def outcome(path):
    """How a fit ends that finds a changed file: "refused" in one line, or with the result "identical"."""
    try:
        found = network(path).fit(rows()).score_samples(rows(1))
    except ValueError as error:
        return "refused" if re.fullmatch("checkpoint=.*", str(error)) else str(error)
    assert_array_equal(found, scores_of_a_whole_fit())
    return "identical"


@pytest.mark.parametrize("n", [20, pytest.param(10_000, marks=pytest.mark.slow)])
def test_checkpoints_that_chance_has_changed(n, path):
    with death(TrainingState, "advance", 2):
        network(path).fit(rows())
    genuine, rng, counts = path.read_bytes(), np.random.default_rng(n), {"refused": 0, "identical": 0}
    for k in range(n):
        path.write_bytes(damaged(genuine, rng) if k else genuine)
        counts[outcome(path)] += 1
    print(f"{n} checkpoints: {counts}")
    assert counts["refused"] > n // 2
    assert counts["identical"] > 0
    assert sum(counts.values()) == n


@pytest.mark.parametrize("n", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_checkpoints_changed_behind_their_checksum(n):
    """What is read is a tree or an exception, in little time, and never larger than some multiple of the file."""
    rng, counts = np.random.default_rng(n), {"refused": 0, "read": 0}
    state = {**Counting().state(), "more": [torch.rand(3, 4), {"a": 1e-3}], "order": torch.randperm(50)}
    whole = to_bytes([state])
    for _ in range(n):
        begun, content = time.perf_counter(), damaged(whole, rng)
        try:
            found = from_bytes(content)
        except Exception:
            counts["refused"] += 1
        else:
            counts["read"] += 1
            assert sum(tensor.nbytes for tensor in tensors_in(found)) <= len(content)
        assert time.perf_counter() - begun < 5.0
    print(f"{n} checkpoints: {counts}")
    assert min(counts.values()) > 0


@pytest.mark.parametrize("piece", [b"[],", b"[0],", b"0,", b'"",', b'{"dict":[]},', b'{"dict":[[0,0]]},'])
def test_a_line_takes_dozens_of_times_its_length(piece):
    content = b"[" + 30_000 * piece + b"0]\n"
    tracemalloc.start()
    try:
        from_bytes(content)
        assert tracemalloc.get_traced_memory()[1] < 60 * len(content)
    finally:
        tracemalloc.stop()


def tensors_in(part):
    if isinstance(part, torch.Tensor):
        yield part
    elif isinstance(part, dict | list):
        for value in part.values() if isinstance(part, dict) else part:
            yield from tensors_in(value)
