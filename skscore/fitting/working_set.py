"""A part of the interactions whose blocks fit into the cache, and the descent over it.

*Sweeps* of coordinate descent find which entries are zero, and the signs of the others. If some sweeps do not suffice,
a *step over the signs* (:mod:`~skscore.fitting.sign_step`) follows, and both alternate. If K is symmetric all columns
are coupled; otherwise each is a problem by itself, with its own steps.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy import ndarray

from .._kernels import coordinate_descent, threads
from .interaction_problem import InteractionProblem
from .sign_step import CoupledColumns

__all__ = ["MIN_EXCESS", "WorkingSet"]

SWEEPS_AT_A_TIME, MAX_AT_A_TIME = 4, 32  # between two steps; they are doubled as long as signs stop the steps
MIN_EXCESS = 3e-12  # relative excess over the bound at which an entry leaves zero: λ_max has no more digits
MAX_GATHERED = 1 << 24  # numbers in the gathered blocks of a working set, 128 MB
MIN_KEPT = 0.8  # share of the entries of a working set that must remain; otherwise it is gathered again
IN_PLACE = 0.8  # share of all numbers: a larger working set reads the blocks without gathering


class WorkingSet:
    """Entries in `mask` (p, m), which is symmetric if K is, as the flat arrays of the compiled kernel."""

    def __init__(self, problem: InteractionProblem, mask: ndarray) -> None:
        p, m = mask.shape
        sizes = mask.sum(axis=1)
        numbers = sizes**2
        self.problem = problem
        whole = problem.Gamma if numbers.sum() > min(IN_PLACE * p * m * m, MAX_GATHERED) else None
        if whole is not None:  # gathering would not make it faster
            mask, sizes = np.ones_like(mask), np.full(p, m)
            self.blocks = whole.ravel()
            self.block = np.arange(p) * (0 if problem.shared else m * m)
        else:
            self.blocks, self.block = np.empty(numbers.sum()), np.cumsum(numbers) - numbers
        self.mask = mask
        self.columns, self.rows = np.nonzero(mask)
        self.first = np.concatenate([[0], np.cumsum(sizes)])
        self.mirror = self._mirror()
        self.g, self.curvature, self.penalty = (part[mask] for part in (problem.g, problem.curvature, problem.weights))
        if whole is None:
            problem.gather(self.first, self.rows, self.block, self.blocks)

    def _mirror(self) -> ndarray:
        """Return the index of the mirror of each entry; an entry without one is its own mirror."""
        index = np.arange(len(self.rows))
        if not self.problem.symmetric:
            return index
        index_at = np.zeros(self.mask.shape, dtype=index.dtype)
        index_at[self.mask] = index
        paired = self.rows < len(self.mask)
        index[paired] = index_at[self.rows[paired], self.columns[paired]]
        return index

    @cached_property
    def _width(self) -> int:
        """Number of columns that are coupled."""
        return len(self.mask) if self.problem.symmetric else 1

    def chosen_again(self, mask: ndarray) -> WorkingSet:
        """Return the set of `mask`, or this one if it contains all of `mask` and little more: that saves gathering."""
        enough = not (mask & ~self.mask).any() and mask.sum() >= MIN_KEPT * self.mask.sum()
        return self if enough else WorkingSet(self.problem, mask)

    def descend(
        self, theta: ndarray, gradient: ndarray, lam: float, tolerances: ndarray, max_sweeps: int
    ) -> tuple[ndarray, int]:
        """Descend from `theta`, whose gradient is given, until no sweep changes a gradient by more than its tolerance.

        Returns θ and the number of sweeps.
        """
        values, slopes, tolerance = theta[self.mask], gradient[self.mask], tolerances[self.mask]
        penalty = lam * self.penalty
        sweeps, at_a_time, lows = 0, SWEEPS_AT_A_TIME, np.arange(0, len(self.mask), self._width)
        while True:
            swept = self._sweep(lows, penalty, values, slopes, tolerance, at_a_time)
            sweeps += swept.max()
            lows = lows[swept >= at_a_time]
            if not lows.size or sweeps >= max_sweeps:
                break
            shares = [self._step(low, values, slopes, penalty, tolerance) for low in lows.tolist()]
            at_a_time = SWEEPS_AT_A_TIME if min(shares) == 1.0 else min(2 * at_a_time, MAX_AT_A_TIME)
        theta = theta.copy()
        theta[self.mask] = values
        return theta, sweeps

    def _sweep(
        self, lows: ndarray, penalty: ndarray, values: ndarray, slopes: ndarray, tolerance: ndarray, max_sweeps: int
    ) -> ndarray:
        """Descend in place in the columns from each of `lows` on; return the number of sweeps of each."""
        swept = np.zeros(len(lows), dtype=np.intp)
        known = self.first, self.columns, self.mirror, self.block, self.blocks, self.curvature
        moved = (1.0 + MIN_EXCESS) * penalty, values, slopes, tolerance

        def descend(part: slice) -> None:
            coordinate_descent.descend(lows[part], self._width, *known, *moved, max_sweeps, swept[part])

        flops = 2.0 * max_sweeps * (np.diff(self.first) ** 2.0).sum()
        threads.deal(descend, len(lows), flops)
        return swept

    def _step(self, low: int, values: ndarray, slopes: ndarray, penalty: ndarray, tolerance: ndarray) -> float:
        """Take a step over the signs in the columns from `low` on, in place; return its share."""
        first = self.first[low : low + self._width + 1]
        own = slice(first[0], first[-1])
        coupled = CoupledColumns(
            first - first[0],
            self.mirror[own] - first[0],
            self.block[low : low + self._width],
            self.blocks,
            self.g[own],
            self.curvature[own],
            self._on_all_pairs if self.problem.has_regular_block else None,
        )
        values[own], slopes[own], share = coupled.step(values[own], slopes[own], penalty[own], tolerance[own])
        return share

    def _on_all_pairs(self, slopes: ndarray) -> ndarray:
        """Return the solution of SK + KS = 2R for these entries of R, as if no entry of K had to be zero."""
        R = np.zeros(self.mask.shape)
        R[self.mask] = slopes
        return self.problem.without_penalty(R)[self.mask]
