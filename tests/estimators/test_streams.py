"""Whoever computes the blocks of a table, and wherever they come from, the fit is one, and that of all rows."""

import os
import subprocess
import sys
import weakref

import joblib
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, ScoreMatchingDensityCV, fit_blocks
from skscore._kernels import threads
from skscore.domains import Orthant
from skscore.estimators import streams, subtotals
from skscore.models import Kernel, PairwiseInteraction
from skscore.neural.sealed import head_of

DENSITIES = {
    "gaussian": ScoreMatchingDensity(),
    "interactions": ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.5),
    "a path of penalties": ScoreMatchingDensityCV("pairwise", selection="ebic", calibrate=False),
    "quartic": ScoreMatchingDensity("polynomial", random_state=0),
    "on the orthant": ScoreMatchingDensity(PairwiseInteraction(domain=Orthant())),
    "kernels": ScoreMatchingDensity(Kernel(n_landmarks=15, bandwidth=0.8), alpha=1e-3, random_state=0),
    "ladder": DenoisingScoreEstimator("polynomial", noise_levels=[1.0, 0.3], dequantize=False, tail=None),
}


def answers(density, X):
    return density.grad_log_density(X)


def slices(X, size=7):
    return [X[start : start + size] for start in range(0, len(X), size)]


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_blocks_of_a_small_table_are_fitted_as_the_table(density, table):
    X = table(60)
    fitted = fit_blocks(clone(density), iter(slices(X)))
    assert_allclose(answers(fitted, X), answers(clone(density).fit(X), X), rtol=1e-6)


@pytest.mark.parametrize(
    ("back_end", "n_jobs"), [("threading", 3), ("multiprocessing", 2), pytest.param("loky", 2, marks=pytest.mark.slow)]
)
def test_the_fit_is_the_same_bit_for_bit_whoever_computes_the_blocks(back_end, n_jobs, table):
    X = table(3000)
    for name in ("quartic", "kernels"):
        alone = fit_blocks(clone(DENSITIES[name]), slices(X, 250))
        with joblib.parallel_config(back_end, n_jobs=n_jobs):
            together = fit_blocks(clone(DENSITIES[name]), slices(X, 250))
        assert_array_equal(answers(together, X), answers(alone, X))


def test_a_block_is_computed_by_one_thread(table):
    class Watched(ScoreMatchingDensity):
        def compute_statistics(self, X, sample_weight=None, **given):
            seen.append(threads.available())
            return super().compute_statistics(X, sample_weight, **given)

    seen = []
    fit_blocks(Watched(), slices(table(60)))
    assert seen == [1] * 9


def test_blocks_are_added_in_pairs():
    sums = []
    for k in range(11):
        streams._add(sums, f"{k:x}" if k != 3 else None)  # texts show where they were added
    assert sums == [(3, "01245678"), (1, "9a")]
    assert streams._total(sums) == "0124567" + "89a"[0] + "9a"


FORMS = {
    "arrays": lambda X: X,
    "functions": lambda X: lambda: X,
    "pandas": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=["a", "b"]),
    "pyarrow": lambda X: pa.table({"a": X[:, 0], "b": X[:, 1]}),
    "lists": lambda X: X.tolist(),
    "with weights": lambda X: (X, np.ones(len(X))),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_blocks_come_in_many_forms(form, table):
    X = table(60)
    fitted = fit_blocks(ScoreMatchingDensity(random_state=0), [form(block) for block in slices(X)])
    assert_allclose(fitted.covariance_, ScoreMatchingDensity().fit(X).covariance_, rtol=1e-10)
    assert type(fitted.sample(2)) is (type(form(X)) if nw.dependencies.is_into_dataframe(form(X)) else np.ndarray)


def test_a_memory_map_is_read_where_its_blocks_are_computed(tmp_path, table):
    X = table(400)
    np.save(tmp_path / "rows.npy", X)
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        fitted = fit_blocks(ScoreMatchingDensity(), (rows[start : start + 90] for start in range(0, 400, 90)))
    assert_allclose(fitted.covariance_, ScoreMatchingDensity().fit(X).covariance_, rtol=1e-12)


