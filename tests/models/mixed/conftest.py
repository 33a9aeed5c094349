"""A density of levels that is a table of all its probabilities, and random cells to ask for."""

from itertools import product

import numpy as np
import pytest

from skscore.models.mixed.rows import CellMask


class TableOfLevels:
    """P(c) as an array of shape `n_levels`, by enumeration."""

    def __init__(self, P):
        self.P, self.n_levels = P / P.sum(), P.shape

    def _marginal(self, codes, cells):
        kinds, of_row = np.unique(np.where(cells, codes, -1), axis=0, return_inverse=True)
        p = [self.P[tuple(slice(None) if c < 0 else c for c in kind)].sum() for kind in kinds]
        return np.log(p)[of_row.ravel()]

    def log_prob(self, codes, target, given):
        return self._marginal(codes, target | given) - self._marginal(codes, given)

    def sample(self, codes, given, rng):
        every, drawn = np.array(list(product(*map(range, self.n_levels)))), codes.copy()
        kinds, of_row = np.unique(np.where(given, codes, -1), axis=0, return_inverse=True)
        for k, kind in enumerate(kinds):
            p = self.P.ravel() * ((every == kind) | (kind < 0)).all(axis=1)
            index = np.flatnonzero(of_row.ravel() == k)
            drawn[index] = every[rng.choice(len(every), len(index), p=p / p.sum())]
        return drawn


@pytest.fixture
def levels():
    return TableOfLevels(np.random.default_rng(11).dirichlet(np.ones(12)).reshape(2, 3, 2))


@pytest.fixture
def ask():
    """Random cells: asked for, known, or neither; only numbers that are there."""

    def masks(rows, rng):
        codes, numbers = rng.integers(0, 3, rows.codes.shape), rng.integers(0, 3, rows.numbers.shape)
        there = ~np.isnan(rows.numbers)
        return [CellMask(codes == k, (numbers == k) & there) for k in (1, 0)]

    return masks
