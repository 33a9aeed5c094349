"""Whoever computes the blocks of a table, and wherever they come from, the fit is one, and that of all rows."""

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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV, fit_blocks
from skscore._kernels import threads
from skscore.domains import Orthant
from skscore.estimators import streams as module
from skscore.models import Kernel, PairwiseInteraction

DENSITIES = {
    "gaussian": ScoreMatchingDensity(),
    "interactions": ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.5),
    "a path of penalties": ScoreMatchingDensityCV("pairwise", selection="ebic"),
    "quartic": ScoreMatchingDensity("polynomial", random_state=0),
    "on the orthant": ScoreMatchingDensity(PairwiseInteraction(domain=Orthant())),
    "kernels": ScoreMatchingDensity(Kernel(n_landmarks=15, bandwidth=0.8), alpha=1e-3, random_state=0),
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


@pytest.mark.parametrize(("back_end", "n_jobs"), [("threading", 3), ("multiprocessing", 2), ("loky", 2)])
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
        module._add(sums, f"{k:x}" if k != 3 else None)  # texts show where they were added
    assert [(part.rank, part.statistics) for part in sums] == [(3, "01245678"), (1, "9a")]
    assert module._total(sums) == "0124567" + "89a"[0] + "9a"


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
    fitted = fit_blocks(ScoreMatchingDensity(), (rows[start : start + 90] for start in range(0, 400, 90)), n_jobs=2)
    assert_allclose(fitted.covariance_, ScoreMatchingDensity().fit(X).covariance_, rtol=1e-12)


def test_weights_are_repeated_rows_and_blocks_that_count_for_nothing_are_left_out(table):
    X, weight = table(60), np.random.default_rng(3).integers(1, 4, 60)
    far = np.full((5, 2), 1e9)
    parts = [X[:0], (far, np.zeros(5)), (X[:30], weight[:30]), X[:0], (X[30:], weight[30:])]
    for density in (DENSITIES["quartic"], DENSITIES["kernels"]):
        repeated = clone(density).fit(np.repeat(X, weight, axis=0))
        assert_allclose(answers(fit_blocks(clone(density), parts), X), answers(repeated, X), rtol=1e-6)


def test_a_plan_is_made_of_the_first_rows_or_given(table, monkeypatch):
    monkeypatch.setattr(module, "ROWS_OF_A_PLAN", 30)
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
