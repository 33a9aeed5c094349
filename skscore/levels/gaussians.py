r"""Mixtures of Gaussians of sizes 1, 2, 4, …, each grown from the one before.

The first is the reference Gaussian :math:`N(0, \operatorname{diag}\lambda)`. Every component is split in two along its
longest axis, and steps of expectation and maximisation (Dempster, Laird & Rubin, 1977) follow, so that nothing is drawn
at random, and a row of weight two is a row that is there twice. What is maximised is the posterior density under a
prior that counts as one more row in each covariance (Fraley & Raftery, 2007),

.. math:: \Sigma_k = \frac{\sum_i r_{ik}(x_i - \mu_k)(x_i - \mu_k)^\top + K^{-2/d}\operatorname{diag}\lambda}
                          {\sum_i r_{ik} + 1},

with the shares :math:`r_{ik}` of component k in row i. The log-density of a Gaussian is linear in 1, x and the products
:math:`x_i x_j`, so either step is one product of matrices with these features of the rows.

References
----------
Dempster, A. P., Laird, N. M., & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm.
Journal of the Royal Statistical Society B, 39(1), 1-38.
Fraley, C., & Raftery, A. E. (2007). Bayesian regularization for normal mixture estimation and model-based clustering.
Journal of Classification, 24, 155-181.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.special import logsumexp, softmax

from ..formulas.moments import row_blocks
from .mixture import Offer

__all__ = ["Gaussians", "features", "gaussian_path", "gaussians_to_offer"]

MOST_COMPONENTS, ROWS_OF_ONE = 128, 10  # and the rows that each component has on average, at least
MOST_ROWS, MOST_NUMBERS = 10_000, 10_000_000  # of a fit, and in their features
MOST_WORK = 2e8  # products in one step of all fits
NEGLIGIBLE = 1e-3  # share of one size in the mixture of all: it would cost more time than it is worth
PRIOR = 1.0  # rows
STEP = 0.7  # of the means of two halves from that of the whole, in standard deviations
LEAST_ROWS = 1e-6  # of a component: below them it is dropped
MAX_ROUNDS, STALLED = 100, 3e-3  # of a size, and the gain in nats per row at which they end
BLOCK = 1 << 20  # numbers in the largest array of a block of rows


@dataclass(frozen=True, eq=False)
class Gaussians:
    """The density Σ_k w_k N(μ_k, Σ_k).

    Parameters
    ----------
    weights : ndarray of shape (K,)
        w, which sum to one.
    means : ndarray of shape (K, d)
    covariances : ndarray of shape (K, d, d)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.levels.gaussians import Gaussians
    >>> pair = Gaussians(np.array([0.5, 0.5]), np.array([[-2.0], [2.0]]), np.ones((2, 1, 1)))
    >>> pair.score(np.array([[0.0], [5.0]])).round(3)
    array([[ 0.],
           [-3.]])
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def _natural(self):
        """Precisions P_k, and P_k μ_k."""
        precisions = np.linalg.inv(self.covariances)
        return precisions, np.einsum("kij,kj->ki", precisions, self.means)

    @property
    def coefficients(self):
        """Of the `features` in log w_k N(x; μ_k, Σ_k), shape (p, K)."""
        precisions, linear = self._natural
        d = self.means.shape[1]
        i, j = np.triu_indices(d)
        log_det = np.linalg.slogdet(self.covariances)[1]
        constant = np.log(self.weights) - 0.5 * (log_det + (linear * self.means).sum(axis=1) + d * np.log(2.0 * np.pi))
        return np.column_stack([constant, linear, np.where(i == j, -0.5, -1.0) * precisions[:, i, j]]).T

    def _by_blocks(self, evaluate, *arrays):
        """``evaluate`` of the rows of the arrays, a block at a time, put together."""
        d, n_components = self.means.shape[1], len(self.weights)
        blocks = row_blocks(len(arrays[0]), max(d * d, n_components), BLOCK)
        return np.concatenate([evaluate(*(array[rows] for array in arrays)) for rows in blocks])

    def log_density(self, X):
        """Log-density in nats, shape (n,)."""
        coefficients = self.coefficients
        return self._by_blocks(lambda X: logsumexp(features(X) @ coefficients, axis=1), X)

    def score(self, X):
        """Score, shape (n, d)."""
        coefficients, (precisions, linear) = self.coefficients, self._natural

        def score(X):
            r = softmax(features(X) @ coefficients, axis=1)
            return r @ linear - np.einsum("nij,nj->ni", np.tensordot(r, precisions, 1), X)

        return self._by_blocks(score, X)

    def curvature(self, X, V):
        """Second derivative vᵀ ∇² log p v along `V` of shape (d,) or (n, d), shape (n,)."""
        coefficients, (precisions, linear) = self.coefficients, self._natural
        flat = precisions.reshape(len(linear), -1).T

        def curvature(X, V):
            r = softmax(features(X) @ coefficients, axis=1)
            slopes = V @ linear.T - _outer(V, X) @ flat  # vᵀ s_k
            spread = slopes - (r * slopes).sum(axis=1, keepdims=True)
            return (r * (spread**2 - _outer(V, V) @ flat)).sum(axis=1)

        return self._by_blocks(curvature, X, np.broadcast_to(V, X.shape))

    def sample(self, n, rng):
        """Draw `n` rows, shape (n, d)."""
        k = rng.choice(len(self.weights), n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1]))
        return self.means[k] + np.einsum("nij,nj->ni", np.linalg.cholesky(self.covariances)[k], noise)

    def with_noise(self, sigma):
        """The density of rows with noise of this level."""
        return replace(self, covariances=self.covariances + sigma**2 * np.eye(self.means.shape[1]))


