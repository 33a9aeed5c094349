r"""A density made of conditionals of single cells, which need not agree with each other.

An order π of the columns makes a density of any conditionals :math:`P(c_j \mid c_S)`, and so does the mean of several,

.. math:: P(c_T \mid c_S) = \frac1R \sum_{r=1}^R \prod_i P(c_{t_i} \mid c_S, c_{t_1}, \ldots, c_{t_{i-1}}),

with :math:`t_1, t_2, \ldots` the columns of T as order :math:`\pi_r` has them (Uria, Murray & Larochelle, 2014). Each
product has total mass one, whatever the conditionals are. If they are those of one density, all orders agree with it.

References
----------
Uria, B., Murray, I., & Larochelle, H. (2014). A deep and tractable density estimator. ICML.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol

import numpy as np
from numpy import ndarray
from scipy.special import logsumexp

from .level_draws import draw_level

__all__ = ["CellConditionals", "OrderMixture", "draw_orders", "level_blocks"]

FEW_COLUMNS = 3  # up to which all orders are taken
BLOCK = 4096  # rows that pass together


class CellConditionals(Protocol):
    """The law of each cell of a row, given any others."""

    n_levels: tuple[int, ...]

    def log_conditionals(self, codes, given, columns=None):
        """log P(c_j = k | c_S), a block of K_j entries for each of the `columns` that is not in S, by default all."""


def level_blocks(n_levels):
    """The slice of each column's levels among those of all."""
    ends = np.cumsum(n_levels, dtype=int).tolist()
    return [slice(end - k, end) for end, k in zip(ends, n_levels, strict=True)]


def draw_orders(q, n_orders=8, seed=0):
    """All orders of at most 3 columns, else as many random ones, shape (R, q).

    Examples
    --------
    >>> from skscore.models.discrete.orders import draw_orders
    >>> draw_orders(2)
    array([[0, 1],
           [1, 0]])
    """
    if q <= FEW_COLUMNS:
        return np.array(list(permutations(range(q))), dtype=np.int64)
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(q) for _ in range(n_orders)])


@dataclass(frozen=True, eq=False)
class OrderMixture:
    """The mean of the densities that orders make of conditionals, an ``AnyOrder``.

    Parameters
    ----------
    conditionals : CellConditionals
    orders : ndarray of int64, shape (R, q)
        A permutation of the columns in each row.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.discrete.orders import OrderMixture, draw_orders
    >>> from skscore.models.discrete.tree import fit_tree
    >>> codes = np.array([[0, 0], [1, 1], [1, 1]])
    >>> density = OrderMixture(fit_tree(codes, (2, 2)), draw_orders(2))
    >>> given = np.zeros((3, 2), dtype=bool)
    >>> density.log_prob(codes, ~given, given).round(3)
    array([-1.163, -0.575, -0.575])
    """

    conditionals: CellConditionals
    orders: ndarray

    @property
    def n_levels(self):
        """K_j of each column."""
        return self.conditionals.n_levels

    def log_prob(self, codes, target, given):
        """log P(c_T | c_S), shape (n,); entries of `codes` (n, q) in neither mask are not read."""
        blocks = (slice(k, k + BLOCK) for k in range(0, len(codes), BLOCK))
        parts = [self._log_prob_by_order(codes[b], target[b], given[b]) for b in blocks]
        by_order = np.concatenate([np.empty((len(self.orders), 0)), *parts], axis=1)
        return logsumexp(by_order, axis=0) - np.log(len(self.orders))

    def _log_prob_by_order(self, codes, target, given):
        """log of the product of each order, shape (R, n)."""
        total = np.zeros((len(self.orders), len(codes)))
        for before, nexts in self._steps(target.any(axis=0)).items():
            rows = np.flatnonzero(target[:, [j for _, j in nexts]].any(axis=1))
            known = given[rows] | (target[rows] & np.isin(np.arange(codes.shape[1]), list(before)))
            laws = self._laws(codes[rows], known, {j for _, j in nexts})
            for r, j in nexts:
                asked = target[rows, j]
                total[r, rows[asked]] += laws[j][asked, codes[rows[asked], j]]
        return total

    def _laws(self, codes, known, columns):
        """log P(c_j = k | known cells), (n, K_j), of each of the columns."""
        columns = sorted(columns)
        block = self.conditionals.log_conditionals(codes, known, columns)
        slices = level_blocks([self.n_levels[j] for j in columns])
        return {j: block[:, levels] for j, levels in zip(columns, slices, strict=True)}

    def _steps(self, asked):
        """Sets of columns that come before another in some orders of those `asked` (q,): for each, (order, column)."""
        steps = defaultdict(list)
        for r, order in enumerate(self.orders):
            columns = order[asked[order]].tolist()
            for i, j in enumerate(columns):
                steps[frozenset(columns[:i])].append((r, j))
        return steps

    def sample(self, codes, given, rng):
        """`codes` with every cell that is not given drawn from P(c | c_S), shape (n, q)."""
        drawn = np.array(codes)
        for k in range(0, len(codes), BLOCK):
            self._draw(drawn[k : k + BLOCK], np.array(given[k : k + BLOCK]), rng)
        return drawn

    def _draw(self, codes, known, rng):
        """Draw the cells of a block that are not known, in place: each row in an order of its own."""
        own = self.orders[rng.integers(len(self.orders), size=len(codes))]
        for columns in own.T:
            rows = np.flatnonzero(~known[np.arange(len(codes)), columns])
            uniform = rng.random(len(rows))
            for j, law in self._laws(codes[rows], known[rows], set(columns[rows].tolist())).items():
                of_j = columns[rows] == j
                codes[rows[of_j], j] = draw_level(law[of_j], uniform[of_j])
            known[rows, columns[rows]] = True
