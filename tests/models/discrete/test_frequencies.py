"""Frequencies of whole rows of levels, mixed with a tree: mass, conditionals, draws."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skscore.models.discrete.frequencies import WithFrequencies, count_rows
from skscore.models.discrete.tree import fit_tree

N_LEVELS = 3, 3, 3, 2


@pytest.fixture
def codes(rng):
    """Rows whose third level is nearly the sum of the first two."""
    a, b, d = rng.integers(3, size=400), rng.integers(3, size=400), rng.integers(2, size=400)
    return np.column_stack([a, b, np.where(rng.random(400) < 0.9, (a + b) % 3, rng.integers(3, size=400)), d])


@pytest.fixture
def density(codes):
    """The tree of the rows and their frequencies."""
    return WithFrequencies(fit_tree(codes, N_LEVELS), count_rows(codes, np.ones(400)), 0.7)


@pytest.fixture
def ways():
    """Every combination of levels."""
    return np.array(list(product(*map(range, N_LEVELS))))


def masks(columns, n):
    """The same cells of n rows."""
    return np.tile(np.isin(np.arange(4), columns), (n, 1))


def test_total_mass_is_one(density, ways):
    every = masks([0, 1, 2, 3], len(ways))
    assert_allclose(np.exp(density.log_prob(ways, every, ~every)).sum(), 1.0, rtol=1e-12)


@pytest.mark.parametrize(("asked", "known"), [([2], [0, 1]), ([0, 3], []), ([1, 3], [2]), ([2, 0], [3, 1])])
def test_conditionals_are_ratios_of_sums(density, ways, asked, known):
    every = masks([0, 1, 2, 3], len(ways))
    joint = np.exp(density.log_prob(ways, every, ~every))

    def summed(columns):
        return np.array([joint[(ways[:, columns] == way[columns]).all(axis=1)].sum() for way in ways])

    found = density.log_prob(ways, masks(asked, len(ways)), masks(known, len(ways)))
    assert_allclose(np.exp(found), summed(asked + known) / summed(known), rtol=1e-12)


def test_rows_may_ask_for_different_cells(density, ways, rng):
    asked = rng.random(ways.shape) < 0.4
    known = ~asked & (rng.random(ways.shape) < 0.5)
    one_by_one = [density.log_prob(ways[[i]], asked[[i]], known[[i]])[0] for i in range(len(ways))]
    assert_allclose(density.log_prob(ways, asked, known), one_by_one, rtol=1e-12, atol=1e-14)


def test_draws_follow_the_density(density, ways, rng):
    n = 40_000
    given = masks([1, 2], n)
    drawn = density.sample(np.tile([0, 2, 1, 0], (n, 1)), given, rng)
    assert (drawn[:, [1, 2]] == [2, 1]).all()
    free = ways[(ways[:, [1, 2]] == [2, 1]).all(axis=1)]
    expected = np.exp(density.log_prob(free, masks([0, 3], len(free)), masks([1, 2], len(free))))
    found = [(drawn == way).all(axis=1).mean() for way in free]
    assert np.abs(found - expected).max() < 4.5 * np.sqrt(0.25 / n)


def test_levels_that_never_met_are_possible_and_rare_rows_are_not_kept(density, codes, ways):
    every = masks([0, 1, 2, 3], len(ways))
    assert np.isfinite(density.log_prob(ways, every, ~every)).all()
    kept = density.frequencies.codes
    assert min((codes == row).all(axis=1).sum() for row in kept) == 2
    assert count_rows(np.arange(6)[:, None], np.ones(6)) is None


def test_a_weight_of_two_is_a_row_that_is_there_twice(codes):
    twice = np.repeat([1.0, 2.0], 200)
    weighted, repeated = count_rows(codes, twice), count_rows(np.concatenate([codes, codes[200:]]), np.ones(600))
    assert_allclose(np.sort(weighted.share), np.sort(repeated.share))