def features(X):
    """1, x and the products x_i x_j, i ≤ j, of each row, shape (n, p)."""
    i, j = np.triu_indices(X.shape[1])
    return np.column_stack([np.ones(len(X)), X, X[:, i] * X[:, j]])


def _outer(U, V):
    """u_i v_j of each row, shape (n, d²)."""
    return (U[:, :, None] * V[:, None, :]).reshape(len(U), -1)


# ---- the fit -------------------------------------------------------------------------------------


def gaussian_path(X, variance, weight=None, most=np.inf) -> list[Gaussians]:
    """Mixtures of 1, 2, 4, … Gaussians, each fitted to the rows but for the first.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The rows, around 0.
    variance : ndarray of shape (d,)
        λ of the reference Gaussian.
    weight : ndarray of shape (n,), optional
        Of the rows: how many they stand for.
    most : float
        No mixture has more components, nor so many that less than ten rows fall to each.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.levels.gaussians import gaussian_path
    >>> X = np.random.default_rng(0).standard_normal((1000, 1)) + np.repeat([[-4.0], [4.0]], 500, axis=0)
    >>> _, pair, *_ = gaussian_path(X, X.var(axis=0))
    >>> pair.weights.round(2), np.sort(pair.means[:, 0]).round()
    (array([0.5, 0.5]), array([-4.,  4.]))
    """
    weight = np.ones(len(X)) if weight is None else weight
    most = min(most, MOST_COMPONENTS, weight.sum() / ROWS_OF_ONE)
    path, F = [Gaussians(np.ones(1), np.zeros((1, X.shape[1])), np.diag(variance)[None])], features(X)
    while 2 * len(path[-1].weights) <= most:
        path.append(_fitted(_split(path[-1]), F, variance, weight))
    return path


def _split(mixture):
    """Each component as two halves beside each other along its longest axis, of the same moments."""
    variances, axes = np.linalg.eigh(mixture.covariances)
    step = STEP * np.sqrt(variances[:, -1:]) * axes[:, :, -1]
    covariances = mixture.covariances - step[:, :, None] * step[:, None, :]
    means = np.concatenate([mixture.means + step, mixture.means - step])
    return Gaussians(np.tile(mixture.weights / 2, 2), means, np.tile(covariances, (2, 1, 1)))


