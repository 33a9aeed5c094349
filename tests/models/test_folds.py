"""Folds of large tables follow a hash of each row; those of small ones are of equal size."""

import numpy as np
import pytest

from skscore.formulas.moments import moments
from skscore.models import folds
from skscore.models.family import Sample
from skscore.models.folds import fold_of_rows, folds_of, group_rows, hashed_folds


def sample(X):
    return Sample(X, None, None, moments(X))


def test_a_fold_depends_on_the_row_alone(rng):
    X = rng.standard_normal((50, 3))
    X[7, 1] = 0.0
    fold, order = fold_of_rows(X, 4), rng.permutation(50)
    np.testing.assert_array_equal(fold_of_rows(np.asfortranarray(X[order]), 4), fold[order])
    np.testing.assert_array_equal(fold_of_rows(np.where(X == 0.0, -0.0, X), 4), fold)
    single = X.astype(np.float32)
    np.testing.assert_array_equal(fold_of_rows(single, 4), fold_of_rows(single.astype(float), 4))


TABLES = [
    np.arange(5000.0)[:, None],
    np.argwhere(np.ones((70, 70))).astype(float),
    1e8 + np.arange(3000.0)[:, None] * 2.0**-20,
]


@pytest.mark.parametrize("X", TABLES, ids=["whole numbers", "pairs of them", "far from zero"])
@pytest.mark.parametrize("n_folds", [2, 5])
def test_folds_of_hashes_are_nearly_of_equal_size(X, n_folds):
    sizes = np.bincount(fold_of_rows(X, n_folds), minlength=n_folds)
    assert np.abs(sizes - len(X) / n_folds).max() < 4.0 * np.sqrt(len(X) / n_folds)


def test_many_distinct_rows_follow_their_hash_and_few_are_dealt_evenly(rng, monkeypatch):
    X = rng.standard_normal((100, 2))
    assert [len(fold.X) for fold in folds_of(sample(X), 5)] == [20] * 5
    monkeypatch.setattr(folds, "MOST_DEALT", 99)
    for fold, expected in zip(folds_of(sample(X), 5), hashed_folds(sample(X), 5), strict=True):
        np.testing.assert_array_equal(fold.X, expected.X)
    few = np.repeat(X[:50], 4, axis=0)  # more rows than may be dealt, but few that differ
    assert [len(np.unique(fold.X, axis=0)) for fold in folds_of(sample(few), 5)] == [10] * 5


def test_folds_of_few_rows_do_not_change_with_a_rotation_and_units(rng):
    X, (turn, _) = rng.standard_normal((60, 3)), np.linalg.qr(rng.standard_normal((3, 3)))
    groups = [group_rows(Z - moments(Z).mean) for Z in (X, 1e3 * X @ turn)]
    np.testing.assert_array_equal(*groups)
