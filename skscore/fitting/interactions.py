r"""Sparse interactions along a path of penalties, by coordinate descent on working sets.

Solutions are piecewise linear in λ, so each begins on the line through the two before it (Rosset & Zhu, 2007). A
working set is solved by descent in gathered blocks, small enough for the cache. It holds what is not zero and entries
whose gradient there is near the bound λw. Where only one solution is known, the sequential strong rule chooses those
with :math:`|r_{ij}| > (2\lambda - \lambda_{\text{before}})w_{ij}` (Tibshirani et al., 2012). After a first rough
descent the set is drawn again. Whatever was left out in error violates the optimality conditions, is found there, and
added. Where some sweeps do not suffice, conjugate gradients minimise over the values that have the signs found so far,
a quadratic, on which descent alone is slow where columns are collinear. Descent ends when both the residual and the
duality gap of :mod:`~skscore.fitting.interaction_problem` are at rounding.

References
----------
Rosset, S., & Zhu, J. (2007). Piecewise linear regularized solution paths. Annals of Statistics, 35(3), 1012-1030.
Tibshirani, R., et al. (2012). Strong rules for discarding predictors in lasso-type problems. Journal of the Royal
Statistical Society B, 74(2), 245-266.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from .._kernels import coordinate_descent, threads
from .boundedness import raise_if_unbounded
from .interaction_problem import penalised_value
from .unpenalised import solve_unpenalised

__all__ = ["lambda_max", "path", "solve"]

RESIDUAL = 1e-11  # at which descent ends, relative to the largest entry of g
GAP = 1e-11  # relative to Σ|gθ|, which is no less than twice the quadratic part at the minimum
ROUGH = 1e-2  # of λ: residual up to which a working set is first solved, to find out which entries matter
NEAR = 1e-2  # of λ: how near its bound the slope of an entry is that enters a working set before it must
SWEEPS_BEFORE_ASKING, MAX_SWEEPS = 100, 100_000  # whether a minimum exists is asked after each of the first
SWEEPS_AT_A_TIME, MAX_STEPS = 4, 30  # of coordinate descent, and of conjugate gradients in turn
MAX_AT_A_TIME = 32  # sweeps, reached by doubling as long as signs stop the conjugate gradients
MIN_EXCESS = 3e-12  # of the bound, with which an entry leaves zero: the largest λ itself is known no better
ROUNDING = 1e-14  # relative
SMALLEST_PART = 1e-3  # of the residual that a single step may remove when descent ends: less is rounding
MAX_GATHERED = 1 << 24  # numbers in the gathered blocks of a working set, 128 MB
MIN_KEPT = 0.8  # of the entries of a working set: it is not gathered anew for fewer that leave it
IN_PLACE = 0.8  # of all numbers: a working set of more reads the blocks where they lie


class _WorkingSet:
    """Entries in `mask` (p, m), a symmetric set where K is, as the flat arrays of the kernel."""

    def __init__(self, problem, mask):
        p, m = mask.shape
        sizes = mask.sum(axis=1)
        numbers = sizes**2
        self.problem = problem
        in_place = problem.Gamma is not None and numbers.sum() > min(IN_PLACE * p * m * m, MAX_GATHERED)
        if in_place:  # the blocks are as quick where they lie
            mask, sizes, numbers = np.ones_like(mask), np.full(p, m), np.full(p, m * m)
            self.blocks = problem.Gamma.ravel()
            self.block = np.arange(p) * (0 if problem.shared else m * m)
        else:
            self.blocks, self.block = np.empty(numbers.sum()), np.cumsum(numbers) - numbers
        self.mask = mask
        self.columns, self.rows = np.nonzero(mask)
        self.first = np.concatenate([[0], np.cumsum(sizes)])
        self.mirror = self._mirror()
        self.g, self.curvature, self.penalty = (part[mask] for part in (problem.g, problem.curvature, problem.weights))
        if not in_place:
            problem.gather(self.first, self.rows, self.block, self.blocks)

    def _mirror(self):
        place = np.arange(len(self.rows))
        if not self.problem.symmetric:
            return place
        places = np.zeros(self.mask.shape, dtype=place.dtype)
        places[self.mask] = place
        paired = self.rows < len(self.mask)
        place[paired] = places[self.rows[paired], self.columns[paired]]
        return place

    def redrawn(self, mask):
        """The set of `mask`; this one, which needs no gathering, where it has all of that and little more."""
        enough = not (mask & ~self.mask).any() and mask.sum() >= MIN_KEPT * self.mask.sum()
        return self if enough else _WorkingSet(self.problem, mask)

    def descend(self, theta, gradient, lam, tolerance, most_sweeps):
        """θ after descent over the set from `theta`, of which the gradient is known, and the sweeps it took."""
        values, slopes, penalty = theta[self.mask], gradient[self.mask], lam * self.penalty
        sweeps, at_a_time = 0, SWEEPS_AT_A_TIME
        while True:
            swept = self._sweep(penalty, values, slopes, tolerance, at_a_time)
            sweeps += swept
            if swept < at_a_time or sweeps >= most_sweeps:
                break
            values, slopes, share = self._on_signs(values, slopes, penalty, tolerance)
            at_a_time = SWEEPS_AT_A_TIME if share == 1.0 else min(2 * at_a_time, MAX_AT_A_TIME)
        theta = theta.copy()
        theta[self.mask] = values
        return theta, sweeps

    def _sweep(self, penalty, values, slopes, tolerance, most):
        """Coordinate descent in place, columns that are problems of their own in threads; the number of sweeps."""
        p = len(self.mask)
        known = self.first, self.columns, self.mirror, self.block, self.blocks, self.curvature
        bounds = (1.0 + MIN_EXCESS) * penalty

        def descend(begin, end, width):
            span = begin, end, width
            return coordinate_descent.descend(span, *known, bounds, values, slopes, tolerance, most)

        if self.problem.symmetric:
            return descend(0, p, p)
        flops = 2.0 * most * (np.diff(self.first) ** 2.0).sum()
        return max(threads.deal(lambda columns: descend(columns.start, columns.stop, 1), p, flops))

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")  # without curvature the way has no end; not gone
    def _on_signs(self, values, slopes, penalty, tolerance):
        """Values and slopes towards the minimum over the same signs, and the share of the way that was gone.

        By conjugate gradients. Entries that would change their sign are zero at its end; where that is no descent, as
        for columns in balance, the way ends at the first of them, up to where the objective can only fall.
        """
        signs = np.sign(values)
        free = (signs != 0.0) | (penalty == 0.0)

        def paired(entries):
            return np.where(free, 0.5 * (entries + entries[self.mirror]), 0.0)

        def times(matvec):
            return LinearOperator((len(values), len(values)), matvec=matvec)

        diagonal = np.where(free, paired(self.curvature), 1.0)
        with threads.at_most(1):  # its products of vectors are too short for more
            inner, _ = cg(
                times(lambda v: paired(self._product(v))),
                paired(self.g) - penalty * signs,
                x0=values,
                rtol=0.0,
                atol=0.1 * tolerance * np.sqrt(len(values)),  # the root of a sum, where the largest is to be tolerable
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

    def _product(self, values):
        out = np.empty(len(values))
        coordinate_descent.gathered_products(self.first, self.block, self.blocks, values, out)
        return out


def _share_before_zero(start, end):
    """Share of the way from `start` to `end`, of other signs, after which the first entry is zero."""
    return np.min(start / (start - end), initial=1.0)


def _on_free_entries(problem):
    """θ and gradient where every penalised entry is zero."""
    theta = np.zeros_like(problem.g)
    scale = np.abs(problem.g).max()
    free = problem.weights == 0.0
    theta, _ = _WorkingSet(problem, free).descend(theta, -problem.g, 0.0, 1e-15 * scale, MAX_SWEEPS)
    return theta, problem.gradient(theta)


def lambda_max(problem):
    """Smallest λ at which every penalised entry of the solution is zero.

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


