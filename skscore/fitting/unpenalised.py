r"""Interactions without an l1 penalty, on all entries or on a given support: normal equations in closed form.

Each parameter q is one entry of θ, or a pair of entries if K is symmetric. With q(j, i) the number of the parameter
at entry i of column j, the normal equations Ht = b sum the blocks,

.. math:: H_{q(j,i),\,q(j,k)} \mathrel{+}= (G_j)_{ik}, \qquad b_{q(j,i)} \mathrel{+}= (g_j)_i .

With one shared block and all of a symmetric K they are the Lyapunov equation of
:func:`~skscore.fitting.solvers.solve_lyapunov`. Otherwise, if they are many, conjugate gradients solve them without
forming H.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import LinearOperator, cg

from ..formulas.quadratic import QuadraticForm
from .interaction_problem import InteractionProblem, Interactions
from .solvers import RANK_TOLERANCE, Estimate, UnboundedObjectiveError, solve_lyapunov, solve_ridge

__all__ = ["solve_unpenalised"]

MAX_DENSE = 1891  # parameters of a dense system: all pairs of 61 columns
CG_TOLERANCE = 1e-13


def _entries(numbers: ndarray, parameters: ndarray) -> ndarray:
    """Return θ, given its parameters."""
    return np.where(numbers >= 0, parameters[numbers], 0.0)


def _dense(problem: InteractionProblem, numbers: ndarray) -> Estimate:
    """Solve the normal equations of a symmetric problem as one dense system."""
    size = numbers.max() + 1
    H, b = np.zeros((size, size)), np.zeros(size)
    for j, number in enumerate(numbers):
        kept = number >= 0
        H[np.ix_(number[kept], number[kept])] += problem.block(j, kept)
        b[number[kept]] += problem.g[j, kept]
    parameters = solve_ridge(QuadraticForm(H, b, 0.0, problem.n))
    return parameters._replace(theta=_entries(numbers, parameters.theta))


def _by_columns(problem: InteractionProblem, numbers: ndarray) -> Estimate:
    """Solve for one column after the other."""
    theta, support = np.zeros_like(problem.g), numbers >= 0
    remarks: tuple[str, ...] = ()
    for j in np.flatnonzero(support.any(axis=1)):
        kept = support[j]
        theta[j, kept], own, _ = solve_ridge(
            QuadraticForm(problem.block(int(j), kept), problem.g[j, kept], 0.0, problem.n)
        )
        remarks += own
    return Estimate(theta, remarks)


def _iterative(problem: InteractionProblem, numbers: ndarray) -> Estimate:
    """Solve the normal equations by conjugate gradients, preconditioned by their diagonal."""
    kept = numbers >= 0

    def collect(entries: ndarray) -> ndarray:
        return np.bincount(numbers[kept], entries[kept])

    def product(parameters: ndarray) -> ndarray:
        return collect(problem.gradient(_entries(numbers, parameters)) + problem.g)

    b, diagonal = collect(problem.g), collect(problem.curvature)
    shape = (len(b), len(b))
    inverse = LinearOperator(shape, matvec=lambda residual: residual / diagonal)
    parameters, failed = cg(LinearOperator(shape, matvec=product), b, rtol=CG_TOLERANCE, maxiter=10 * len(b), M=inverse)
    if failed:
        raise UnboundedObjectiveError(
            "the score-matching objective is unbounded below, or too ill-conditioned for its minimum to be found; a "
            "ridge or a diagonal multiplier above 1 helps"
        )
    return Estimate(_entries(numbers, parameters))


def _is_regular(block: ndarray) -> bool:
    values = eigvalsh(block)
    return values[0] > RANK_TOLERANCE * len(values) * values[-1]


def solve_unpenalised(problem: InteractionProblem, support: ndarray | None = None) -> Interactions:
    """Minimise the objective without the l1 penalty.

    Parameters
    ----------
    problem : InteractionProblem
    support : ndarray of bool of shape (p, m), optional
        Entries that may differ from zero, symmetric if K is; by default all.

    Returns
    -------
    Interactions

    Raises
    ------
    UnboundedObjectiveError
        If there is no minimum.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.interaction_problem import InteractionProblem
    >>> from skscore.fitting.unpenalised import solve_unpenalised
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> S = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> solve_unpenalised(InteractionProblem(QuadraticForm(S, np.eye(2), 0.0, 10))).K.round(6)
    array([[ 1.333333, -0.666667],
           [-0.666667,  1.333333]])
    """
    p, m = problem.g.shape
    numbers = problem.numbering(support)
    if not problem.symmetric:
        theta, remarks, _ = _by_columns(problem, numbers)
    elif problem.shared and m == p and (numbers >= 0).all() and _is_regular(problem.block(0)):
        theta, remarks = solve_lyapunov(problem.block(0), problem.g), ()
    else:
        theta, remarks, _ = (_dense if numbers.max() < MAX_DENSE else _iterative)(problem, numbers)
    gradient = np.where(numbers >= 0, problem.gradient(theta), 0.0)
    return replace(problem.certificate(theta, gradient, 0.0), remarks=remarks)
