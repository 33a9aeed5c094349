r"""Log-likelihood of rows held out, for a whole path of ridges.

It needs :math:`\log Z(\theta)` for the θ of every fold and ridge. Importance draws :math:`x_s \sim r`, shared by all
folds, ridges and base measures, make that one product of matrices,

.. math:: \log Z(\theta) \approx \log \frac1S \sum_s \exp\bigl(\theta^\top T(x_s) + \log q_0(x_s) - \log r(x_s)\bigr).

Shared draws also make the comparison of two candidates less noisy. The proposal r is half the widest
base measure, for the tails, and half a kernel density estimate of the rows, for the modes.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.special import logsumexp

from ...formulas.moments import row_blocks

__all__ = ["log_likelihoods", "proposal"]

N_DRAWS = 1 << 11
WIDTHS = np.array([1.0, 0.25])
BLOCK_BYTES = 1 << 24


def proposal(centres, weight, bases):
    """Draws of ½ the mean of `bases` + ½ a kernel density estimate, if the rows have a spread of about one.

    Parameters
    ----------
    centres : ndarray of shape (n, d)
    weight : ndarray of shape (n,)
        Of the centres.
    bases : list of frozen multivariate distributions of scipy.stats

    Returns
    -------
    position : ndarray of shape (S, d)
    log_density : ndarray of shape (S,)
        Of the draws, in nats.
    """
    centres, weight = centres[weight > 0.0], weight[weight > 0.0]
    rng, d, n_near = np.random.default_rng(0), centres.shape[1], N_DRAWS // 2
    share = weight / weight.sum()
    widths = WIDTHS * _spread(centres) * len(centres) ** (-1.0 / (d + 4.0))  # Scott (1992), and less
    width = rng.choice(widths, (n_near, 1))
    near = centres[rng.choice(len(centres), n_near, p=share)] + width * rng.standard_normal((n_near, d))
    far = [base.rvs(n_near // len(bases), random_state=rng).reshape(-1, d) for base in bases]
    position = np.concatenate([near, *far])
    of_bases = logsumexp([base.logpdf(position) for base in bases], axis=0) - np.log(len(bases))
    squares = cdist(position, centres, "sqeuclidean")
    of_rows = logsumexp([_kernel_density(squares, share, width, d) for width in widths], axis=0) - np.log(len(widths))
    return position, np.logaddexp(of_rows, of_bases) - np.log(2.0)


def _spread(centres):
    """Standard deviation along a direction of the bulk of the rows, from the median of their distances."""
    median = np.median(pdist(centres)) if len(centres) > 1 else 0.0
    return median / np.sqrt(2.0 * centres.shape[1]) if median > 0.0 else 1.0


def _kernel_density(squares, share, width, d):
    """Logarithm of a kernel density estimate, from squared distances (n, m) to its centres of positive share."""
    nearest = squares.min(axis=1)
    sums = np.exp((nearest[:, None] - squares) / (2.0 * width**2)) @ share
    return np.log(sums) - nearest / (2.0 * width**2) - 0.5 * d * np.log(2.0 * np.pi * width**2)


def _log_sums(log_weights):
    """log Σ e^w and log Σ e^2w over a block of draws, its first axis."""
    top = log_weights.max(axis=0)
    share = np.exp(log_weights - top)
    first = top + np.log(share.sum(axis=0))
    return np.stack([first, 2.0 * top + np.log(np.square(share, out=share).sum(axis=0))])


def log_likelihoods(family, bases, thetas, folds, draws):
    """Mean log-density of the rows of each fold, and the effective sample size behind its log Z.

    Parameters
    ----------
    family : Family
        Its statistics are those of all candidates.
    bases : list of base measures
        One for each of s candidates.
    thetas : ndarray of shape (s, k, L, r)
        For each candidate, fold and ridge.
    folds : list of (X, weight)
        Rows (n_k, d) of each fold and their weights or None.
    draws : (position, log_density)
        From `proposal`.

    Returns
    -------
    log_likelihood, ess : ndarrays of shape (s, k, L)
    """
    (position, log_density), n_values = draws, thetas.size // thetas.shape[-1]
    sums = np.full((len(bases), 2, *thetas.shape[1:-1]), -np.inf)  # for each base, log Σ e^w and log Σ e^2w
    for rows in row_blocks(len(position), 8 * (n_values + thetas.shape[-1]), BLOCK_BYTES):
        values = family.functions(position[rows], thetas.reshape(-1, thetas.shape[-1]))
        values = np.moveaxis(values.reshape(-1, *thetas.shape[:-1]), 1, 0)  # for each base, (n, k, L)
        for s, (base, f) in enumerate(zip(bases, values, strict=True)):
            offset = base.log_density(position[rows]) - log_density[rows]
            sums[s] = np.logaddexp(sums[s], _log_sums(f + offset[:, None, None]))
    first, second = sums[:, 0], sums[:, 1]
    log_z, ess = first - np.log(len(position)), np.exp(2.0 * first - second) / len(position)
    means = np.empty(log_z.shape)
    for k, (X, weight) in enumerate(folds):
        statistics = np.average(family.statistics(X), axis=0, weights=weight)
        for s, base in enumerate(bases):
            means[s, k] = thetas[s, k] @ statistics + np.average(base.log_density(X), weights=weight)
    return means - log_z, ess
