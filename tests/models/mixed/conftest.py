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
        own = [
            self.P[tuple(c if on else slice(None) for c, on in zip(row, mask, strict=True))].sum()
            for row, mask in zip(codes, cells, strict=True)
        ]
        return np.log(np.array(own))

    def log_prob(self, codes, target, given):
        return self._marginal(codes, target | given) - self._marginal(codes, given)

    def sample(self, codes, given, rng):
        every, drawn = np.array(list(product(*map(range, self.n_levels)))), codes.copy()
        for i, (row, known) in enumerate(zip(codes, given, strict=True)):
            p = self.P.ravel() * (every == row)[:, known].all(axis=1)
            drawn[i] = every[rng.choice(len(every), p=p / p.sum())]
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
