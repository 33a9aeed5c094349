"""What tests of densities of levels share: rows that depend on each other, and all rows that there are."""

from itertools import product

import numpy as np
import pytest
from scipy.special import logsumexp


@pytest.fixture(scope="session")
def dependent_rows():
    """Function from numbers of levels to rows, each cell about a multiple of the one before it."""

    def draw(rng, n_levels, n):
        codes = np.empty((n, len(n_levels)), dtype=np.int64)
        last = rng.integers(0, 2, n)
        for j, k in enumerate(n_levels):
            fresh = rng.random(n) < 0.3
            codes[:, j] = last = np.where(fresh, rng.integers(0, k, n), (2 * last + 1) % k)
        return codes

    return draw


@pytest.fixture(scope="session")
def all_rows():
    """Function from numbers of levels to every row of them."""

    def rows(n_levels):
        return np.array(list(product(*map(range, n_levels))), dtype=np.int64).reshape(np.prod(n_levels, dtype=int), -1)

    return rows


@pytest.fixture(scope="session")
def enumerated():
    """Function from all rows and their log-probabilities to log P(c_S) of each row and mask S (q,)."""

    def marginal(rows, log_p, mask):
        same = (rows[:, None, mask] == rows[None, :, mask]).all(axis=2)
        return logsumexp(np.where(same, log_p, -np.inf), axis=1)

    return marginal
