"""Rows that are not copied: those of a memory map, or beyond what is kept in memory."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skscore import DenoisingScoreEstimator
from skscore.estimators import all_rows as module
from skscore.estimators.all_rows import AllRows, all_rows
from skscore.estimators.preprocessing import preprocessing_of
from skscore.formulas.moments import moments
from skscore.neural import ScoreNetwork
from skscore.neural.process_group import ALONE

FEW = 150
NETWORK = {"hidden_layer_sizes": (8,), "max_iter": 100, "n_folds": 1, "device": "cpu"}


@pytest.fixture
def few(monkeypatch):
    """So few rows are here."""
    monkeypatch.setattr(module, "MOST_ROWS", FEW)


def table(n=400, seed=3):
    """Rows on a ring in single precision, with levels of which one is rare."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.1 * rng.standard_normal((n, 2))
    X = np.column_stack([ring, rng.integers(0, 3, n)]).astype(np.float32)
    X[[6, 7], 2] = 9.0  # rows that are not among every third
    return X


def on_disk(X, folder):
    """The rows as a memory map that nobody may write to."""
    np.save(folder / "rows.npy", X)
    return np.load(folder / "rows.npy", mmap_mode="r")


def density(**parameters):
    """An estimator that is soon fitted."""
    network = ScoreNetwork(**NETWORK)
    return DenoisingScoreEstimator(network, n_likelihood_steps=2, tail=None, parzen=None, random_state=0, **parameters)


def test_moments_and_rows_are_those_of_the_table(few):
    X, weight = table().astype(np.float64), np.random.default_rng(4).uniform(0.0, 2.0, 400)
    rows = all_rows(X, weight, ALONE)
    assert len(rows.X) == FEW < rows.n
    assert not rows.are_here
    found, expected = rows.moments(lambda X: 2.0 * X), moments(2.0 * X, weight)
    assert_allclose(found.mean, expected.mean)
    assert_allclose(found.covariance, expected.covariance)
    assert_array_equal(rows.take(np.array([399, 0, 5])), X[[399, 0, 5]])
    assert_array_equal(rows.weight, weight[rows.places])


def test_no_row_is_copied_if_all_may_be_here():
    X = table().astype(np.float64)
    assert all_rows(X, None, ALONE).X is X


def test_rows_of_a_rare_value_join_those_that_choose(few):
    rows, preprocessing = preprocessing_of(all_rows(table(), None, ALONE), "auto", None)
    assert 9.0 in preprocessing.cells[2].values
    assert len(rows.X) == FEW + 1
    assert rows.X[np.searchsorted(rows.places, 6), 2] == 9.0


def test_rows_that_are_not_here_lie_within_the_bounds(few):
    X = table()
    X[7, 0] = 50.0
    with pytest.raises(ValueError, match="1 rows of X lie outside, the first at row 7"):
        preprocessing_of(all_rows(X, None, ALONE), False, (-10.0, 10.0))


def test_what_tells_a_table_from_another_sees_every_row(few):
    X = table()
    before = all_rows(X, None, ALONE).beyond
    X[7, 0] += 1.0
    assert before[0].mean[0] != all_rows(X, None, ALONE).beyond[0].mean[0]


@pytest.mark.torch
def test_a_memory_map_is_learned_as_an_array_is(few, tmp_path):
    pytest.importorskip("torch")
    X = table()
    weight = np.random.default_rng(4).uniform(0.5, 2.0, len(X))
    fitted = density().fit(X.astype(np.float64), sample_weight=weight)
    mapped = density().fit(on_disk(X, tmp_path), sample_weight=weight)
    assert fitted.best_iter_ > 0
    assert_array_equal(mapped.score_samples(X[:4]), fitted.score_samples(X[:4]))


@pytest.mark.torch
def test_a_training_learns_from_all_rows_and_validates_few_of_those_that_are_here(few, monkeypatch):
    pytest.importorskip("torch")
    X, taken, take = table(), [], AllRows.take
    monkeypatch.setattr(AllRows, "take", lambda rows, index: taken.append(index) or take(rows, index))
    here = all_rows(X, None, ALONE).places
    density(dequantize=False).fit(X)
    held_out, *batches = taken
    assert len(held_out) == FEW // 10
    assert np.isin(held_out, here).all()
    assert set(np.concatenate(batches)) == set(range(len(X))) - set(held_out)


@pytest.mark.torch
def test_further_rows_need_values_that_are_known(few):
    pytest.importorskip("torch")
    X = table()
    fitted = density().fit(X)
    assert fitted.partial_fit(X).n_iter_ == NETWORK["max_iter"]
    X[-1, 2] = 7.0
    with pytest.raises(ValueError, match="X holds 7 in column 2"):
        fitted.partial_fit(X)


@pytest.mark.torch
def test_a_fit_needs_less_memory_than_the_table(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    monkeypatch.setattr(module, "MOST_ROWS", 1000)
    X = on_disk(np.random.default_rng(3).standard_normal((200_000, 20), dtype=np.float32), tmp_path)
    density().fit(X[:700])  # loads what a first fit loads
    tracemalloc.start()
    density().set_params(model__max_iter=2).fit(X)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < X.nbytes / 2
