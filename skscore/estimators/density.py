"""The public contract of every density estimator: doors that check the rows, and what follows from log p and s.

A subclass supplies five hooks on checked rows: ``_log_density`` (normalised), ``_score``, ``_divergence``,
``_curvature`` and ``_draw``, and keeps ``_moments`` of its training rows and the random ``_stream`` that `sample`
continues.
"""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._compat import check_sample_weight, get_namespace, validate_data
from ..formulas import objectives

__all__ = ["DensityEstimator"]


class DensityEstimator(DensityMixin, BaseEstimator):
    """Density estimator with a score: log-likelihoods, gradients, Hyvärinen scores and samples in the units of X."""

    def _check_rows(self, X):
        """Rows as float64, of the width and column names seen in fit."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=np.float64)

    def score_samples(self, X):
        """Normalised log-density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples,)
            log p(x) in nats; a row's value does not depend on its batch. −inf outside the domain.

        Raises
        ------
        ValueError
            Where the fitted model has infinite mass.
        """
        return self._log_density(self._check_rows(X))

    def score(self, X, y=None, sample_weight=None):
        """Mean of what ``criterion`` names: larger is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Held-out rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the mean.

        Returns
        -------
        float
            Mean log-density in nats, or minus the mean Hyvärinen score with every column weighted by its training
            variance.
        """
        X = self._check_rows(X)
        weight = check_sample_weight(sample_weight, X)
        xp, _ = get_namespace(X)
        values = self._log_density(X) if self.criterion == "log_likelihood" else -self._hyvarinen(X, standardize=True)
        if weight is None:
            return float(xp.mean(values))
        kept = weight > 0.0  # a row of weight zero is not there: −inf · 0 must not become NaN
        return float(xp.sum(weight[kept] * values[kept]) / xp.sum(weight))

    def grad_log_density(self, X):
        """Score vectors ∇ log p of the rows; they need no normaliser.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In nats per unit of each column.
        """
        return self._score(self._check_rows(X))

    def curvature(self, X, V):
        """Second derivative of log p along directions: vᵀ ∇² log p(x) v.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        V : array-like of shape (n_features,) or (n_samples, n_features)
            Directions, in the units of X.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats.
        """
        X = self._check_rows(X)
        xp, _ = get_namespace(X)
        V = xp.asarray(V, dtype=X.dtype)
        if V.shape not in {X.shape[1:], X.shape}:
            raise ValueError(f"V has shape {V.shape}: give one direction {X.shape[1:]} or one for each row {X.shape}.")
        return self._curvature(X, V)

    def hyvarinen_score(self, X, standardize=False):
        """Hyvärinen score ½‖s‖² + ∇·s of each row: smaller is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        standardize : bool, default=False
            Weight every coordinate by the training variance of its column, ½ Σ v_j s_j² + Σ v_j ∂_j s_j, so that a
            rescaled column cannot change a preference.

        Returns
        -------
        ndarray of shape (n_samples,)
            In inverse squared units of X; without units where standardized. On a bounded domain weighted by the
            distance h to its boundary, h(½‖s‖² + ∇·s) + ∇h·s.
        """
        return self._hyvarinen(self._check_rows(X), standardize)

    def _hyvarinen(self, X, standardize):
        xp, _ = get_namespace(X)
        scale = xp.ones_like(X[0, :])
        if standardize:
            scale = self._moments.variance**0.5
            axes = xp.eye(X.shape[1], dtype=X.dtype, device=getattr(X, "device", None)) * scale[:, None]
            divergence = sum(self._curvature(X, axes[j, :]) for j in range(X.shape[1]))
        else:
            divergence = self._divergence(X)
        score = scale * self._score(X)
        domain = self._domain
        if not domain.bounded:
            return objectives.implicit(score, divergence)
        h, grad_h = domain.boundary_distance(X)
        return objectives.weighted(score, divergence, h, scale * grad_h)

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the fitted density.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            None continues the stream that ``fit`` started: two calls differ, and a refit with an integer
            ``random_state`` repeats them.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units and the support of X.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r}: the number of rows to draw is an integer of at least 1.")
        return self._draw(int(n_samples), self._stream if random_state is None else _generator(random_state))


def _generator(random_state):
    """Numpy generator seeded by scikit-learn's kind of random state."""
    return np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
