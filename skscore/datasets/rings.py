"""Concentric circles with Gaussian noise, in closed form.

A circle is chosen at random, then a point c uniformly on it, and x = c + σ ε. With ρ = ‖x‖ and
κ_k = ρ r_k / σ² the integral over the angle is a Bessel function,

    p(x) = mean_k exp(−(ρ² + r_k²)/2σ²) I₀(κ_k) / (2π σ²),      s(x) = (x/ρ) Σ_k P(k | x) (r_k A(κ_k) − ρ) / σ²,

where A = I₁/I₀. Both are written with the scaled functions e^−κ I(κ), which never overflow.

References
----------
S. O. Rice (1945), Mathematical analysis of random noise, Bell System Technical Journal 24, eq. 3.10-11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.special import i0e, i1e, logsumexp, softmax

from .distribution import Distribution


@dataclass(frozen=True)
class Rings(Distribution):
    """Concentric circles of equal mass with Gaussian noise, in the geometry of `sklearn.datasets.make_circles`.

    Parameters
    ----------
    radii : tuple of float, default=(1.0, 2.0, 3.0)
        Radii r_k of the circles.
    noise : float, default=0.15
        Standard deviation σ of the Gaussian noise.

    Examples
    --------
    >>> from skscore.datasets import Rings
    >>> rings = Rings(radii=(1.0, 2.0), noise=0.1)
    >>> rings.score_samples([[1.0, 0.0], [0.0, 1.5], [0.0, 0.0]]).round(4)
    array([ -1.1461, -13.3146, -47.9259])
    """

    radii: tuple[float, ...] = (1.0, 2.0, 3.0)
    noise: float = 0.15

    def _log_density_and_score(self, X: ndarray) -> tuple[ndarray, ndarray]:
        radii, variance = np.asarray(self.radii), self.noise**2
        rho = np.hypot(X[:, 0], X[:, 1])[:, None]
        kappa = rho * radii / variance
        log_terms = np.log(i0e(kappa)) - 0.5 * (rho - radii) ** 2 / variance
        radial = (softmax(log_terms, axis=1) * (radii * i1e(kappa) / i0e(kappa) - rho)).sum(
            axis=1, keepdims=True
        ) / variance
        # At the centre the radial derivative is zero, so that any direction may be used.
        direction = X / np.where(rho > 0, rho, 1.0)
        return logsumexp(log_terms, axis=1) - np.log(2 * np.pi * variance * radii.size), radial * direction

    def _draw(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        radius = rng.choice(self.radii, size=n_samples)
        angle = rng.uniform(0, 2 * np.pi, size=n_samples)
        points = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        return points + self.noise * rng.standard_normal((n_samples, 2))
