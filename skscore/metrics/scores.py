r"""Metrics of scores, given as callables or arrays.

Let :math:`p` be the density of the rows of X and :math:`s = \nabla_x \log q` the score of a model. Score metrics
estimate

.. math:: \tfrac12 E_p\|s - \nabla\log p\|^2 = E_p[\tfrac12\|s\|^2 + \nabla\cdot s] + \tfrac12 E_p\|\nabla\log p\|^2 ,

the Fisher divergence with the factor ½ of Hyvärinen (2005), eq. 2. If the true score is known it is the left side
(:func:`fisher_divergence`); otherwise the right side without the last term, which does not depend on the model
(:func:`hyvarinen_score`; :func:`sliced_score` along random directions). The units are those of 1/X².
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from ..formulas import score_losses
from .arguments import check_callable, mean_of, rows_of, values_at

__all__ = ["fisher_divergence", "hyvarinen_score", "sliced_score"]

_CBRT_EPS = np.cbrt(np.finfo(float).eps)  # balances the truncation and the rounding of a central difference
_DIRECTIONS = {
    "rademacher": lambda rng, shape: rng.choice((-1.0, 1.0), shape),
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
}


def hyvarinen_score(
    score: Callable[[ndarray], ndarray],
    X: ArrayLike,
    *,
    divergence: Callable[[ndarray], ndarray] | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute the mean Hyvärinen score ½‖s‖² + ∇·s of the rows; smaller is better.

    Parameters
    ----------
    score : callable (n, d) -> (n, d)
        Score s = ∇ₓ log q of the model in float64, such as the method ``grad_log_density`` of a fitted density.
    X : array-like of shape (n_samples, n_features)
        Rows that were not used to fit the model.
    divergence : callable (n, d) -> (n,), default=None
        ∇·s. None means central differences along every coordinate, with 2 n_features calls of `score` and steps of
        about 6e-6 times the interquartile range of the column; for affine scores they are exact up to rounding.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; a weight of k counts as k equal rows.

    Returns
    -------
    float
        In the units of 1/X²: comparable only between models of the same columns.

    References
    ----------
    A. Hyvärinen (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, eq. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import hyvarinen_score
    >>> X = np.array([[0.0, 2.0], [0.0, 0.0]])
    >>> round(hyvarinen_score(lambda X: -X, X), 6)  # N(0, I): ½‖x‖² − 2
    -1.0
    """
    X = rows_of("X", X)
    check_callable("score", score)
    s = values_at("score", score, X, X.shape)
    div = _central_divergence(score, X) if divergence is None else values_at("divergence", divergence, X, X.shape[:1])
    return mean_of(score_losses.implicit(s, div), sample_weight)


