r"""The noise level at which a network's score is nearest to that of the rows.

A denoiser that errs by δ makes a score that errs by :math:`\delta/\sigma^2`: the smallest noise level is the worst one
to read a score from, and large ones smooth the density. On rows that the network has not seen the Hyvärinen score is,
but for a constant, half the squared error (Hyvärinen, 2005, theorem 1),

.. math:: E\bigl[\tfrac12\|\hat s\|^2 + \nabla\cdot\hat s\bigr]
          = \tfrac12 E\|\hat s - \nabla\log p\|^2 - \tfrac12 E\|\nabla\log p\|^2 ,

so these rows can say which level errs least.

References
----------
Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. Journal of Machine Learning
Research 6, 695-709.
"""

from __future__ import annotations

import numpy as np

__all__ = ["choose_score_level", "score_levels"]

LARGEST = 0.33  # of the levels tried, in units of the columns
RATIO = np.sqrt(2.0)  # between them


def score_levels(sigma_min, sigma_max):
    """Levels to try, the smallest first."""
    n = int(np.log(max(min(LARGEST, sigma_max) / sigma_min, 1.0)) / np.log(RATIO)) + 1
    return sigma_min * RATIO ** np.arange(n)


def choose_score_level(validation, levels):
    """The level with the least Hyvärinen score, or a smaller one within a standard error of it.

    Parameters
    ----------
    validation : list of (NoiseConditionalScore, ndarray of shape (n, d))
        Scores, and rows that they have not seen.
    levels : ndarray of shape (L,)
        The smallest first.

    Returns
    -------
    float

    Examples
    --------
    The score of a Gaussian by a denoiser that errs by 0.01 sin 9x:

    >>> import numpy as np
    >>> from skscore.levels.score_level import choose_score_level, score_levels
    >>> from skscore.samplers.contract import NoiseConditionalScore
    >>> def rough(X, sigma):
    ...     score = -X / (1.0 + sigma**2) + 0.01 * np.sin(9.0 * X) / sigma**2
    ...     return score, -1.0 / (1.0 + sigma**2) + 0.09 * np.cos(9.0 * X) / sigma**2
    >>> target = NoiseConditionalScore(None, rough, np.ones(1))
    >>> rows = np.random.default_rng(0).standard_normal((1000, 1))
    >>> round(float(choose_score_level([(target, rows)], score_levels(0.01, 20.0))), 2)
    0.11
    """
    scores = np.stack([np.concatenate([_hyvarinen(target, Z, level) for target, Z in validation]) for level in levels])
    means = np.where(np.isfinite(scores).all(axis=1), scores.mean(axis=1), np.inf)
    if not np.isfinite(means).any():
        return float(levels[0])
    with np.errstate(invalid="ignore"):
        excess = scores - scores[np.argmin(means)]
        error = excess.std(axis=1) / np.sqrt(excess.shape[1])
    return float(levels[np.argmax(np.isfinite(means) & (excess.mean(axis=1) <= error))])


def _hyvarinen(target, Z, level):
    """½‖s‖² + ∇·s of each row, shape (n,)."""
    score, divergence = target.score_and_divergence(Z, level)
    return 0.5 * np.square(score).sum(axis=1) + divergence.mean(axis=1)