def solve(problem, lam, known=()):
    """Minimise at one penalty.

    Parameters
    ----------
    problem : InteractionProblem
    lam : float
        λ ≥ 0.
    known : sequence of (float, Interactions)
        Penalties and their solutions, of which the last two foretell this one.

    Returns
    -------
    Interactions
        With a remark if rounding or the number of sweeps ended the descent first.

    Raises
    ------
    UnboundedObjectiveError
        Where there is no minimum.

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
    theta, reach = _foretold(problem, lam, known)
    gradient = problem.gradient(theta)
    mask = _working_mask(problem, theta, np.abs(problem.paired(gradient)), reach)
    return _converge(problem, lam, theta, gradient, mask)


def _foretold(problem, lam, known):
    """θ to start from, and the slope, in units of w, beyond which an entry that is zero there may move."""
    if not known:
        return np.zeros_like(problem.g), lam
    before, fit = known[-1]
    earlier, first = known[-2] if len(known) > 1 else known[-1]
    if not earlier > before > lam:
        return fit.theta, 2.0 * lam - before
    share = min((before - lam) / (earlier - before), 1.0)
    return fit.theta + share * (fit.theta - first.theta), (1.0 - NEAR) * lam


def _working_mask(problem, theta, slope, reach):
    """Entries that are not zero or not penalised, and those of which the slope is beyond what is given."""
    return (theta != 0.0) | (slope > reach * problem.weights) | (problem.weights == 0.0)


def _converge(problem, lam, theta, gradient, mask):
    """Descend, first roughly and on `mask`, then on what is not zero and whatever else is near its bound."""
    finest = RESIDUAL * np.abs(problem.g).max()
    tolerance, used, part = max(ROUGH * lam, finest), 0, 0.3
    working = _WorkingSet(problem, mask)
    while True:
        theta, sweeps = working.descend(theta, gradient, lam, part * tolerance, SWEEPS_BEFORE_ASKING)
        gradient, used = problem.gradient(theta), used + sweeps
        if sweeps >= SWEEPS_BEFORE_ASKING:
            raise_if_unbounded(problem, lam, theta)
        slope = np.abs(problem.paired(gradient))
        found = ((slope > lam * problem.weights + tolerance) & ~working.mask).any()
        if used >= MAX_SWEEPS or (tolerance <= finest and not found):
            solution = problem.certificate(theta, gradient, lam)
            optimal = solution.residual <= finest and solution.gap <= GAP * np.abs(problem.g * theta).sum()
            if optimal:
                return solution
            if used >= MAX_SWEEPS or part < SMALLEST_PART:
                raise_if_unbounded(problem, lam, theta)  # far out, rounding brings a descent to a stand
                return replace(solution, remarks=(_why_unconverged(solution, lam),))
            part *= 0.3 if sweeps < SWEEPS_BEFORE_ASKING else 1.0
        tolerance = finest
        working = working.redrawn(_working_mask(problem, theta, slope, (1.0 - NEAR) * lam))


def _why_unconverged(solution, lam):
    return (
        f"coordinate descent did not converge at penalty {lam:.4g}: the optimality conditions are violated by up to "
        f"{solution.residual:.1e}. A larger penalty, a ridge or a diagonal multiplier helps."
    )


def path(problem, lambdas):
    """Minimise at each of a sequence of penalties, each solution from the one before.

    Parameters
    ----------
    problem : InteractionProblem
    lambdas : array-like of shape (L,)
        Best in descending order.

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
    known = []
    for lam in lambdas:
        known.append((lam, solve(problem, lam, known)))
    return [fit for _, fit in known]