def fisher_divergence(
    score_true: Callable[[ndarray], ndarray] | ArrayLike,
    score_model: Callable[[ndarray], ndarray] | ArrayLike,
    X: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute the mean ½‖s_true − s_model‖² over the rows; smaller is better, and 0 means equal scores.

    The factor ½ is that of Hyvärinen (2005), eq. 2; without it the number would be twice as large.

    Parameters
    ----------
    score_true, score_model : callable (n, d) -> (n, d), or array-like of shape (n_samples, n_features)
        Scores ∇ₓ log p, or their values at the rows of X.
    X : array-like of shape (n_samples, n_features)
        Rows to average over. If they are draws of the true density, the mean is the Fisher divergence from it.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; a weight of k counts as k equal rows.

    Returns
    -------
    float
        In the units of 1/X².

    References
    ----------
    A. Hyvärinen (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import fisher_divergence
    >>> X = np.array([[0.5], [1.5]])
    >>> fisher_divergence(lambda X: -X, lambda X: 1 - X, X)  # N(0, 1) against N(1, 1): half the squared shift
    0.5
    """
    X = rows_of("X", X)
    s_true = values_at("score_true", score_true, X, X.shape)
    s_model = values_at("score_model", score_model, X, X.shape)
    return mean_of(score_losses.explicit(s_model, s_true), sample_weight)


def sliced_score(
    score: Callable[[ndarray], ndarray],
    X: ArrayLike,
    *,
    n_projections: int = 1,
    distribution: str = "rademacher",
    variance_reduced: bool = True,
    random_state: int | np.random.Generator | None = None,
) -> float:
    r"""Compute the mean Hyvärinen score along random directions v, ½(vᵀs)² + vᵀ∇s v; smaller is better.

    As E[vvᵀ] = I, its expectation over v is :func:`hyvarinen_score`. It needs 2 calls of `score` per projection instead
    of 2 n_features.

    Parameters
    ----------
    score : callable (n, d) -> (n, d)
        Score s = ∇ₓ log q of the model in float64; its derivative along v is a central difference.
    X : array-like of shape (n_samples, n_features)
        Rows that were not used to fit the model.
    n_projections : int, default=1
        Number of directions for each row.
    distribution : {"rademacher", "gaussian"}, default="rademacher"
        Distribution of v: independent signs, or N(0, I).
    variance_reduced : bool, default=True
        Replace ½(vᵀs)² by its expectation ½‖s‖². With Gaussian v and few columns this may increase the variance, since
        near the true score the two terms compensate each other.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the directions. With None every call draws new ones.

    Returns
    -------
    float
        In the units of 1/X².

    References
    ----------
    Y. Song, S. Garg, J. Shi & S. Ermon (2019). Sliced score matching. UAI, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import sliced_score
    >>> X = np.array([[0.0, 2.0], [0.0, 0.0]])
    >>> round(sliced_score(lambda X: -X, X, random_state=0), 6)  # signs find the trace of a diagonal ∇s exactly
    -1.0
    """
    X = rows_of("X", X)
    check_callable("score", score)
    if not isinstance(n_projections, Integral) or n_projections < 1:
        raise ValueError(f"n_projections={n_projections!r}; give an integer >= 1.")
    if distribution not in _DIRECTIONS:
        raise ValueError(f"distribution={distribution!r}; choose one of {', '.join(map(repr, _DIRECTIONS))}.")
    rng = np.random.default_rng(random_state)
    s, scale = values_at("score", score, X, X.shape), _length_scale(X)
    total = 0.0
    for v in (_DIRECTIONS[distribution](rng, X.shape) for _ in range(n_projections)):
        c = _curvature(score, X, v, scale)
        row = score_losses.sliced_variance_reduced(s, c) if variance_reduced else score_losses.sliced(s, c, v)
        total += float(np.mean(row))
    return total / n_projections


def _length_scale(X: ndarray) -> ndarray:
    """Return the length over which the density of each column varies, shape (d,)."""
    low, high = np.quantile(X, [0.25, 0.75], axis=0)
    spread, extent, size = high - low, np.ptp(X, axis=0), np.abs(X).max(axis=0)
    scale = np.select([spread > 0, extent > 0, size > 0], [spread, extent, size], default=1.0)
    return np.maximum(scale, 2 * _CBRT_EPS**2 * size)  # so that a step is never lost in the last digit of x


def _curvature(score: Callable[[ndarray], ndarray], X: ndarray, v: ndarray, scale: ndarray) -> ndarray:
    """Return v'∇s v of each row as v'(s(x + hv) − s(x − hv)) / 2h; `v` of shape (d,) or (n, d)."""
    h = _CBRT_EPS / np.linalg.norm(v / scale, axis=-1, keepdims=True)
    h = np.exp2(np.round(np.log2(h)))  # a power of two, so that x ± hv is exact along coordinates and signs
    rise = np.subtract(score(X + h * v), score(X - h * v))
    return (v * rise).sum(axis=-1) / (2 * h[..., 0])


def _central_divergence(score: Callable[[ndarray], ndarray], X: ndarray) -> ndarray:
    """Return ∇·s of each row, the sum of the curvatures along the coordinates, without an (n, d, d) array."""
    scale, divergence = _length_scale(X), np.zeros(len(X))
    for e in np.eye(X.shape[1]):
        divergence += _curvature(score, X, e, scale)
    return divergence