def test_weights_are_repeated_rows_and_blocks_that_count_for_nothing_are_left_out(table):
    X, weight = table(60), np.random.default_rng(3).integers(1, 4, 60)
    far = np.full((5, 2), 1e9)
    parts = [X[:0], (far, np.zeros(5)), (X[:30], weight[:30]), X[:0], (X[30:], weight[30:])]
    for density in (DENSITIES["quartic"], DENSITIES["kernels"]):
        repeated = clone(density).fit(np.repeat(X, weight, axis=0))
        assert_allclose(answers(fit_blocks(clone(density), parts), X), answers(repeated, X), rtol=1e-6)


def test_a_plan_is_made_of_the_first_rows_or_given(table, monkeypatch):
    monkeypatch.setattr(streams, "ROWS_OF_A_PLAN", 30)
    X, density, read = table(60), DENSITIES["kernels"], []
    blocks = [lambda k=k, part=part: read.append(k) or part for k, part in enumerate(slices(X, 20))]
    first, all_rows = (
        fit_blocks(clone(density), blocks, plan=plan)._fit.statistics.plan for plan in (None, density.plan(X))
    )
    assert read == [0, 1, 0, 1, 2, 0, 1, 2]
    assert (first.key, all_rows.key) == (density.plan(X[:30]).key, density.plan(X).key)


def test_no_more_than_a_few_blocks_are_held_at_a_time(table):
    alive, most = 0, 0

    class Counted(np.ndarray):
        def __array_finalize__(self, source):
            pass

    def counted(X):
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        block = X.copy().view(Counted)
        weakref.finalize(block, fewer)
        return block

    def fewer():
        nonlocal alive
        alive -= 1

    X, density = table(4000), ScoreMatchingDensity()
    with joblib.parallel_config("threading", n_jobs=2):
        fit_blocks(density, map(counted, slices(X, 100)), plan=density.plan(X))
    assert 2 <= most <= 8


def fail():
    raise OSError("the disk is gone")


def failing(X):
    yield X[:30]
    raise OSError("the line is cut")


REFUSED = {
    "nothing": (lambda X: [], "no rows"),
    "a generator without rows": (lambda X: iter([X[:0]]), "no rows"),
    "one row": (lambda X: [X[:1]], "minimum of 2"),
    "one table": (lambda X: X, r"blocks is ndarray: .*\[X\]"),
    "one frame": (pd.DataFrame, "blocks is DataFrame"),
    "a number": (lambda X: 3, "blocks is int"),
    "a row": (lambda X: [X, X[0]], "block 1 .*no table"),
    "nothing at all": (lambda X: [X, None], "block 1 .*no table"),
    "other widths": (lambda X: [X[:0], X, X[:, :1]], "block 2 .*1 columns, blocks before it have 2"),
    "other names": (lambda X: [pd.DataFrame(X), pd.DataFrame(X, columns=["a", "b"])], "do not make one table"),
    "a function that fails": (lambda X: [X, fail], "block 1 .*OSError: the disk is gone"),
    "a generator that fails": (failing, "failed at block 1: OSError: the line is cut"),
    "not a number": (lambda X: [X, np.full((1, 2), np.nan)], "NaN"),
    "a weight below zero": (lambda X: [(X, np.ones(60)), (X, -np.ones(60))], "[Nn]egative"),
}


