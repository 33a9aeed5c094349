r"""A density of levels mixed with the frequencies of whole rows of levels.

.. math:: P(c_A) = (1 - w)\, P_0(c_A) + w\, f(c_A), \qquad
          P(c_T \mid c_S) = \frac{P(c_T, c_S)}{P(c_S)},

for any cells A, with :math:`f(c_A)` the share of rows that have these levels there, of those rows whose levels recur.
With w = n / (n + α) this is the mean of a Dirichlet law of P, α times :math:`P_0` before n rows are seen. A tree lets a
column depend on one other; where few combinations of levels hold most of the rows, their frequencies know the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .equal_rows import distinct_rows

__all__ = ["Frequencies", "WithFrequencies", "count_rows"]

LEAST_COUNT = 2.0  # rows that recur


class Frequencies(NamedTuple):
    """Rows of levels and their shares.

    Attributes
    ----------
    codes : ndarray of int64, shape (m, q)
    share : ndarray of shape (m,)
        They sum to one.
    """

    codes: np.ndarray
    share: np.ndarray

    def log_prob(self, codes, cells):
        """log f of the levels in some `cells` (n, q) of rows, shape (n,)."""
        f = np.empty(len(codes))
        for rows, of_table, of_rows in self._matches(codes, cells):
            size = 1 + max(of_table.max(), of_rows.max())
            f[rows] = np.bincount(of_table, self.share, size)[of_rows]
        with np.errstate(divide="ignore"):
            return np.log(f)

    def draw(self, codes, cells, rng):
        """For each row one that has its levels in the `cells`, shape (n, q); there is one."""
        drawn, uniform = np.empty((len(codes), self.codes.shape[1]), dtype=np.int64), rng.random(len(codes))
        for rows, of_table, of_rows in self._matches(codes, cells):
            order = np.argsort(of_table, kind="stable")
            cumulated = np.append(0.0, np.cumsum(self.share[order]))
            first, end = (np.searchsorted(of_table[order], of_rows, side=side) for side in ("left", "right"))
            passed = cumulated[first] + uniform[rows] * (cumulated[end] - cumulated[first])
            place = np.clip(np.searchsorted(cumulated, passed, side="right") - 1, first, end - 1)
            drawn[rows] = self.codes[order[place]]
        return drawn

    def _matches(self, codes, cells):
        """Rows that ask for the same cells, and numbers by which they and those of the table agree in these cells."""
        first, pattern = distinct_rows(cells)
        for g, columns in enumerate(cells[first]):
            rows = np.flatnonzero(pattern == g)
            known = np.concatenate([self.codes[:, columns], codes[rows][:, columns]]).astype(np.int64)
            number = distinct_rows(known)[1] if columns.any() else np.zeros(len(known), dtype=np.int64)
            yield rows, number[: len(self.share)], number[len(self.share) :]


def count_rows(codes, weight):
    """The frequencies of rows of levels that recur, None if there are none.

    Parameters
    ----------
    codes : ndarray of int, shape (n, q)
    weight : ndarray of shape (n,)
        How many rows each stands for.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.discrete.frequencies import count_rows
    >>> count_rows(np.array([[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 1]]), np.ones(6))
    Frequencies(codes=array([[0, 1],
           [1, 1]]), share=array([0.6, 0.4]))
    """
    first, of_row = distinct_rows(codes)
    count = np.bincount(of_row, weight, len(first))
    recurs = count >= LEAST_COUNT
    if not recurs.any():
        return None
    return Frequencies(codes[first][recurs].astype(np.int64), count[recurs] / count[recurs].sum())


@dataclass(frozen=True, eq=False)
class WithFrequencies:
    """The density (1 − w) P_0 + w f of levels, an ``AnyOrder``.

    Parameters
    ----------
    base : AnyOrder
        P_0.
    frequencies : Frequencies
    weight : float
        w, above 0 and below 1.

    Examples
    --------
    Three columns of which each two are independent, and any two know the third:

    >>> import numpy as np
    >>> from skscore.models.discrete.frequencies import WithFrequencies, count_rows
    >>> from skscore.models.discrete.tree import fit_tree
    >>> a, b = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (100, 1)).T
    >>> codes = np.column_stack([a, b, a ^ b])
    >>> density = WithFrequencies(fit_tree(codes, (2, 2, 2)), count_rows(codes, np.ones(400)), 0.9)
    >>> asked = np.array([[False, False, True]])
    >>> np.exp(density.log_prob(codes[:1], asked, ~asked)).round(2)
    array([0.95])
    """

    base: Any
    frequencies: Frequencies
    weight: float

    @property
    def n_levels(self):
        """K_j of each column."""
        return self.base.n_levels

    def log_prob(self, codes, target, given):
        """log P(c_T | c_S), shape (n,); entries of `codes` (n, q) in neither mask are not read."""
        smooth, counted = self._log_shares(codes, given)
        joint = np.logaddexp(
            smooth + self.base.log_prob(codes, target, given),
            np.log(self.weight) + self.frequencies.log_prob(codes, target | given),
        )
        return joint - np.logaddexp(smooth, counted)

    def _log_shares(self, codes, given):
        """Logarithms of (1 − w) P_0(c_S) and w f(c_S), shape (n,) each."""
        smooth, counted = np.full(len(codes), np.log1p(-self.weight)), np.full(len(codes), np.log(self.weight))
        some = given.any(axis=1)
        if some.any():
            asked = codes[some], given[some]
            smooth[some] += self.base.log_prob(*asked, np.zeros_like(asked[1]))
            counted[some] += self.frequencies.log_prob(*asked)
        return smooth, counted

    def sample(self, codes, given, rng):
        """`codes` with every cell that is not given drawn from P(c | c_S), shape (n, q)."""
        smooth, counted = self._log_shares(codes, given)
        is_counted = np.log(rng.random(len(codes))) < counted - np.logaddexp(smooth, counted)
        drawn = np.array(codes, dtype=np.int64)
        drawn[is_counted] = self.frequencies.draw(codes[is_counted], given[is_counted], rng)
        rest = ~is_counted
        drawn[rest] = self.base.sample(codes[rest], given[rest], rng)
        return drawn
