r"""Whether the penalised objective of interactions has a minimum, and from which penalty on.

Along a direction D with :math:`G_jD_j = 0` for every column j the objective falls by
:math:`\langle g, D\rangle - \lambda\sum_{ij}w_{ij}|D_{ij}|` for each unit of length. It is bounded below if and only if
that is never positive, that is where

.. math:: \lambda \;\ge\; \lambda_0 = 1 \Big/ \min\Bigl\{\sum_{ij} w_{ij}|D_{ij}| \;:\; G_jD_j = 0,\;
          \langle g, D\rangle = 1\Bigr\},

over symmetric D where K is symmetric: a linear programme, which has no feasible point, and λ₀ = 0, where all blocks are
regular. Fewer rows than columns make them singular. Any one feasible D bounds λ₀ from below and proves that lower
penalties have no minimum. Where the programme would be too large, D is the projection of a θ far down the slope on the
null space; of symmetric θ on that which all blocks share, :math:`D = NN^\top\theta NN^\top`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from .solvers import RANK_TOLERANCE, UnboundedObjectiveError

__all__ = ["raise_if_unbounded", "unboundedness_threshold"]

MAX_PARAMETERS = 2000  # of one linear programme


def _split(block):
    """Orthonormal bases (m, r) of the range and (m, m − r) of the null space of a block."""
    root = np.sqrt(np.maximum(np.diag(block), np.finfo(float).tiny))
    values, vectors = eigh(block / np.outer(root, root))  # of unit diagonal: units of the columns do not matter
    kept = values > RANK_TOLERANCE * len(values) * values[-1]
    spans = root[:, None] * vectors[:, kept], vectors[:, ~kept] / root[:, None]
    return tuple(np.linalg.qr(span)[0] for span in spans)


def _least_penalty(images, numbers, g, weights):
    """Minimum of the linear programme over the parameters `numbers` (k, m) of k columns; inf where none is feasible."""
    n_parameters = numbers.max() + 1
    cost, pull = (np.bincount(numbers.ravel(), entries.ravel()) for entries in (weights, g))
    inside = np.zeros((sum(image.shape[1] for image in images), n_parameters))
    start = 0
    for image, number in zip(images, numbers, strict=True):
        inside[start : start + image.shape[1], number] = image.T
        start += image.shape[1]
    scale = np.abs(pull).max()
    A = csr_array(np.vstack([pull / scale, inside]))
    positive_and_negative = hstack([A, -A])
    result = linprog(np.tile(cost, 2), A_eq=positive_and_negative, b_eq=np.eye(1, A.shape[0])[0], method="highs")
    return result.fun / scale if result.status == 0 else np.inf


@lru_cache(maxsize=1)  # a descent that is slow asks again and again
def unboundedness_threshold(problem):
    """λ₀, below which the objective has no minimum.

    Parameters
    ----------
    problem : InteractionProblem
        Of some thousands of parameters at most, as a linear programme is solved.

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
def _common_kernel(problem):
    """Orthonormal basis of what every block maps to zero, shape (p, k): as none is negative, what their sum does."""
    blocks = problem.Gamma[:, : len(problem.g), : len(problem.g)]
    diagonals = np.diagonal(blocks, axis1=1, axis2=2)
    sizes = (diagonals / np.maximum(diagonals.sum(axis=0), np.finfo(float).tiny)).sum(axis=1)
    return _split(np.tensordot(1.0 / sizes, blocks, 1))[1]  # blocks of one size: a small one counts as well


def _null_direction(problem, theta):
    """D with G_j D_j = 0 for each j: the projection of θ, or of g where θ is lost; None where there is no quick one."""
    p, m = problem.g.shape
    if problem.Gamma is None or (not problem.symmetric and problem.n >= m):
        return None  # no blocks, or enough rows for regular ones
    far = theta if np.isfinite(theta).all() else problem.g
    far = far / np.abs(far).max()
    if problem.symmetric:
        kernel = _common_kernel(problem)
        K = kernel @ (kernel.T @ problem.paired(far)[:, :p] @ kernel) @ kernel.T
        return np.hstack([K, np.zeros((p, m - p))])
    kernels = [_split(block)[1] for block in problem.Gamma]
    kernels = kernels if len(kernels) == p else kernels * p
    return np.stack([kernel @ (kernel.T @ column) for kernel, column in zip(kernels, far, strict=True)])


def _threshold_along(problem, theta):
    """A lower bound on λ₀: that of one direction in the null space."""
    D = _null_direction(problem, theta)
    if D is None:
        return 0.0
    together = None if problem.symmetric else 1  # all entries are one direction, or those of each column
    falls, penalties = (np.sum(part, axis=together) for part in (problem.g * D, problem.weights * np.abs(D)))
    return float(np.max(falls / np.maximum(penalties, np.finfo(float).tiny)))


def raise_if_unbounded(problem, lam, theta):
    """Raise where the objective is known to have no minimum at the penalty λ.

    Parameters
    ----------
    problem : InteractionProblem
    lam : float
    theta : ndarray of shape (p, m)
        Where the descent has come to: far out on an unbounded objective it points along a direction of descent.

    Raises
    ------
    UnboundedObjectiveError
        With λ₀ in its message, or with a lower bound where the linear programme would be too large.
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