@pytest.mark.parametrize(("blocks", "message"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_table_is_refused(blocks, message, table):
    with pytest.raises(ValueError, match=message):
        fit_blocks(ScoreMatchingDensity(), blocks(table(60)))


LATER = ["a row", "nothing at all", "a function that fails", "not a number", "a weight below zero"]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("name", LATER)
def test_errors_of_later_blocks_tell_their_number(name, n_jobs, table):
    X, (blocks, _) = table(60), REFUSED[name]
    density = ScoreMatchingDensity()
    with joblib.parallel_config("threading"), pytest.raises(ValueError, match="block 1 cannot be added"):
        fit_blocks(density, blocks(X), plan=density.plan(X), n_jobs=n_jobs)
    assert not hasattr(density, "location_")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_generator_that_fails_later_is_not_taken_for_the_end(n_jobs, table):
    X, density = table(60), ScoreMatchingDensity()
    with joblib.parallel_config("threading"), pytest.raises(ValueError, match="failed at block 1: OSError"):
        fit_blocks(density, failing(X), plan=density.plan(X), n_jobs=n_jobs)


def test_estimators_without_statistics_are_refused(table):
    pipeline = make_pipeline(StandardScaler(), ScoreMatchingDensity())
    with pytest.raises(ValueError, match=r"Pipeline.*pipeline\[-1\]"):
        fit_blocks(pipeline, [table(60)])
    for other in (StandardScaler(), ScoreMatchingDensity, None):
        with pytest.raises(ValueError, match="keeps no statistics that add up"):
            fit_blocks(other, [table(60)])


# ---- checkpoints ---------------------------------------------------------------------------------


class Died(BaseException):
    """Stands for the death of a process, which nothing handles."""


def read_until(X, stop, read):
    """Functions of the blocks of X, which note their numbers; the one numbered `stop` is the end."""

    def of(number, block):
        def call():
            if number == stop:
                raise Died
            read.append(number)
            return block

        return call

    return [of(number, block) for number, block in enumerate(slices(X, 25))]


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_a_fit_goes_on_from_its_checkpoint_bit_for_bit(density, table, tmp_path, monkeypatch):
    monkeypatch.setattr(subtotals, "SECONDS", 0.0)
    X, read, file = table(300), [], tmp_path / "sums"
    plan = density.plan(X)
    with pytest.raises(Died):
        fit_blocks(clone(density), read_until(X, 7, read), plan=plan, checkpoint=file)
    resumed = fit_blocks(clone(density), read_until(X, None, read), plan=plan, checkpoint=str(file))
    assert read == list(range(12))
    assert_array_equal(answers(resumed, X), answers(fit_blocks(clone(density), slices(X, 25), plan=plan), X))
    assert not list(tmp_path.iterdir())


def test_folds_go_on_from_their_checkpoint_bit_for_bit(table, tmp_path, monkeypatch):
    monkeypatch.setattr(subtotals, "SECONDS", 0.0)
    X, search = table(300), ScoreMatchingDensityCV("pairwise", n_alphas=5, cv=3)
    with pytest.raises(Died):
        fit_blocks(clone(search), read_until(X, 7, []), checkpoint=tmp_path / "sums")
    resumed = fit_blocks(clone(search), slices(X, 25), checkpoint=tmp_path / "sums")
    whole = fit_blocks(clone(search), slices(X, 25))
    assert_array_equal(resumed.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"])
    assert_array_equal(answers(resumed, X), answers(whole, X))


def test_a_generator_is_advanced_past_what_is_done(table, tmp_path, monkeypatch):
    monkeypatch.setattr(subtotals, "SECONDS", 0.0)
    monkeypatch.setattr(streams, "ROWS_OF_A_PLAN", 60)
    X, density = table(300), DENSITIES["quartic"]
    with pytest.raises(Died):
        fit_blocks(clone(density), iter(read_until(X, 7, [])), checkpoint=tmp_path / "sums")
    resumed = fit_blocks(clone(density), iter(slices(X, 25)), checkpoint=tmp_path / "sums")
    assert_array_equal(answers(resumed, X), answers(fit_blocks(clone(density), slices(X, 25)), X))


SCRIPT = """
import sys, time
import numpy as np
from skscore import ScoreMatchingDensity, fit_blocks
from skscore.estimators import subtotals

subtotals.SECONDS = 0.0
X = np.load(sys.argv[1])
density = ScoreMatchingDensity("polynomial", random_state=0)

def blocks():
    for number, start in enumerate(range(0, 300, 25)):
        if number == 7:
            print("seven are done", flush=True)
            time.sleep(600)
        yield X[start : start + 25]

fit_blocks(density, blocks(), plan=density.plan(X), checkpoint=sys.argv[2])
"""


def test_a_killed_fit_goes_on_bit_for_bit(table, tmp_path):
    X, density, read = table(300), DENSITIES["quartic"], []
    np.save(tmp_path / "rows.npy", X)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, tmp_path / "rows.npy", tmp_path / "sums"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "seven are done\n"
        process.kill()
    resumed = fit_blocks(clone(density), read_until(X, None, read), plan=density.plan(X), checkpoint=tmp_path / "sums")
    assert read == list(range(7, 12))
    assert_array_equal(answers(resumed, X), answers(fit_blocks(clone(density), slices(X, 25)), X))
    assert [file.name for file in tmp_path.iterdir()] == ["rows.npy"]


@pytest.fixture
def interrupted(table, tmp_path, monkeypatch):
    """Function that goes on with a fit which died at its seventh block, whose checkpoint has the attribute `file`."""
    monkeypatch.setattr(subtotals, "SECONDS", 0.0)
    X, density, file = table(300), DENSITIES["quartic"], tmp_path / "sums"

    def go_on(density=density, rows=X, blocks=None, checkpoint=file):
        parts = slices(rows, 25) if blocks is None else blocks
        return fit_blocks(clone(density), parts, plan=density.plan(rows), checkpoint=checkpoint)

    with pytest.raises(Died):
        go_on(blocks=read_until(X, 7, []))
    go_on.file = file
    return go_on


def test_a_checkpoint_of_another_fit_is_refused_and_left(interrupted, table):
    content = interrupted.file.read_bytes()
    others = {
        "belongs to other first rows": {"rows": table(300)[::-1]},
        "or to an estimator with other parameters": {"density": ScoreMatchingDensity("polynomial", random_state=1)},
        "7 blocks are done, but there are 3": {"blocks": slices(table(300), 100)},
    }
    for message, other in others.items():
        with pytest.raises(ValueError, match=message):
            interrupted(**other)
    assert interrupted.file.read_bytes() == content


def test_a_damaged_checkpoint_is_refused_or_resumed_to_the_same_fit(interrupted, table):
    X, content = table(300), interrupted.file.read_bytes()
    expected, refused = answers(fit_blocks(clone(DENSITIES["quartic"]), slices(X, 25)), X), 0
    mutated = [content[:size] for size in (0, 30, 100, 300, len(content) - 1)]
    for place in range(0, len(content), len(content) // 60):
        mutated.append(content[:place] + bytes([content[place] ^ 0x11]) + content[place + 1 :])
    for damaged in mutated:
        interrupted.file.write_bytes(damaged)
        resumed, error = outcome(interrupted)
        if error is None:
            assert_array_equal(answers(resumed, X), expected)
        else:
            assert error.startswith(f"checkpoint={str(interrupted.file)!r} is ")
            assert interrupted.file.read_bytes() == damaged
            refused += 1
    assert refused > 60


def outcome(call):
    """What a call returns, and the text of its ValueError."""
    try:
        return call(), None
    except ValueError as error:
        return None, str(error)


CRAFTED = [
    b"not JSON",
    b"[7, [[0, []]]]\n",
    b'[7, [[0, [{"record": ["Pipeline", {}]}, null, null]]]]\n',
    b'[7, [[0, [{"array": ["object", [1], "C"]}, null, null]]]]\n12345678',
    b'[7, [[0, [{"array": ["float64", [1000000000000], "C"]}, null, null]]]]\n12345678',
    b"[-1, []]\n",
    b"[7, 3]\n",
]


@pytest.mark.parametrize("tree", CRAFTED)
def test_a_checkpoint_made_by_hand_runs_nothing(tree, interrupted):
    content = interrupted.file.read_bytes().split(b"\n")[1] + b"\n" + tree
    interrupted.file.write_bytes(head_of("subtotal", subtotals.FORMAT, content) + content)
    with pytest.raises(ValueError, match=r"checkpoint=.* (is damaged|holds no sums)"):
        interrupted()


def test_paths_that_cannot_be_used_are_told_before_a_block_is_computed(interrupted, table, tmp_path):
    untouched = read_until(table(300), 0, [])
    (tmp_path / "notes").write_text("of mine\n")
    refused = {
        tmp_path: "is no file",
        tmp_path / "notes": "is no subtotal that skscore wrote",
        tmp_path / "nowhere" / "sums": "cannot be written: No such file",
        tmp_path / "notes" / "sums": "cannot be written: Not a directory",
        7: "is no path",
    }
    for path, message in refused.items():
        with pytest.raises(ValueError, match=f"checkpoint=.* {message}"):
            interrupted(blocks=untouched, checkpoint=path)
    assert (tmp_path / "notes").read_text() == "of mine\n"


def test_a_checkpoint_that_cannot_be_removed_does_not_lose_the_fit(interrupted, monkeypatch, table):
    unlink = subtotals.Path.unlink

    def refuse(path, missing_ok):
        if path == interrupted.file:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(subtotals.Path, "unlink", refuse)
    with pytest.warns(ConvergenceWarning, match="cannot be removed: Permission denied"):
        fitted = interrupted()
    assert np.isfinite(fitted.grad_log_density(table(300))).all()


def test_a_fit_that_is_not_determined_keeps_its_checkpoint(table, tmp_path):
    X, density = table(60), ScoreMatchingDensity("polynomial", alpha=0.0)
    with pytest.raises(ValueError, match="unbounded below"):
        fit_blocks(density, [X[:3]], plan=density.plan(X), checkpoint=tmp_path / "sums")
    assert (tmp_path / "sums").exists()
