"""Levels drawn where a row tells none, all together or one after the other."""

import numpy as np
import pytest

from skscore.models.mixed import completions
from skscore.models.mixed.blocks import BlockDensity
from skscore.models.mixed.completions import draw_levels, log_posterior
from skscore.models.mixed.conditional_gaussian import ConditionalGaussian
from skscore.models.mixed.rows import ALWAYS, CellMask, Layout, Rows

LAYOUT = Layout((2, 3, 2), (ALWAYS,))


@pytest.fixture
def density(levels):
    coef = np.random.default_rng(31).normal(0, 1, (8, 1))
    return BlockDensity(LAYOUT, levels, ConditionalGaussian(LAYOUT.n_levels, coef, np.eye(1)))


def problem(n):
    """Rows of which the first level and the number are known, and what the others may hold."""
    rows = Rows(np.tile([1, 0, 0], (n, 1)), np.full((n, 1), 0.4))
    known = CellMask(np.tile([True, False, False], (n, 1)), np.ones((n, 1), dtype=bool))
    return rows, known, [np.arange(2), np.array([0, 2]), np.arange(2)]


@pytest.mark.parametrize(("most", "tolerance"), [(1024, 0.02), (1, 0.08)])
def test_draws_follow_the_posterior_among_the_levels_that_are_allowed(density, most, tolerance, monkeypatch):
    monkeypatch.setattr(completions, "MOST", most)
    rows, known, allowed = problem(2)
    codes = draw_levels(density, rows, known, ~known.codes, allowed, 6000, np.random.default_rng(1))
    assert (codes[:, :, 0] == 1).all()
    assert np.isin(codes[:, :, 1], [0, 2]).all()
    ways = np.array([[k, m] for k in (0, 2) for m in (0, 1)])
    p = np.exp(log_posterior(density, rows, known, np.array([1, 2]), ways))[0]
    share = [(codes[0, :, 1:] == way).all(axis=1).mean() for way in ways]
    np.testing.assert_allclose(p.sum(), 1.0)
    np.testing.assert_allclose(share, p, atol=tolerance)


def test_rows_that_are_whole_stay_as_they_are(density):
    rows, _, allowed = problem(3)
    every = CellMask(np.ones((3, 3), dtype=bool), np.ones((3, 1), dtype=bool))
    codes = draw_levels(density, rows, every, ~every.codes, allowed, 2, np.random.default_rng(2))
    np.testing.assert_array_equal(codes, np.repeat(rows.codes[:, None], 2, axis=1))
