"""Rows that choose for a long table are a sample of the distinct ones, whatever their order and repetition."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris

from skscore import ScoreMatchingDensity
from skscore.formulas.moments import moments
from skscore.models import Kernel, few_rows
from skscore.models.family import Sample


def chosen(X, weight=None, Y=None, most=500):
    return few_rows.few_rows(Sample(X, Y, weight, moments(X, weight)), most)


@pytest.fixture
def X(rng):
    return rng.standard_normal((4000, 3))


def test_a_table_of_few_rows_stays(X):
    sample = Sample(X, None, None, moments(X))
    assert few_rows.few_rows(sample, len(X)) is sample


@pytest.mark.parametrize("block_bytes", [1 << 8, 1 << 12, 1 << 20])
def test_neither_order_nor_blocks_nor_repetition_matter(X, block_bytes, rng, monkeypatch):
    some = chosen(X)
    monkeypatch.setattr(few_rows, "BLOCK_BYTES", block_bytes)
    shuffled = chosen(rng.permutation(X))
    assert_array_equal(some.X, shuffled.X)
    count = rng.integers(1, 4, len(X))
    repeated, weighted = chosen(np.repeat(X, count, axis=0)), chosen(X, count.astype(float))
    assert_array_equal(repeated.X, some.X)
    assert_array_equal(repeated.weight, weighted.weight)


def test_all_of_few_distinct_rows_are_kept_with_all_their_weight(rng):
    X = rng.integers(0, 5, (4000, 2)).astype(float)
    some = chosen(X, Y=-X)
    assert some.weight.sum() == 4000
    assert len(some.X) == 25
    assert_array_equal(some.Y, -some.X)


def test_they_are_a_fair_sample(X):
    some = chosen(X)
    assert len(some.X) == 500
    assert (some.weight == 1.0).all()
    assert np.abs(some.X.mean(axis=0)).max() < 4.0 / np.sqrt(500)


@pytest.mark.parametrize("bandwidth", ["median", "scott"])
def test_a_sample_chooses_as_all_rows_do(bandwidth, monkeypatch):
    X, kernel = np.tile(load_iris().data, (20, 1)), Kernel(20, bandwidth=bandwidth)
    X += 0.3 * np.random.default_rng(0).standard_normal(X.shape)
    by_all, by_some = (ScoreMatchingDensity(kernel, alpha=1e-2), ScoreMatchingDensity(kernel, alpha=1e-2))
    by_all.fit(X)
    monkeypatch.setattr(few_rows, "MOST_TO_CHOOSE", 1500)
    by_some.fit(X)
    assert by_some.bandwidth_ == pytest.approx(by_all.bandwidth_, rel=0.02)
    assert by_some.score(X) == pytest.approx(by_all.score(X), abs=0.03)
