"""Levels drawn where a row tells none, all together or one after the other."""

import numpy as np
import pytest

from skscore.models.discrete.tree import fit_tree
from skscore.models.mixed import completions
from skscore.models.mixed.blocks import BlockDensity
from skscore.models.mixed.completions import draw_levels, draw_rows, log_posterior
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


@pytest.mark.parametrize(("most", "ways"), [(1024, 1), (1, 2), (1, 4)])
def test_draws_follow_the_posterior_among_the_levels_that_are_allowed(density, most, ways, monkeypatch):
    monkeypatch.setattr(completions, "MOST", most)
    monkeypatch.setattr(completions, "WAYS", ways)
    rows, known, allowed = problem(2)
    codes, remarks = draw_levels(density, rows, known, ~known.codes, allowed, 6000, np.random.default_rng(1))
    assert remarks == ()
    assert (codes[:, :, 0] == 1).all()
    assert np.isin(codes[:, :, 1], [0, 2]).all()
    ways = np.array([[k, m] for k in (0, 2) for m in (0, 1)])
    p = np.exp(log_posterior(density, rows, known, np.array([1, 2]), ways))[0]
    share = [(codes[0, :, 1:] == way).all(axis=1).mean() for way in ways]
    np.testing.assert_allclose(p.sum(), 1.0)
    np.testing.assert_allclose(share, p, atol=0.02)


def test_rows_that_are_whole_stay_as_they_are(density):
    rows, _, allowed = problem(3)
    every = CellMask(np.ones((3, 3), dtype=bool), np.ones((3, 1), dtype=bool))
    codes, _ = draw_levels(density, rows, every, ~every.codes, allowed, 2, np.random.default_rng(2))
    np.testing.assert_array_equal(codes, np.repeat(rows.codes[:, None], 2, axis=1))


def codes_of_law(agree, n=4000):
    """Three columns of two levels and a frequent third that stands for missing; they agree with this probability."""
    rng = np.random.default_rng(3)
    first = rng.choice(3, n, p=[0.4, 0.1, 0.5])
    others = [np.where(rng.random(n) < agree, first, rng.choice(3, n, p=[0.1, 0.4, 0.5])) for _ in range(2)]
    return np.stack([first, *others], axis=1)


def draws_of_law(agree, n_draws):
    """Draws of all three columns by single-column Gibbs where the missing level is not allowed, and their law."""
    n_levels = (3, 3, 3)
    tree, none = fit_tree(codes_of_law(agree), n_levels), np.zeros((1, 3), dtype=bool)
    nothing = CellMask(none, np.zeros((1, 0), dtype=bool))
    density = BlockDensity(Layout(n_levels, ()), tree, ConditionalGaussian(n_levels, np.zeros((10, 0)), np.eye(0)))
    rows = Rows(np.zeros((1, 3), dtype=np.int64), np.zeros((1, 0)))
    ways = np.indices((2, 2, 2)).reshape(3, -1).T
    p = np.exp(log_posterior(density, rows, nothing, np.arange(3), ways))[0]
    drawn = draw_levels(density, rows, nothing, ~none, [np.arange(2)] * 3, n_draws, np.random.default_rng(4))
    return drawn, ways, p


def test_chains_reach_the_law_from_a_start_that_is_far_from_it(monkeypatch):
    monkeypatch.setattr(completions, "MOST", 1)
    monkeypatch.setattr(completions, "WAYS", 1)
    (codes, remarks), ways, p = draws_of_law(agree=0.5, n_draws=4000)
    assert remarks == ()
    np.testing.assert_allclose([(codes[0] == way).all(axis=1).mean() for way in ways], p, atol=0.03)


def test_chains_that_cannot_move_are_told_of(monkeypatch):
    monkeypatch.setattr(completions, "MOST", 1)
    monkeypatch.setattr(completions, "WAYS", 1)
    (_, remarks), *_ = draws_of_law(agree=1.0, n_draws=50)
    assert "R-hat" in remarks[0]


def test_rows_whose_number_leaves_few_draws_of_the_levels_are_drawn_by_chains(monkeypatch):
    """Three coins that are independent, and a number near to the one combination of all heads."""
    n_levels, layout = (2, 2, 2), Layout((2, 2, 2), (ALWAYS,))
    rng = np.random.default_rng(5)
    tree = fit_tree((rng.random((4000, 3)) < 0.1).astype(np.int64), n_levels)
    coef = np.array([[0.0], [0.0], [4.0], [0.0], [4.0], [0.0], [4.0]])
    density = BlockDensity(layout, tree, ConditionalGaussian(n_levels, coef, np.eye(1)))
    rows = Rows(np.zeros((3000, 3), dtype=np.int64), np.full((3000, 1), 8.5))
    known = CellMask(np.zeros((3000, 3), dtype=bool), np.ones((3000, 1), dtype=bool))
    ways = np.indices(n_levels).reshape(3, -1).T
    p = np.exp(log_posterior(density, rows.at([0]), known.at([0]), np.arange(3), ways))[0]
    monkeypatch.setattr(completions, "MOST", 1)
    for enough in (0.0, 64.0):  # by the density, which weighs all eight; by chains
        monkeypatch.setattr(completions, "ENOUGH", enough)
        drawn, remarks = draw_rows(density, rows, known, np.random.default_rng(6))
        assert remarks == ()
        np.testing.assert_array_equal(drawn.numbers, rows.numbers)
        np.testing.assert_allclose([(drawn.codes == way).all(axis=1).mean() for way in ways], p, atol=0.03)
