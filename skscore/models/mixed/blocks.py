r"""Levels first, then numbers given levels: the density P(c) p(x | c) and what it says of any cells.

With T, U and S the levels asked for, left open and known, and B, A the numbers asked for and known,

.. math::

   p(c_T, x_B \mid c_S, x_A) = \frac{\sum_{c_U} P(c_T, c_U \mid c_S)\, p(x_A \mid c)\, p(x_B \mid x_A, c)}
                                    {\sum_{c_T, c_U} P(c_T, c_U \mid c_S)\, p(x_A \mid c)} .

The sums run over every combination of levels if there are at most `MOST`. Otherwise they are means over `DRAWS` draws
from :math:`P(c_T, c_U \mid c_S)`, the same in every call and in all rows that know the same levels.
Without numbers nothing is summed: P knows its own marginals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._kernels.latent_classes import log_sums
from ..discrete.equal_rows import distinct_rows
from ..discrete.level_draws import draw_level
from .rows import NOT_KNOWN, AnyOrder, Layout, Rows, distinct

__all__ = ["BlockDensity"]

MOST, DRAWS = 1024, 512  # combinations of levels that are summed, and draws of them if there are more
BLOCK = 1 << 17  # rows, each with one combination of levels, at a time
SEED = 0xB10C  # of the draws


@dataclass(frozen=True, eq=False)
class BlockDensity:
    """The density P(c) p(x | c): a ``RowDensity``.

    Parameters
    ----------
    layout : Layout
    levels : AnyOrder
        P(c).
    numbers : ConditionalNumbers
        p(x | c); for sums over levels, with the ``log_prob_of_ways`` of a closed form.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.discrete.tree import fit_tree
    >>> from skscore.models.mixed.blocks import BlockDensity
    >>> from skscore.models.mixed.conditional_gaussian import ConditionalGaussian
    >>> from skscore.models.mixed.rows import ALWAYS, CellMask, Layout, Rows
    >>> coin = fit_tree(np.array([[0], [1]]), (2,))
    >>> apart = ConditionalGaussian((2,), np.array([[0.0], [-2.0], [2.0]]), np.eye(1))
    >>> density = BlockDensity(Layout((2,), (ALWAYS,)), coin, apart)
    >>> rows, yes, no = Rows(np.array([[1]]), np.array([[1.0]])), np.array([[True]]), np.array([[False]])
    >>> density.log_prob(rows, target=CellMask(yes, no), given=CellMask(no, yes)).round(3)  # log P(c = 1 | x = 1)
    array([-0.018])
    """

    layout: Layout
    levels: AnyOrder
    numbers: Any

    def log_prob(self, rows, target, given):
        """log p(c_T, x_T | c_S, x_S), shape (n,)."""
        log_p = self._log_sum(rows, ~target.codes & ~given.codes, target, given)
        known = given.numbers.any(axis=1)
        log_p[known] -= self._log_sum(rows.at(known), ~given.codes[known], target.none.at(known), given.at(known))
        return log_p

    def sample(self, rows, given, rng):
        """The `Rows` with every cell that is not given drawn; numbers are NaN where their state says so."""
        codes, known = np.empty_like(rows.codes), np.flatnonzero(given.numbers.any(axis=1))
        without = np.setdiff1d(np.arange(rows.n), known)
        codes[without] = self.levels.sample(rows.codes[without], given.codes[without], rng)
        codes[known] = self._sample_levels(rows.at(known), given.at(known), rng)
        numbers = self.numbers.sample(rows.numbers, codes, given.numbers, rng)
        return Rows(codes, np.where(self.layout.holds_number(codes) | given.numbers, numbers, np.nan))

    def _sample_levels(self, rows, given, rng):
        """Levels given others and numbers, shape (n, q); rows that know the same are weighed once."""
        first, of_row = distinct(rows, given)
        few, known, codes = rows.at(first), given.at(first), np.empty_like(rows.codes)
        for index, kind, ways, log_w in self._completed(few, ~known.codes, known.none, known):
            place = np.full(len(first), -1)
            place[index] = np.arange(len(index))
            some = np.flatnonzero(place[of_row] >= 0)
            own = place[of_row[some]]
            codes[some] = ways[kind[own], draw_level(log_w, rng.random(len(own)), own)]
        return codes

    def _log_sum(self, rows, free, target, given):
        """log Σ P(c_T, c_F | c_S) p(x_A | c) p(x_B | x_A, c) over the levels c_F that are `free`, shape (n,)."""
        log_p, summed = np.empty(rows.n), free.any(axis=1) & (given.numbers | target.numbers).any(axis=1)
        rest, summed = np.flatnonzero(~summed), np.flatnonzero(summed)
        log_p[rest] = self._log_term(rows.at(rest), target.at(rest), given.at(rest))
        for index, _, _, log_w in self._completed(rows.at(summed), free[summed], target.at(summed), given.at(summed)):
            log_p[summed[index]] = log_sums(log_w)
        return log_p

    def _completed(self, rows, free, target, given):
        """Of some rows each: indices and kinds (k,), the ways to fill each kind (t, m, q), and the terms (k, m)."""
        first, of_row = distinct_rows(free)
        for number, columns in enumerate(free[first]):
            index = np.flatnonzero(of_row == number)
            n_ways = np.prod(np.array(self.layout.n_levels, dtype=float)[columns])
            fill, m = (self._every_way, int(n_ways)) if n_ways <= MOST else (self._drawn_ways, DRAWS)
            for few in np.array_split(index, min(len(index), -(-len(index) * m // BLOCK))):
                yield few, *self._terms(fill, rows.at(few), columns, target.at(few), given.at(few))

    def _terms(self, fill, rows, columns, target, given):
        """The kinds of rows, their ways, and the terms: rows of a kind differ in their numbers only."""
        known = target.numbers | given.numbers
        same = np.hstack([np.where(columns, NOT_KNOWN, rows.codes), target.codes, given.codes, known])
        first, kind = distinct_rows(same)
        ways, log_levels = fill(rows.codes[first], columns, target.codes[first], given.codes[first])
        log_numbers = self.numbers.log_prob_of_ways(rows.numbers, known[first], ways, kind)
        return kind, ways, log_levels[kind] + log_numbers

    def _every_way(self, codes, columns, target, given):
        """Every combination of levels in the free `columns`, (t, m, q), and log P(c_T, c_F | c_S), (t, m)."""
        n_levels = np.array(self.layout.n_levels, dtype=np.int64)[columns]
        ways = np.repeat(codes[:, None], np.prod(n_levels), axis=1)
        ways[:, :, columns] = np.indices(n_levels).reshape(len(n_levels), ways.shape[1]).T
        asked, known = (np.repeat(mask, ways.shape[1], axis=0) for mask in (target | columns, given))
        return ways, self.levels.log_prob(np.concatenate(ways), asked, known).reshape(ways.shape[:2])

    def _drawn_ways(self, codes, columns, target, given):
        """Draws of the free `columns` given all other levels, (t, m, q), and log P(c_T | c_S) / m, (t, 1)."""
        rest, each = np.tile(~columns, (DRAWS, 1)), (np.repeat(row[None], DRAWS, axis=0) for row in codes)
        draws = np.stack([self.levels.sample(row, rest, np.random.default_rng(SEED)) for row in each])
        return draws, self.levels.log_prob(codes, target & ~columns, given)[:, None] - np.log(DRAWS)

    def _log_term(self, rows, target, given):
        """log P(c_T | c_S) p(x_A | c) p(x_B | x_A, c), shape (n,)."""
        return self._log_levels(rows.codes, target.codes, given.codes) + self._log_numbers(rows, target, given)

    def _log_levels(self, codes, target, given):
        """log P(c_T | c_S), shape (n,); rows that know and ask the same, as points of one cell do, are asked once."""
        first, of_row = distinct_rows(np.where(target, codes, np.where(given, -2 - codes, NOT_KNOWN)))
        return self.levels.log_prob(codes[first], target[first], given[first])[of_row]

    def _log_numbers(self, rows, target, given):
        """log p(x_A | c) p(x_B | x_A, c), shape (n,)."""
        log_p = np.zeros(rows.n)
        for asked, known in ((given.numbers, np.zeros_like(given.numbers)), (target.numbers, given.numbers)):
            some = asked.any(axis=1)
            log_p[some] += self.numbers.log_prob(rows.numbers[some], rows.codes[some], asked[some], known[some])
        return log_p
