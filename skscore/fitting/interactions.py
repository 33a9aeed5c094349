r"""Sparse interactions along a path of penalties, by coordinate descent on working sets.

1. *Start.* Solutions are piecewise linear in λ, so each descent starts on the line through the two solutions before it
   (Rosset & Zhu, 2007).
2. *Working set.* It contains the entries that are not zero, and those whose gradient is near the bound λw. If only one
   solution is known, the sequential strong rule chooses those with
   :math:`|r_{ij}| > (2\lambda - \lambda_{\text{before}})w_{ij}` (Tibshirani et al., 2012).
3. *Descent* over the set by sweeps and by steps over the signs (:mod:`~skscore.fitting.working_set`).
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

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy import ndarray

from .boundedness import raise_if_unbounded
from .interaction_problem import InteractionProblem, Interactions
from .sign_step import ROUNDING
from .unpenalised import solve_unpenalised
from .working_set import WorkingSet

__all__ = ["lambda_max", "path", "solve"]

ACCURACY = 1e-11  # of the relative residual, above that of MIN_EXCESS, and of the gap relative to Σ|gθ|
ROUGH = 1e-2  # residual of the first rough descent, relative to λ
NEAR = 1e-2  # relative distance from its bound at which the gradient of an entry puts it into the working set
SWEEPS_PER_CHECK, MAX_SWEEPS = 100, 100_000  # after each of the first the existence of a minimum is checked
SMALLEST_PART = 1e-3  # of the residual as the tolerance of a sweep; a smaller part is below rounding


def _on_free_entries(problem: InteractionProblem) -> tuple[ndarray, ndarray]:
    """Return the minimiser with all penalised entries zero, and the gradient there."""
    theta = np.zeros_like(problem.g)
    free = problem.weights == 0.0
    tolerance = np.full_like(problem.g, ROUNDING * np.abs(problem.g).max())
    theta, _ = WorkingSet(problem, free).descend(theta, -problem.g, 0.0, tolerance, MAX_SWEEPS)
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


def solve(
    problem: InteractionProblem,
    lam: float,
    known: Sequence[tuple[float, Interactions]] = (),
    accuracy: float = ACCURACY,
) -> Interactions:
    """Minimise the objective at one penalty.

    Parameters
    ----------
    problem : InteractionProblem
    lam : float
        λ ≥ 0.
    known : sequence of (float, Interactions)
        Penalties and their solutions; the last two give the start.
    accuracy : float, default=1e-11
        Relative residual and gap at which the descent ends.

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
    return _converge(problem, lam, theta, gradient, mask, accuracy)


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
    problem: InteractionProblem, lam: float, theta: ndarray, gradient: ndarray, mask: ndarray, accuracy: float
) -> Interactions:
    """Descend roughly on `mask`, then on working sets chosen again until the solution is optimal."""
    rough = max(ROUGH * lam, accuracy * np.abs(problem.g).max())
    tolerance, used, part, is_rough = np.full_like(theta, rough), 0, 0.3, True
    working = WorkingSet(problem, mask)
    while True:
        theta, sweeps = working.descend(theta, gradient, lam, part * tolerance, SWEEPS_PER_CHECK)
        gradient, used = problem.gradient(theta), used + sweeps
        if sweeps >= SWEEPS_PER_CHECK:
            raise_if_unbounded(problem, lam, theta)
        slope = np.abs(problem.paired(gradient))
        found = ((slope > lam * problem.weights + tolerance) & ~working.mask).any()
        if used >= MAX_SWEEPS or not (is_rough or found):
            solution = problem.certificate(theta, gradient, lam)
            if solution.relative_residual <= accuracy and solution.gap <= accuracy * np.abs(problem.g * theta).sum():
                return solution
            if used >= MAX_SWEEPS or part < SMALLEST_PART:
                raise_if_unbounded(problem, lam, theta)  # on an unbounded objective rounding stops the descent
                return replace(solution, remarks=(_why_unconverged(solution, lam),))
            part *= 0.3 if sweeps < SWEEPS_PER_CHECK else 1.0
        is_rough, tolerance = False, accuracy * problem.magnitude(theta, lam)
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
