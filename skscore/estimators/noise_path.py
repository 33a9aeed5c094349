r"""The noise levels of a training, and the path of those that its density may begin at.

A noise-conditional score that was trained down to :math:`\sigma_1` is one at every level above, so its flow may end at
any of :math:`\sigma_1 < \dots < \sigma_K`: one training serves a path of densities, from rough to smooth. Each is a
density of the rows as they are, so the log-likelihood of rows held out compares them.

Parameters are read from a holder `p`, an estimator or what has its parameters. Its `sigma_min` is a number, "auto", or
an array of candidates.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..formulas.schedules import geometric_ladder

__all__ = ["choose_level", "explicit_levels", "ladder_through", "noise_path", "noise_range", "usual_level"]

USUAL_LEVEL = 0.01
AUTOMATIC_PATH = 0.005 * 2.0 ** np.arange(7)  # up to 0.32, in units of the standardised columns


def noise_path(p):
    """Levels σ_k that the density may begin at, increasing, shape (K,); one alone if `sigma_min` is a number."""
    given = None if p.noise_levels is None else explicit_levels(p.noise_levels)
    is_auto = isinstance(p.sigma_min, str)
    if not is_auto and np.isscalar(p.sigma_min):
        return np.array([p.sigma_min]) if given is None else given[-1:]
    if (p.n_levels if given is None else len(given)) == 1:
        name = "n_levels" if given is None else "noise_levels"
        raise ValueError(
            f"{name}={getattr(p, name)!r}: a training at one noise level serves no other, so that none can choose "
            "sigma_min. Train at more levels, or give sigma_min a number, which GridSearchCV can choose."
        )
    if not is_auto:
        return p.sigma_min
    if given is None:
        path = AUTOMATIC_PATH if p.sigma_max == "auto" else AUTOMATIC_PATH[AUTOMATIC_PATH < p.sigma_max]
    else:
        path = given[:0:-1]
    small = path[path <= AUTOMATIC_PATH[-1]]
    return small if len(small) else np.append(path, AUTOMATIC_PATH)[:1]


def usual_level(path):
    """The level of the path nearest to 0.01, which serves as long as no rows have chosen."""
    return path[np.argmin(np.abs(np.log(path / USUAL_LEVEL)))]


def noise_range(p, variance):
    """(σ_min, σ_max, levels or None) of a training, over a reference Gaussian of variances λ (d,)."""
    path = noise_path(p)
    sigma_min = path[0]
    if p.noise_levels is not None:
        levels = explicit_levels(p.noise_levels)
        return sigma_min, levels[0], levels
    sigma_max = 20.0 * max(1.0, np.sqrt(variance.max())) if p.sigma_max == "auto" else float(p.sigma_max)
    if p.n_levels == 1:
        return sigma_min, sigma_min, np.array([sigma_min])
    if sigma_max <= path[-1]:
        raise ValueError(f"sigma_max={p.sigma_max!r} is not above sigma_min={path[-1]}: raise it, or set n_levels=1.")
    levels = None if p.n_levels is None else geometric_ladder(sigma_min, sigma_max, p.n_levels)
    return sigma_min, sigma_max, levels


def explicit_levels(noise_levels):
    """The levels that the user gave, decreasing."""
    try:
        levels = np.sort(np.asarray(noise_levels, dtype=np.float64).ravel())[::-1]
        good = len(levels) > 0 and np.isfinite(levels).all() and levels[-1] > 0.0 and len(set(levels)) == len(levels)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"noise_levels={noise_levels!r}: give different positive levels, at least one.")
    return levels


def ladder_through(path, sigma_max, n_levels):
    """Decreasing levels from `sigma_max` through every level of the path, as close as a ladder of `n_levels` of them.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.estimators.noise_path import ladder_through
    >>> ladder_through(np.array([0.01, 0.1]), 10.0, 7).round(4)
    array([10.    ,  3.1623,  1.    ,  0.3162,  0.1   ,  0.0316,  0.01  ])
    """
    ends = np.append(path, sigma_max)
    steps = np.ceil((n_levels - 1) * np.diff(np.log(ends)) / np.log(ends[-1] / ends[0]) - 1e-9).astype(int)
    pieces = [geometric_ladder(*piece, n + 1) for piece, n in zip(pairwise(ends), steps, strict=True)]
    return np.concatenate([*(piece[:-1] for piece in pieces[:0:-1]), pieces[0]])


def choose_level(log_p, weight, one_standard_error=False):
    """Place in a path of the level of largest mean log-likelihood.

    Parameters
    ----------
    log_p : ndarray of shape (K, n)
        Log-densities at each level of rows held out.
    weight : ndarray of shape (n,)
        Weights of the rows.
    one_standard_error : bool, default=False
        Choose the largest level whose deficit, a mean of differences of the same rows, is within its standard error.

    Returns
    -------
    int

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.estimators.noise_path import choose_level
    >>> log_p = np.array([[-1.0, -2.0], [-1.1, -1.9], [-1.3, -2.1]])
    >>> choose_level(log_p, np.ones(2)), choose_level(log_p, np.ones(2), one_standard_error=True)
    (0, 1)
    """
    best = int(np.argmax(np.average(log_p, axis=1, weights=weight)))
    if not one_standard_error:
        return best
    deficit = np.subtract(log_p[best], log_p, out=np.zeros_like(log_p), where=log_p != log_p[best])
    mean = np.average(deficit, axis=1, weights=weight)
    with np.errstate(invalid="ignore"):
        error = np.sqrt(((deficit - mean[:, None]) ** 2) @ weight**2) / weight.sum()
    return int(np.flatnonzero(mean <= error)[-1])
