r"""Sparse interactions along a path of penalties, by coordinate descent on working sets.

1. *Start.* Solutions are piecewise linear in λ, so each descent starts on the line through the two solutions before it
   (Rosset & Zhu, 2007).
2. *Working set.* It contains the entries that are not zero, and those whose gradient is near the bound λw. If only one
   solution is known, the sequential strong rule chooses those with
   :math:`|r_{ij}| > (2\lambda - \lambda_{\text{before}})w_{ij}` (Tibshirani et al., 2012).
3. *Descent.* Its blocks are gathered, small enough for the cache. If some sweeps do not suffice, conjugate gradients
   minimise over all values with the present signs. This is a quadratic problem, on which coordinate descent alone is
   slow if columns are collinear.
4. *Check.* After a first rough descent the working set is chosen again. Entries that were left out by mistake violate
   the optimality conditions, and are added. The descent ends when both the residual and the duality gap of
   :mod:`~skscore.fitting.interaction_problem` are at rounding.

References
----------
Rosset, S., & Zhu, J. (2007). Piecewise linear regularized solution paths. Annals of Statistics, 35(3), 1012-1030.
Tibshirani, R., et al. (2012). Strong rules for discarding predictors in lasso-type problems. Journal of the Royal
Statistical Society B, 74(2), 245-266.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy import ndarray
from scipy.sparse.linalg import LinearOperator, cg

from .._kernels import coordinate_descent, threads
from .boundedness import raise_if_unbounded
from .interaction_problem import InteractionProblem, Interactions, penalised_value
from .unpenalised import solve_unpenalised

__all__ = ["lambda_max", "path", "solve"]

RESIDUAL = 1e-11  # at which the descent ends, relative to the largest entry of g, above that of MIN_EXCESS
GAP = 1e-11  # relative to Σ|gθ|, which is at least twice the quadratic part at the minimum
ROUGH = 1e-2  # residual of the first rough descent, relative to λ
NEAR = 1e-2  # relative distance from its bound at which the gradient of an entry puts it into the working set
SWEEPS_PER_CHECK, MAX_SWEEPS = 100, 100_000  # after each of the first the existence of a minimum is checked
SWEEPS_AT_A_TIME, MAX_STEPS = 4, 30  # sweeps of coordinate descent, then steps of conjugate gradients
MAX_AT_A_TIME = 32  # sweeps: they are doubled as long as signs stop the conjugate gradients
MIN_EXCESS = 3e-12  # relative excess over the bound at which an entry leaves zero: λ_max has no more digits
ROUNDING = 1e-14  # relative
SMALLEST_PART = 1e-3  # of the residual as the tolerance of a sweep; a smaller part is below rounding
MAX_GATHERED = 1 << 24  # numbers in the gathered blocks of a working set, 128 MB
MIN_KEPT = 0.8  # share of the entries of a working set that must remain; otherwise it is gathered again
IN_PLACE = 0.8  # share of all numbers: a larger working set reads the blocks without gathering


class _WorkingSet:
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

    def chosen_again(self, mask: ndarray) -> _WorkingSet:
        """Return the set of `mask`, or this one if it contains all of `mask` and little more: that saves gathering."""
        enough = not (mask & ~self.mask).any() and mask.sum() >= MIN_KEPT * self.mask.sum()
        return self if enough else _WorkingSet(self.problem, mask)

    def descend(
        self, theta: ndarray, gradient: ndarray, lam: float, tolerance: float, max_sweeps: int
    ) -> tuple[ndarray, int]:
        """Descend over the set from `theta`, whose gradient is given; return θ and the number of sweeps."""
        values, slopes, penalty = theta[self.mask], gradient[self.mask], lam * self.penalty
        sweeps, at_a_time = 0, SWEEPS_AT_A_TIME
        while True:
            swept = self._sweep(penalty, values, slopes, tolerance, at_a_time)
            sweeps += swept
            if swept < at_a_time or sweeps >= max_sweeps:
                break
            values, slopes, share = self._minimise_on_signs(values, slopes, penalty, tolerance)
            at_a_time = SWEEPS_AT_A_TIME if share == 1.0 else min(2 * at_a_time, MAX_AT_A_TIME)
        theta = theta.copy()
        theta[self.mask] = values
        return theta, sweeps

    def _sweep(self, penalty: ndarray, values: ndarray, slopes: ndarray, tolerance: float, max_sweeps: int) -> int:
        """Descend in place, in several threads if columns are independent; return the number of sweeps."""
        p = len(self.mask)
        known = self.first, self.columns, self.mirror, self.block, self.blocks, self.curvature
        bounds = (1.0 + MIN_EXCESS) * penalty

        def descend(begin: int, end: int, width: int) -> int:
            span = begin, end, width
            return coordinate_descent.descend(span, *known, bounds, values, slopes, tolerance, max_sweeps)

        if self.problem.symmetric:
            return descend(0, p, p)
        flops = 2.0 * max_sweeps * (np.diff(self.first) ** 2.0).sum()
        return max(threads.deal(lambda columns: descend(columns.start, columns.stop, 1), p, flops))

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")  # without curvature the step is infinite: not taken
    def _minimise_on_signs(
        self, values: ndarray, slopes: ndarray, penalty: ndarray, tolerance: float
    ) -> tuple[ndarray, ndarray, float]:
        """Move towards the minimum over the present signs; return values, gradient, and the share of the step taken.

        The minimum is found by conjugate gradients. Entries whose sign would change are set to zero. If that does not
        lower the objective, the step ends at the first change of sign, up to which the objective can only decrease.
        """
        signs = np.sign(values)
        free = (signs != 0.0) | (penalty == 0.0)

        def paired(entries: ndarray) -> ndarray:
            return np.where(free, 0.5 * (entries + entries[self.mirror]), 0.0)

        def times(matvec: Callable[[ndarray], ndarray]) -> LinearOperator:
            return LinearOperator((len(values), len(values)), matvec=matvec)

        diagonal = np.where(free, paired(self.curvature), 1.0)
        with threads.at_most(1):  # its vectors are too short for more threads
            inner, _ = cg(
                times(lambda v: paired(self._product(v))),
                paired(self.g) - penalty * signs,
                x0=values,
                rtol=0.0,
                atol=0.1 * tolerance * np.sqrt(len(values)),  # the root of a sum bounds the largest entry
                maxiter=MAX_STEPS,
                M=times(lambda v: v / diagonal),
            )
        crossed = (penalty > 0.0) & (inner * signs < 0.0)
        least = penalised_value(values, slopes, self.g, penalty) + ROUNDING * np.abs(self.g * values).sum()
        for share in (1.0, _share_before_zero(values[crossed], inner[crossed])):
            reached = values + share * (inner - values)
            reached[(penalty > 0.0) & (reached * signs <= ROUNDING * np.abs(values))] = 0.0
            reached_slopes = self._product(reached) - self.g
            if penalised_value(reached, reached_slopes, self.g, penalty) <= least:
                return reached, reached_slopes, share
        return values, slopes, 0.0

    def _product(self, values: ndarray) -> ndarray:
        out = np.empty(len(values))
        coordinate_descent.gathered_products(self.first, self.block, self.blocks, values, out)
        return out


def _share_before_zero(start: ndarray, end: ndarray) -> float:
    """Return the share of the step from `start` to `end`, of opposite signs, at which the first entry is zero."""
    return np.min(start / (start - end), initial=1.0)


def _on_free_entries(problem: InteractionProblem) -> tuple[ndarray, ndarray]:
    """Return the minimiser with all penalised entries zero, and the gradient there."""
    theta = np.zeros_like(problem.g)
    scale = np.abs(problem.g).max()
    free = problem.weights == 0.0
    theta, _ = _WorkingSet(problem, free).descend(theta, -problem.g, 0.0, 1e-15 * scale, MAX_SWEEPS)
    return theta, problem.gradient(theta)


def lambda_max(problem: InteractionProblem) -> float:
    """Compute the smallest λ at which every penalised entry of the solution is zero.

    Parameters
    ----------
    problem : InteractionProblem

    Returns
    -------
    float
    """
    _, gradient = _on_free_entries(problem)
    penalised = problem.weights > 0.0
    return float(np.max(np.abs(problem.paired(gradient)[penalised]) / problem.weights[penalised], initial=0.0))


def solve(problem: InteractionProblem, lam: float, known: Sequence[tuple[float, Interactions]] = ()) -> Interactions:
    """Minimise the objective at one penalty.

    Parameters
    ----------
    problem : InteractionProblem
    lam : float
        λ ≥ 0.
    known : sequence of (float, Interactions)
        Penalties and their solutions; the last two give the start.

    Returns
    -------
    Interactions
        With a remark if rounding or the number of sweeps ended the descent first.

    Raises
    ------
    UnboundedObjectiveError
        If there is no minimum.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.interaction_problem import InteractionProblem
    >>> from skscore.fitting.interactions import lambda_max, solve
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> S = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> problem = InteractionProblem(QuadraticForm(S, np.eye(2), 0.0, 10))
    >>> lambda_max(problem)
    0.5
    >>> solve(problem, 0.25).K.round(6)
    array([[ 1.166667, -0.333333],
           [-0.333333,  1.166667]])
    """
    if lam == 0.0:
        return solve_unpenalised(problem)
    theta, reach = _extrapolated(problem, lam, known)
    gradient = problem.gradient(theta)
    mask = _working_mask(problem, theta, np.abs(problem.paired(gradient)), reach)
    return _converge(problem, lam, theta, gradient, mask)


def _extrapolated(
    problem: InteractionProblem, lam: float, known: Sequence[tuple[float, Interactions]]
) -> tuple[ndarray, float]:
    """Return θ at the start, and the size of the gradient, in units of w, above which a zero entry may move."""
    if not known:
        return np.zeros_like(problem.g), lam
    before, fit = known[-1]
    earlier, first = known[-2] if len(known) > 1 else known[-1]
    if not earlier > before > lam:
        return fit.theta, 2.0 * lam - before
    share = min((before - lam) / (earlier - before), 1.0)
    return fit.theta + share * (fit.theta - first.theta), (1.0 - NEAR) * lam


def _working_mask(problem: InteractionProblem, theta: ndarray, slope: ndarray, reach: float) -> ndarray:
    """Return the entries that are not zero, not penalised, or whose gradient is larger than `reach` times w."""
    return (theta != 0.0) | (slope > reach * problem.weights) | (problem.weights == 0.0)


def _converge(
    problem: InteractionProblem, lam: float, theta: ndarray, gradient: ndarray, mask: ndarray
) -> Interactions:
    """Descend roughly on `mask`, then on working sets chosen again until the solution is optimal."""
    finest = RESIDUAL * np.abs(problem.g).max()
    allowed = finest + 2.0 * MIN_EXCESS * lam * problem.weights.max()
    tolerance, used, part = max(ROUGH * lam, finest), 0, 0.3
    working = _WorkingSet(problem, mask)
    while True:
        theta, sweeps = working.descend(theta, gradient, lam, part * tolerance, SWEEPS_PER_CHECK)
        gradient, used = problem.gradient(theta), used + sweeps
        if sweeps >= SWEEPS_PER_CHECK:
            raise_if_unbounded(problem, lam, theta)
        slope = np.abs(problem.paired(gradient))
        found = ((slope > lam * problem.weights + tolerance) & ~working.mask).any()
        if used >= MAX_SWEEPS or (tolerance <= finest and not found):
            solution = problem.certificate(theta, gradient, lam)
            optimal = solution.residual <= allowed and solution.gap <= GAP * np.abs(problem.g * theta).sum()
            if optimal:
                return solution
            if used >= MAX_SWEEPS or part < SMALLEST_PART:
                raise_if_unbounded(problem, lam, theta)  # on an unbounded objective rounding stops the descent
                return replace(solution, remarks=(_why_unconverged(solution, lam),))
            part *= 0.3 if sweeps < SWEEPS_PER_CHECK else 1.0
        tolerance = finest
        working = working.chosen_again(_working_mask(problem, theta, slope, (1.0 - NEAR) * lam))


def _why_unconverged(solution: Interactions, lam: float) -> str:
    return (
        f"coordinate descent did not converge at penalty {lam:.4g}: the optimality conditions are violated by up to "
        f"{solution.residual:.1e}. A larger penalty, a ridge or a diagonal multiplier helps."
    )


def path(problem: InteractionProblem, lambdas: Iterable[float]) -> list[Interactions]:
    """Minimise the objective at each of a sequence of penalties, starting from the solutions before.

    Parameters
    ----------
    problem : InteractionProblem
    lambdas : array-like of shape (L,)
        Preferably in descending order.

    Returns
    -------
    list of Interactions

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.interaction_problem import InteractionProblem
    >>> from skscore.fitting.interactions import path
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> S = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> problem = InteractionProblem(QuadraticForm(S, np.eye(2), 0.0, 10))
    >>> [round(float(fit.K[0, 1]), 3) for fit in path(problem, [0.5, 0.25, 0.1])]
    [0.0, -0.333, -0.533]
    """
    known: list[tuple[float, Interactions]] = []
    for lam in lambdas:
        known.append((lam, solve(problem, lam, known)))
    return [fit for _, fit in known]
