"""The contract of a toy distribution: exact normalised log-density, exact score and exact sampler.

A distribution states its formula once, in two private methods:

- ``_log_density_and_score(X)`` returns log p, shape (n,), and s = ∇ₓ log p, shape (n, d), for one block of rows;
- ``_draw(n_samples, rng)`` returns independent rows drawn from p.

Most distributions of this package add Gaussian noise to points of a set C: x = c + σ ε with c uniform on C and
ε ~ N(0, I). Their score is

    s(x) = ( E[c | x] − x ) / σ²,

an identity of Miyasawa (1961), often called Tweedie's formula, so that one set of posterior weights gives both log p
and s.

References
----------
K. Miyasawa (1961), An empirical Bayes estimator of the mean of a normal population, Bull. Inst. Internat. Statist. 38.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from ..formulas.moments import row_blocks

# Rows evaluated together, so that the largest intermediate array (rows by quadrature nodes) takes a few MB.
BLOCK_ROWS = 512


class Distribution(ABC):
    """A probability distribution on R^d whose density, score and sampler are exact.

    Attributes
    ----------
    n_features : int
        Dimension d of the space.

    Examples
    --------
    A new distribution defines its formula and its sampler:

    >>> import numpy as np
    >>> from skscore.datasets import Distribution
    >>> class StandardNormal(Distribution):
    ...     def _log_density_and_score(self, X):
    ...         return -0.5 * (X**2).sum(axis=1) - np.log(2 * np.pi), -X
    ...     def _draw(self, n_samples, rng):
    ...         return rng.standard_normal((n_samples, 2))
    >>> StandardNormal().grad_log_density([[1.0, 2.0]])
    array([[-1., -2.]])
    """

    n_features: int = 2

    @abstractmethod
    def _log_density_and_score(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return log p (n,) and its gradient (n, d) at the rows of one block."""

    @abstractmethod
    def _draw(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        """Draw `n_samples` rows with the generator `rng`."""

    def score_samples(self, X: ArrayLike) -> ndarray:
        """Evaluate the log-density.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Points of R^d.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            log p(x) in nats, normalised.
        """
        X = np.asarray(X, dtype=np.float64)
        log_density = np.empty(len(X))
        for block in row_blocks(len(X), 1, BLOCK_ROWS):
            log_density[block] = self._log_density_and_score(X[block])[0]
        return log_density

    def grad_log_density(self, X: ArrayLike) -> ndarray:
        """Evaluate the score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Points of R^d.

        Returns
        -------
        score : ndarray of shape (n_samples, n_features)
            ∇ₓ log p(x), in nats per unit of X.
        """
        X = np.asarray(X, dtype=np.float64)
        score = np.empty_like(X)
        for block in row_blocks(len(X), 1, BLOCK_ROWS):
            score[block] = self._log_density_and_score(X[block])[1]
        return score

    def sample(self, n_samples: int = 1, random_state: int | np.random.Generator | None = None) -> ndarray:
        """Draw independent rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, numpy.random.Generator or None, default=None
            Seed, or a generator that continues; with None every call gives other rows.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The draws.
        """
        return self._draw(n_samples, np.random.default_rng(random_state))
