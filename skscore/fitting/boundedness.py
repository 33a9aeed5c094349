r"""Whether the penalised objective of interactions has a minimum, and the smallest penalty that ensures one.

Along a direction D with :math:`G_jD_j = 0` for every column j the objective decreases by :math:`\langle g, D\rangle -
\lambda\sum_{ij}w_{ij}|D_{ij}|` per unit of length. It is bounded below if and only if that is never positive, that is,
if

.. math:: \lambda \;\ge\; \lambda_0 = 1 \Big/ \min\Bigl\{\sum_{ij} w_{ij}|D_{ij}| \;:\; G_jD_j = 0,\;
          \langle g, D\rangle = 1\Bigr\},

over symmetric D if K is symmetric. This is a linear programme. If all blocks are regular it has no feasible point, and
λ₀ = 0; with fewer rows than columns they are singular. Any feasible D bounds λ₀ from below and proves that there is no
minimum at lower penalties. If the programme would be too large, D is the projection on the null space of a θ at which
the objective is low; if θ is symmetric, on the null space common to all blocks, :math:`D = NN^\top\theta NN^\top`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy import ndarray
from scipy.linalg import eigh
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from .interaction_problem import InteractionProblem
from .solvers import RANK_TOLERANCE, UnboundedObjectiveError

__all__ = ["raise_if_unbounded", "unboundedness_threshold"]

MAX_PARAMETERS = 2000  # of one linear programme


def _split(block: ndarray) -> tuple[ndarray, ndarray]:
    """Return orthonormal bases (m, r) of the range and (m, m − r) of the null space of a block."""
    root = np.sqrt(np.maximum(np.diag(block), np.finfo(float).tiny))
    values, vectors = eigh(block / np.outer(root, root))  # with a unit diagonal, so that units of columns do not matter
    kept = values > RANK_TOLERANCE * len(values) * values[-1]
    inside, outside = root[:, None] * vectors[:, kept], vectors[:, ~kept] / root[:, None]
    return np.linalg.qr(inside)[0], np.linalg.qr(outside)[0]


def _least_penalty(images: Sequence[ndarray], numbers: ndarray, g: ndarray, weights: ndarray) -> float:
    """Solve the linear programme over the parameters `numbers` (k, m) of k columns; inf if no point is feasible."""
    n_parameters = numbers.max() + 1
    cost, linear = (np.bincount(numbers.ravel(), entries.ravel()) for entries in (weights, g))
    inside = np.zeros((sum(image.shape[1] for image in images), n_parameters))
    start = 0
    for image, number in zip(images, numbers, strict=True):
        inside[start : start + image.shape[1], number] = image.T
        start += image.shape[1]
    scale = np.abs(linear).max()
    A = csr_array(np.vstack([linear / scale, inside]))
    positive_and_negative = hstack([A, -A])
    result = linprog(np.tile(cost, 2), A_eq=positive_and_negative, b_eq=np.eye(1, A.shape[0])[0], method="highs")
    return result.fun / scale if result.status == 0 else np.inf


@lru_cache(maxsize=1)  # a slow descent needs it repeatedly
def unboundedness_threshold(problem: InteractionProblem) -> float:
    """Compute λ₀: the objective has no minimum at smaller penalties.

    Parameters
    ----------
    problem : InteractionProblem
        With at most some thousands of parameters, because a linear programme is solved.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.fitting.boundedness import unboundedness_threshold
    >>> from skscore.fitting.interaction_problem import InteractionProblem
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> one_row = np.ones((2, 2))
    >>> unboundedness_threshold(InteractionProblem(QuadraticForm(one_row, np.eye(2), 0.0, 1)))
    1.0
    """
    if problem.Gamma is None:
        raise ValueError("the threshold needs the blocks in full, and the problem has their factors only.")
    p, m = problem.g.shape
    images = [_split(block)[0] for block in problem.Gamma]
    if all(image.shape[1] == m for image in images):
        return 0.0
    images = images if len(images) == p else images * p
    if problem.symmetric:
        return float(1.0 / _least_penalty(images, problem.numbering(), problem.g, problem.weights))
    columns = zip(images, problem.g[:, None], problem.weights[:, None], strict=True)
    return max(float(1.0 / _least_penalty([image], np.arange(m)[None], g, w)) for image, g, w in columns)


@lru_cache(maxsize=1)
def _common_kernel(problem: InteractionProblem) -> ndarray:
    """Return an orthonormal basis (p, k) of the common null space of all blocks.

    As the blocks are positive semi-definite, it is the null space of their sum.
    """
    blocks = np.asarray(problem.Gamma)[:, : len(problem.g), : len(problem.g)]
    diagonals = np.diagonal(blocks, axis1=1, axis2=2)
    sizes = (diagonals / np.maximum(diagonals.sum(axis=0), np.finfo(float).tiny)).sum(axis=1)
    return _split(np.tensordot(1.0 / sizes, blocks, 1))[1]  # blocks of equal size, so that small ones count too


def _null_direction(problem: InteractionProblem, theta: ndarray) -> ndarray | None:
    """Return D with G_j D_j = 0 for each j: the projection of θ, or of g if θ is not finite; None if it is costly."""
    p, m = problem.g.shape
    if problem.Gamma is None or (not problem.symmetric and problem.n >= m):
        return None  # there are no blocks, or enough rows to make them regular
    far = theta if np.isfinite(theta).all() else problem.g
    far = far / np.abs(far).max()
    if problem.symmetric:
        kernel = _common_kernel(problem)
        K = kernel @ (kernel.T @ problem.paired(far)[:, :p] @ kernel) @ kernel.T
        return np.hstack([K, np.zeros((p, m - p))])
    kernels = [_split(block)[1] for block in problem.Gamma]
    kernels = kernels if len(kernels) == p else kernels * p
    return np.stack([kernel @ (kernel.T @ column) for kernel, column in zip(kernels, far, strict=True)])


def _threshold_along(problem: InteractionProblem, theta: ndarray) -> float:
    """Return a lower bound of λ₀, from one direction in the null space."""
    D = _null_direction(problem, theta)
    if D is None:
        return 0.0
    together = None if problem.symmetric else 1  # one direction for all entries, or one for each column
    falls, penalties = (np.sum(part, axis=together) for part in (problem.g * D, problem.weights * np.abs(D)))
    return float(np.max(falls / np.maximum(penalties, np.finfo(float).tiny)))


def raise_if_unbounded(problem: InteractionProblem, lam: float, theta: ndarray) -> None:
    """Raise an error if the objective provably has no minimum at the penalty λ.

    Parameters
    ----------
    problem : InteractionProblem
    lam : float
    theta : ndarray of shape (p, m)
        The latest iterate; if the objective is unbounded, it points along a direction of descent.

    Raises
    ------
    UnboundedObjectiveError
        The message names λ₀, or a lower bound of it if the linear programme would be too large.
    """
    n_parameters = problem.numbering().max() + 1 if problem.symmetric else problem.g.shape[1]
    exact = problem.Gamma is not None and n_parameters <= MAX_PARAMETERS
    threshold = unboundedness_threshold(problem) if exact else _threshold_along(problem, theta)
    if lam < threshold * (1.0 - 1e-6):  # the programme is solved to some seven digits
        raise UnboundedObjectiveError(
            f"the score-matching objective is unbounded below at penalty {lam:.4g}: it has a minimum only from "
            f"{'' if exact else 'more than '}{threshold:.4g} on. Raise the penalty, or add a ridge or a diagonal "
            "multiplier above 1.",
            threshold,
        )
