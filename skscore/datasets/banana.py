"""The twisted Gaussian: a map with Jacobian determinant 1 bends a Gaussian into a banana.

With z₁ ~ N(0, s²) and z₂ ~ N(0, 1) independent,

    x = ( z₁, z₂ + b (z₁² − s²) ),      log p(x) = log N(x₁; 0, s²) + log N(x₂ − b (x₁² − s²); 0, 1).

References
----------
H. Haario, E. Saksman, J. Tamminen (1999), Adaptive proposal distribution for random walk Metropolis algorithm,
Computational Statistics 14, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from .distribution import Distribution


@dataclass(frozen=True)
class Banana(Distribution):
    """Gaussian bent along a parabola, with mean zero and uncorrelated coordinates.

    Parameters
    ----------
    scale : float, default=2.0
        Standard deviation s of the first coordinate.
    curvature : float, default=0.5
        Curvature b of the parabola; with 0 the distribution is Gaussian.

    Examples
    --------
    >>> from skscore.datasets import Banana
    >>> banana = Banana(scale=2.0, curvature=0.5)
    >>> banana.grad_log_density([[1.0, -2.0], [2.0, 1.0]])
    array([[-0.75,  0.5 ],
           [ 1.5 , -1.  ]])
    """

    scale: float = 2.0
    curvature: float = 0.5

    def _log_density_and_score(self, X: ndarray) -> tuple[ndarray, ndarray]:
        s, b = self.scale, self.curvature
        x1 = X[:, 0]
        z2 = X[:, 1] - b * (x1**2 - s**2)
        log_density = -0.5 * (x1 / s) ** 2 - 0.5 * z2**2 - np.log(2 * np.pi * s)
        return log_density, np.column_stack([-x1 / s**2 + 2 * b * x1 * z2, -z2])

    def _draw(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        z1 = self.scale * rng.standard_normal(n_samples)
        z2 = rng.standard_normal(n_samples)
        return np.column_stack([z1, z2 + self.curvature * (z1**2 - self.scale**2)])
