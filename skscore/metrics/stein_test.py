r"""Whether a density is compatible with rows, by its score alone: the kernel Stein discrepancy and its test.

Let s be the score of a density q, and k a smooth kernel. The Stein kernel

.. math::

   h(x, y) = s(x)^\top s(y)\,k + s(x)^\top\nabla_y k + s(y)^\top\nabla_x k + \operatorname{tr}\nabla_x\nabla_y k

has the mean zero over rows of q, and :math:`E_p\,h(x, y)` over pairs of independent rows of p is the square of the
kernel Stein discrepancy, which is zero only if p = q (Chwialkowski, Strathmann & Gretton, 2016; Liu, Lee & Jordan,
2016). It needs no normaliser. If :math:`k = \varphi(D)` with :math:`D = \|u\|^2` and :math:`u = x - y`,

.. math::

   h = s_x^\top s_y\,\varphi + 2\varphi'\,(s_y - s_x)^\top u - 2d\,\varphi' - 4\varphi''D .

The statistic is the mean of h over the n(n − 1) ordered pairs of distinct rows, a U-statistic. Under the hypothesis it
is distributed as the same mean with signs :math:`\varepsilon_i\varepsilon_j` before each term, the wild bootstrap. As
:math:`\varepsilon_i^2 = 1`, the pairs of a row with itself would add the same to all of these: the V-statistic has the
same p-value.

References
----------
Chwialkowski, K., Strathmann, H., & Gretton, A. (2016). A kernel test of goodness of fit. ICML.
Gorham, J., & Mackey, L. (2017). Measuring sample quality with kernels. ICML.
Liu, Q., Lee, J. D., & Jordan, M. (2016). A kernelized Stein discrepancy for goodness-of-fit tests. ICML.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist, pdist
from sklearn.utils import gen_batches

from .arguments import method_of, rows_of, values_at

__all__ = ["SteinTest", "kernel_stein_test"]

BLOCK_PAIRS = 2**20  # Stein kernels in memory at a time: 8 MiB
BLOCK_SIGNS = 128  # replicates of the bootstrap at a time
MEDIAN_ROWS = 1000  # whose pairs the median distance is taken over


class SteinTest(NamedTuple):
    """Outcome of `kernel_stein_test`.

    Attributes
    ----------
    statistic : float
        Estimate of the squared kernel Stein discrepancy, without bias; it may be negative.
    p_value : float
        Of the hypothesis that the rows are independent draws of the density.
    """

    statistic: float
    p_value: float


def _inverse_multiquadric(D: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """φ(D) = (1 + D)^(−½), and its two derivatives."""
    root = 1 / np.sqrt(1 + D)
    return root, -0.5 * root**3, 0.75 * root**5


def _gaussian(D: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """φ(D) = exp(−D/2), and its two derivatives."""
    value = np.exp(-0.5 * D)
    return value, -0.5 * value, 0.25 * value


KERNELS = {"inverse_multiquadric": _inverse_multiquadric, "gaussian": _gaussian}


def kernel_stein_test(
    density: Any,
    X: ArrayLike,
    *,
    kernel: str = "inverse_multiquadric",
    bandwidth: float | str = "median",
    n_bootstrap: int = 1000,
    random_state: int | np.random.Generator | None = None,
) -> SteinTest:
    """Test whether rows are independent draws of a density, whose normaliser need not be known.

    Parameters
    ----------
    density : density or callable (n, d) -> (n, d)
        With a method ``grad_log_density``; or the score ∇ₓ log p itself, as a function of the rows.
    X : array-like of shape (n_samples, n_features)
        Rows that were not used to fit the density: it is near those that were, and the test would pass it too often.
    kernel : {"inverse_multiquadric", "gaussian"}, default="inverse_multiquadric"
        k = (1 + r²/ℓ²)^(−½), which sees rows that run off to infinity too (Gorham & Mackey, 2017), or exp(−r²/2ℓ²); r
        is the distance of two rows in standardised columns.
    bandwidth : float or "median", default="median"
        ℓ, in standard deviations of the columns; "median" is the median distance of the rows.
    n_bootstrap : int, default=1000
        Replicates of the statistic with random signs; the p-value is at least 1 / (n_bootstrap + 1).
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the signs.

    Returns
    -------
    SteinTest
        ``statistic``, without units, and ``p_value``. A small p-value says that density and rows do not agree. A large
        one does not say that they do: weights of separate modes, in which the score takes no part, are hardly seen.

    Raises
    ------
    ValueError
        If an argument is unknown, or the score is not finite at a row.

    Notes
    -----
    Time grows with n_samples² (n_features + n_bootstrap), memory with n_samples alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import kernel_stein_test
    >>> X = np.random.default_rng(2).standard_normal((200, 2))
    >>> bool(kernel_stein_test(lambda X: -X, X, random_state=0).p_value > 0.05)  # N(0, I)
    True
    >>> bool(kernel_stein_test(lambda X: 0.5 - X, X, random_state=0).p_value < 0.05)  # of mean ½
    True
    """
    X = rows_of("X", X)
    _check_arguments(X, kernel, bandwidth, n_bootstrap)
    rng = np.random.default_rng(random_state)
    score = density if callable(density) else method_of(density, "grad_log_density", "give its score as a function")
    S = _finite(values_at("density", score, X, X.shape))
    scale = X.std(axis=0)
    scale[scale == 0.0] = 1.0
    scale *= _median_distance(X / scale, rng) if isinstance(bandwidth, str) else float(bandwidth)
    statistic, replicates = _bootstrapped(
        (X - X.mean(axis=0)) / scale, S * scale, KERNELS[kernel], int(n_bootstrap), rng
    )
    return SteinTest(statistic, float(np.mean(np.append(replicates >= statistic, True))))


def _bootstrapped(X, S, kernel, n_bootstrap, rng):
    """Mean Stein kernel over pairs of distinct rows, and the same with random signs, shape (n_bootstrap,)."""
    n, found = len(X), []
    for batch in gen_batches(n_bootstrap, BLOCK_SIGNS):
        signs = rng.choice((-1.0, 1.0), (n, batch.stop - batch.start + 1))
        signs[:, 0] = 1.0  # the statistic itself
        total = np.zeros(signs.shape[1])
        for rows in gen_batches(n, max(1, BLOCK_PAIRS // n)):
            total += (signs[rows] * (_stein_kernels(X, S, rows, kernel) @ signs)).sum(axis=0)
        found.append(total / (n * (n - 1)))
    return float(found[0][0]), np.concatenate([each[1:] for each in found])


def _stein_kernels(X, S, rows, kernel):
    """h(x, y) of some rows x with all rows y, shape (m, n); 0 of a row with itself."""
    x, s, d = X[rows], S[rows], X.shape[1]
    D = cdist(x, X, "sqeuclidean")
    value, first, second = kernel(D)
    along = x @ S.T - (x * s).sum(axis=1)[:, None] - (X * S).sum(axis=1) + s @ X.T  # (s_y − s_x)ᵀ(x − y)
    h = s @ S.T * value + 2 * first * (along - d) - 4 * second * D
    h[np.arange(len(x)), np.arange(rows.start, rows.stop)] = 0.0
    return h


def _median_distance(X, rng):
    """Median distance of the rows, of some if they are many; 1 if most are equal."""
    few = X if len(X) <= MEDIAN_ROWS else X[rng.choice(len(X), MEDIAN_ROWS, replace=False)]
    return float(np.median(pdist(few))) or 1.0


def _finite(S):
    """The scores; a ValueError if some are not finite."""
    outside = int((~np.isfinite(S).all(axis=1)).sum())
    if outside:
        raise ValueError(f"density has no finite score at {outside} rows of X: drop rows outside of its support.")
    return S


def _check_arguments(X, kernel, bandwidth, n_bootstrap):
    if len(X) < 2:
        raise ValueError(f"X has {len(X)} rows: a test of pairs needs two at least.")
    if kernel not in KERNELS:
        raise ValueError(f"kernel={kernel!r}: choose one of {', '.join(map(repr, KERNELS))}.")
    if bandwidth != "median" and not (isinstance(bandwidth, Real) and 0.0 < float(bandwidth) < np.inf):
        raise ValueError(f"bandwidth={bandwidth!r}: give a positive number, or 'median'.")
    if not isinstance(n_bootstrap, Integral) or n_bootstrap < 1:
        raise ValueError(f"n_bootstrap={n_bootstrap!r}: give a positive integer.")
