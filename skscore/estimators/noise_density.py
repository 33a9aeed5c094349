"""What a fitted noise-conditional law answers, in the units of the table.

A subclass keeps ``table_`` (cells, bounds and coordinates), ``_law`` and ``_source`` (density and score in these
coordinates) and ``device_``.
"""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..likelihood import antithetic_noise, denoising_gain
from .checks import warn_of
from .density import DensityEstimator

__all__ = ["NoiseDensity"]

INSIDE_DRAWS = 10_000


class NoiseDensity(DensityEstimator):
    """Density estimator whose density is that of a noise-conditional score."""

    def grad_log_density(self, X, sigma=None):
        """Score vectors ∇ log p of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.
        sigma : float, optional
            Noise level, in the coordinates of ``sigma_min``, of the noisy law whose score is wanted; None for the
            fitted density, whose score a network knows best at ``score_level_``.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In nats per unit of each column; NaN outside the bounds.
        """
        if sigma is None:
            return super().grad_log_density(X)
        X = self._check_rows(X)
        if not (isinstance(sigma, Real) and 0.0 < sigma < np.inf):
            raise ValueError(f"sigma={sigma!r}: a noise level is a positive number.")
        f = self.table_.map
        return f.pull_score(X, self._source.field(self.device_).score(f.forward(X), float(sigma)))

    def __getattr__(self, name):
        if name != "inside_mass_":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        check_is_fitted(self)
        self.inside_mass_ = 1.0 if self.bounds is None else self._drawn_inside()
        return self.inside_mass_

    def _drawn_inside(self):
        """Share of draws within the bounds, at least that of half a draw."""
        draws = self._law.sample(INSIDE_DRAWS, "flow", None, np.random.default_rng(0), self.device_).rows
        return max(float(self._support(self.table_.restored(draws)).mean()), 0.5 / INSIDE_DRAWS)

    # ---- its hooks -------------------------------------------------------------------------------

    def _criterion_values(self, X):
        if self.criterion != "elbo":
            return super()._criterion_values(X)
        X = self._check_rows(X)
        return self._on_support(self._lower_bound, X, outside=np.full(len(X), -np.inf))

    @property
    def _variance(self):
        return self.table_.moments.variance

    def _support(self, X):
        return self.table_.inside(X)

    def _log_volume(self, X):
        return self.table_.map.log_det(X) - np.log(self.inside_mass_)

    def _log_density(self, X):
        log_density = self._law.log_density(self.table_.map.forward(X), self.device_)
        warn_of(self._law.remarks())
        return log_density + self._log_volume(X)

    def _lower_bound(self, X):
        return self._law.elbo(self.table_.map.forward(X), self.device_) + self._log_volume(X)

    def _denoising_gain(self, X, levels):
        """Gain over the reference Gaussian at each noise level, in nats per unit of log σ, shape (L,)."""
        Z, field = self.table_.map.forward(self._check_rows(X)), self._source.field(self.device_)
        noise = antithetic_noise(len(levels), 4, Z.shape, np.random.default_rng(0))
        return np.array([denoising_gain(Z, field, *level).mean() for level in zip(levels, noise, strict=True)])

    def _score(self, X):
        f = self.table_.map
        return f.pull_score(X, self._law.score(f.forward(X), self.device_))

    def _curvature(self, X, V):
        f = self.table_.map
        Z, U = f.forward(X), f.pushforward(X, V)
        if f.is_affine:
            return self._law.curvature(Z, U, self.device_)
        score, curvature = self._law.score_and_trace(Z, U[None], self.device_)
        return curvature + f.second_order(X, V, score)

    def _score_and_divergence(self, X, scale):
        scale, f = np.ones(X.shape[1]) if scale is None else scale, self.table_.map
        axes = np.diag(scale)[:, None]
        score, trace = self._law.score_and_trace(f.forward(X), f.pushforward(X, axes), self.device_)
        return scale * f.pull_score(X, score), trace + f.second_order(X, axes, score).sum(axis=0)

    def _draw(self, n_samples, rng):
        def sample(n):
            drawn = self._law.sample(n, self.sampler, self.n_sampling_levels, rng, self.device_)
            warn_of(drawn.remarks)
            return drawn.rows

        return self.table_.draw(sample, n_samples)
