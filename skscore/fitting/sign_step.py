r"""A step over the signs: to the minimum of the quadratic that the objective is as long as no entry changes its sign.

It is Newton's step in the parameters other than zero, each an entry or a pair of them,

.. math:: H_{q(j,i),\,q(j,k)} \mathrel{+}= (G_j)_{ik}, \qquad H\,\Delta = -(\nabla + \lambda w\,\mathrm{sign}\,\theta),

and it does not depend on the units of the columns, nor much on their collinearity, with which coordinate descent alone
becomes slow. Cholesky factors give it, or, if there are many parameters, conjugate gradients. Where these are slow and
all columns share one block S, the solution of :math:`SK + KS = 2R` is their preconditioner: the inverse of H if no
entry has to be zero.

If signs change on the way, the objective is piecewise quadratic along it, and its lowest point has a closed form. This
is the feature-sign search of Lee et al. (2007).

References
----------
Lee, H., Battle, A., Raina, R., & Ng, A. Y. (2007). Efficient sparse coding algorithms. NeurIPS, 801-808.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.sparse.linalg import LinearOperator, cg

from .._kernels import coordinate_descent, threads
from .interaction_problem import penalised_value
from .solvers import solve_regular

__all__ = ["ROUNDING", "CoupledColumns"]

SMALL = 500  # free parameters, up to which Cholesky factors take no longer than conjugate gradients
MAX_DENSE = 1000  # free parameters, up to which they are formed if conjugate gradients do not converge
MAX_ITERATIONS, MAX_PRECONDITIONED = 30, 100  # of conjugate gradients, without and with a preconditioner
ROUNDING = 1e-14  # relative


@dataclass(frozen=True)
class CoupledColumns:
    """Entries of columns that are solved together, in the flat arrays of the compiled kernel.

    Parameters
    ----------
    first : ndarray of int of shape (k + 1,)
        The entries of column j are ``first[j]:first[j + 1]``.
    mirror : ndarray of int of shape (E,)
        The other entry of the pair of each, or the entry itself.
    block : ndarray of int of shape (k,)
        Where the block of each column begins in ``blocks``.
    blocks : ndarray
        The blocks, restricted to the entries.
    g, curvature : ndarrays of shape (E,)
        Their parts of g, and of the diagonals of the blocks.
    on_all_pairs : callable or None
        The solution of SK + KS = 2R for entries of R, if the columns share a regular block.
    """

    first: ndarray
    mirror: ndarray
    block: ndarray
    blocks: ndarray
    g: ndarray
    curvature: ndarray
    on_all_pairs: Callable[[ndarray], ndarray] | None = None

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")  # without curvature the step is infinite: not taken
    def step(
        self, values: ndarray, slopes: ndarray, penalty: ndarray, tolerance: ndarray
    ) -> tuple[ndarray, ndarray, float]:
        """Move towards the minimum over the present signs; return values, gradient, and the share of the step taken.

        Of two points the better is taken: the minimum with all entries at zero whose sign would change, and the lowest
        point on the way to it. Neither is above the start.
        """
        signs = np.sign(values)
        free = (signs != 0.0) | (penalty == 0.0)
        inner = values + self._to_minimum(slopes + penalty * signs, free, tolerance)
        crossed = (penalty > 0.0) & (inner * signs < 0.0)
        ends = [(np.where(crossed, 0.0, inner), 1.0)]
        if crossed.any():
            ends.append(_lowest_on_the_way(values, inner, slopes, penalty))
        lowest = values, slopes, 0.0
        least = penalised_value(values, slopes, self.g, penalty) + ROUNDING * np.abs(self.g * values).sum()
        for reached, share in ends:
            reached_slopes = self._product(reached) - self.g
            value = penalised_value(reached, reached_slopes, self.g, penalty)
            if value <= least:
                lowest, least = (reached, reached_slopes, share), value
        return lowest

    def _to_minimum(self, slopes: ndarray, free: ndarray, tolerance: ndarray) -> ndarray:
        """Return the step to the minimum over the entries `free`, given the gradient with its penalty."""
        size, inverse = np.count_nonzero(free & (self.mirror <= np.arange(len(free)))), self.on_all_pairs
        exact = self._by_factors(slopes, free) if size <= SMALL else None
        if exact is not None:
            return exact
        step, converged = self._by_conjugate_gradients(slopes, free, tolerance)
        if converged:
            return step
        if inverse is not None:
            return self._by_conjugate_gradients(slopes, free, tolerance, inverse)[0]
        exact = self._by_factors(slopes, free) if SMALL < size <= MAX_DENSE else None
        return step if exact is None else exact

    def _by_factors(self, slopes: ndarray, free: ndarray) -> ndarray | None:
        """Return the step by Cholesky factors, or None if H is near singular."""
        kept = np.flatnonzero(free)
        number = np.full(len(free), -1)  # of the parameter of each entry
        number[kept] = np.unique(np.minimum(kept, self.mirror[kept]), return_inverse=True)[1]
        size = number.max(initial=-1) + 1
        H, b = np.zeros((size, size)), np.bincount(number[kept], slopes[kept], size)
        coordinate_descent.assemble(self.first, self.block, self.blocks, number, H)
        solved = solve_regular(H, b)
        return None if solved is None else np.where(free, -solved[number], 0.0)

    def _by_conjugate_gradients(
        self, slopes: ndarray, free: ndarray, tolerance: ndarray, inverse: Callable[[ndarray], ndarray] | None = None
    ) -> tuple[ndarray, bool]:
        """Return about the step, in units in which the curvatures of all entries are one, and whether it converged."""

        def paired(entries: ndarray) -> ndarray:
            return np.where(free, 0.5 * (entries + entries[self.mirror]), 0.0)

        def times(matvec: Callable[[ndarray], ndarray]) -> LinearOperator:
            return LinearOperator((len(free), len(free)), matvec=matvec)

        unit = 1.0 / np.sqrt(np.where(free, paired(self.curvature), 1.0))
        with threads.at_most(1):  # its vectors are too short for more threads
            step, failed = cg(
                times(lambda v: unit * paired(self._product(unit * v))),
                -unit * paired(slopes),
                rtol=0.0,
                atol=0.1 * np.sqrt(len(free)) * np.min((unit * tolerance)[free]),  # a root of a sum bounds the largest
                maxiter=MAX_ITERATIONS if inverse is None else MAX_PRECONDITIONED,
                M=None if inverse is None else times(lambda v: np.where(free, inverse(v / unit) / unit, 0.0)),
            )
        return unit * step, not failed

    def _product(self, values: ndarray) -> ndarray:
        out = np.empty(len(values))
        coordinate_descent.gathered_products(self.first, self.block, self.blocks, values, out)
        return out


def _lowest_on_the_way(values: ndarray, inner: ndarray, slopes: ndarray, penalty: ndarray) -> tuple[ndarray, float]:
    """Return the lowest point between `values` and `inner`, the minimum over their signs, and its share of the way.

    The objective falls along the way by (1 − t)q per unit of t, less what each entry adds after it changes its sign.
    """
    step = inner - values
    crossed = np.flatnonzero((penalty > 0.0) & (inner * np.sign(values) < 0.0))
    at = values[crossed] / -step[crossed]
    order = np.argsort(at)
    crossed, at = crossed[order], at[order]
    q = -np.sum((slopes + penalty * np.sign(values)) * step)
    turned = np.cumsum(2.0 * penalty[crossed] * np.abs(step[crossed]))  # slope that is added up to each change
    ended = np.flatnonzero((1.0 - at) * q <= turned)
    k = ended[0] if ended.size else len(at)  # the fall ends at the change k, or after the changes before it
    share = 1.0 - (turned[k - 1] / q if k else 0.0)
    if k < len(at):
        share = min(share, at[k])
    reached = values + share * step
    reached[crossed[at == share]] = 0.0
    return reached, share