def _fitted(mixture, F, variance, weight):
    """The mixture after steps of expectation and maximisation on rows with the features F."""
    last = -np.inf
    for _ in range(MAX_ROUNDS):
        log_joint = F @ mixture.coefficients
        top = log_joint.max(axis=1, keepdims=True)
        r = np.exp(log_joint - top)
        total = r.sum(axis=1, keepdims=True)
        value = np.average((top + np.log(total))[:, 0], weights=weight)
        if value - last < STALLED:
            break
        last, mixture = value, _maximised((weight[:, None] * r / total).T @ F, variance)
    return mixture


def _maximised(sums, variance):
    """The mixture whose components have these sums of the features of their rows, shape (K, p)."""
    sums = sums[sums[:, 0] > LEAST_ROWS]
    (n_components, _), d = sums.shape, len(variance)
    n, i, j = sums[:, 0], *np.triu_indices(d)
    means, scatter = sums[:, 1 : d + 1] / n[:, None], np.empty((n_components, d, d))
    scatter[:, i, j] = scatter[:, j, i] = sums[:, d + 1 :]
    scatter -= n[:, None, None] * means[:, :, None] * means[:, None, :]
    prior = PRIOR * n_components ** (-2.0 / d) * np.diag(variance)
    return Gaussians(n / n.sum(), means, (scatter + prior) / (n + PRIOR)[:, None, None])


# ---- as a part of a mixture ----------------------------------------------------------------------


def gaussians_to_offer(X, variance, left_out, weight=None):
    """Fit mixtures of Gaussians of all sizes, which may be mixed into another density.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        All rows, around 0; of many, some serve.
    variance : ndarray of shape (d,)
        λ of the reference Gaussian.
    left_out : list of ndarray of int
        Places of the rows that each fit leaves out.
    weight : ndarray of shape (n,), optional
        Of the rows: how many they stand for.

    Returns
    -------
    callable
        ``offer(points, sigma)`` is the Offer of them at the noise level of the other density. Its log-densities are
        those of the points (a CellPoints for each fit) by the fit that has left them out; the part is fitted to all
        rows.
    """
    n, d = X.shape
    rows, most = _afforded(n, d, len(left_out))
    served, weight = X[rows], (np.ones(n) if weight is None else weight)[rows]
    seen = [~np.isin(rows, fold) for fold in left_out]
    paths = [gaussian_path(served[kept], variance, weight[kept], most) for kept in seen]
    n_sizes = min(map(len, paths))

    @cache
    def fit_to_all(size):
        one_left_out = paths[0][size]
        return one_left_out if size == 0 else _fitted(one_left_out, features(served), variance, weight)

    def offer(points, sigma):
        judged = [
            np.column_stack([scored.log_mean(fit.with_noise(sigma).log_density(scored.Z)) for fit in path[:n_sizes]])
            for path, scored in zip(paths, points, strict=True)
        ]
        return Offer(np.concatenate(judged), lambda shares: _mean_of_sizes(shares, fit_to_all).with_noise(sigma))

    return offer


def _mean_of_sizes(shares, fit_to_all):
    """The mixture Σ_j π_j f_j, in which f_j is the fit of the size j, from the shares π that are not negligible."""
    kept = {size: share for size, share in enumerate(shares) if share > NEGLIGIBLE}
    fits = [fit_to_all(size) for size in kept]
    weights = np.concatenate([share * fit.weights for share, fit in zip(kept.values(), fits, strict=True)])
    means, covariances = (np.concatenate([getattr(fit, name) for fit in fits]) for name in ("means", "covariances"))
    return Gaussians(weights / weights.sum(), means, covariances)


def _afforded(n, d, n_fits):
    """Places of the rows that serve, and the number of components, that keep all fits to a few seconds."""
    n_features = (d + 1) * (d + 2) // 2
    n_rows = min(n, MOST_ROWS, max(1, MOST_NUMBERS // n_features))
    return np.linspace(0, n - 1, n_rows).astype(int), MOST_WORK / (n_fits * (n_rows * n_features + d**3))
