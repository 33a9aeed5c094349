r"""Rows of levels and numbers, and what a density of them answers.

A row (c, x) has q discrete cells :math:`c_j \in \{0, \ldots, K_j - 1\}` and p numeric cells x. A numeric column that
does not hold a number in every row has a discrete column beside it, its **state**: level 0 says that the cell holds a
number, every other level what it holds instead, a missing value for one. With T the cells that are asked for and S
those that are known, a density answers

.. math:: \log p(c_T, x_T \mid c_S, x_S).

Cells in neither are summed and integrated out. The measure is counting on levels and Lebesgue on numbers.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy import ndarray

__all__ = [
    "ALWAYS",
    "NOT_KNOWN",
    "AnyOrder",
    "CellMask",
    "ConditionalNumbers",
    "Layout",
    "RowDensity",
    "Rows",
    "distinct",
]

NOT_KNOWN = -1  # the code of a cell that tells nothing
ALWAYS = -1  # stands for the state of a column that holds a number in every row


class Layout(NamedTuple):
    """The columns of a table of levels and numbers.

    Attributes
    ----------
    n_levels : tuple of q int
        K_j.
    state : tuple of p int
        Which discrete column is the state of each numeric one, `ALWAYS` if it needs none.
    """

    n_levels: tuple[int, ...]
    state: tuple[int, ...]

    def holds_number(self, codes):
        """Which numeric cells hold a number by the states in `codes` (n, q), shape (n, p)."""
        held = [np.ones(len(codes), dtype=bool) if j == ALWAYS else codes[:, j] == 0 for j in self.state]
        return np.stack(held, axis=1) if held else np.ones((len(codes), 0), dtype=bool)


class Rows(NamedTuple):
    """Rows of a table.

    Attributes
    ----------
    codes : ndarray of int64, shape (n, q)
        c, `NOT_KNOWN` where a cell tells nothing.
    numbers : ndarray of float64, shape (n, p)
        x, NaN where a cell holds no number.
    """

    codes: ndarray
    numbers: ndarray

    @property
    def n(self):
        """How many they are."""
        return len(self.codes)

    def at(self, index):
        """Some of the rows."""
        return Rows(self.codes[index], self.numbers[index])

    def repeat(self, times):
        """Each row so many times, one after the other."""
        return Rows(np.repeat(self.codes, times, axis=0), np.repeat(self.numbers, times, axis=0))

    @property
    def known(self):
        """The cells that tell something, as a `CellMask`."""
        return CellMask(self.codes != NOT_KNOWN, ~np.isnan(self.numbers))


class CellMask(NamedTuple):
    """Cells of rows.

    Attributes
    ----------
    codes : ndarray of bool, shape (n, q)
    numbers : ndarray of bool, shape (n, p)
        Only cells that hold a number.
    """

    codes: ndarray
    numbers: ndarray

    def at(self, index):
        """The mask of some of the rows."""
        return CellMask(self.codes[index], self.numbers[index])

    def repeat(self, times):
        """The mask of each row so many times, one after the other."""
        return CellMask(np.repeat(self.codes, times, axis=0), np.repeat(self.numbers, times, axis=0))

    @property
    def none(self):
        """No cells of as many rows."""
        return CellMask(np.zeros_like(self.codes), np.zeros_like(self.numbers))

    def __and__(self, other):
        """The cells of both masks."""
        return CellMask(self.codes & other.codes, self.numbers & other.numbers)

    def __or__(self, other):
        """The cells of either mask."""
        return CellMask(self.codes | other.codes, self.numbers | other.numbers)

    def __invert__(self):
        """All other cells."""
        return CellMask(~self.codes, ~self.numbers)


def distinct(rows, mask):
    """The first of the rows that know the same of the cells in a mask, and which of these each row is.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.rows import CellMask, Rows, distinct
    >>> rows = Rows(np.array([[0], [1], [0]]), np.array([[2.0], [3.0], [4.0]]))
    >>> distinct(rows, CellMask(np.ones((3, 1), dtype=bool), np.zeros((3, 1), dtype=bool)))
    (array([0, 1]), array([0, 1, 0]))
    """
    known = np.hstack([np.where(mask.codes, rows.codes, -1), mask.numbers, np.where(mask.numbers, rows.numbers, 0.0)])
    _, first, of_row = np.unique(known, axis=0, return_index=True, return_inverse=True)
    return first, of_row.ravel()


class AnyOrder(Protocol):
    """A density P(c) of levels."""

    n_levels: tuple[int, ...]

    def log_prob(self, codes, target, given):
        """log P(c_T | c_S), shape (n,).

        Parameters
        ----------
        codes : ndarray of int64, shape (n, q)
            Entries in neither mask are not read.
        target, given : ndarray of bool, shape (n, q)
            T and S, with no cell in both.
        """

    def sample(self, codes, given, rng):
        """`codes` with every cell that is not given drawn from P(c | c_S), shape (n, q)."""


class ConditionalNumbers(Protocol):
    """A density p(x | c) of numbers given all levels."""

    def log_prob(self, numbers, codes, target, given):
        """log p(x_B | x_A, c), shape (n,).

        Parameters
        ----------
        numbers : ndarray of float64, shape (n, p)
            Entries in neither mask are not read, and may be NaN.
        codes : ndarray of int64, shape (n, q)
        target, given : ndarray of bool, shape (n, p)
            B and A, with no cell in both.
        """

    def sample(self, numbers, codes, given, rng):
        """`numbers` with every cell that is not given drawn from p(x | x_A, c), shape (n, p)."""


class RowDensity(Protocol):
    """A density p(c, x) of rows."""

    @property
    def layout(self) -> Layout:
        """The columns."""

    def log_prob(self, rows, target, given):
        """log p(c_T, x_T | c_S, x_S) of `Rows`, by two `CellMask`, shape (n,)."""

    def sample(self, rows, given, rng):
        """The `Rows` with every cell that is not given drawn; numbers are NaN where their state says so."""
