"""Neal's funnel: the first coordinate is the log-variance of all others.

    v ~ N(0, τ²),      x_k | v ~ N(0, e^v),  k = 2, …, d,
    log p = log N(v; 0, τ²) − ½ e^−v ‖x‖² − (d − 1) (v + log 2π)/2.

References
----------
R. M. Neal (2003), Slice sampling, Annals of Statistics 31, section 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from .distribution import Distribution

# e^−v is limited to e^600, so that e^−v ‖x‖² is a finite float64; there is no mass at v < −600.
LARGEST_LOG_PRECISION = 600.0


@dataclass(frozen=True)
class Funnel(Distribution):
    """Neal's funnel in any dimension; the coordinates are (v, x_2, …, x_d).

    Parameters
    ----------
    n_features : int, default=2
        Dimension d, at least 2.
    scale : float, default=3.0
        Standard deviation τ of v.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.datasets import Funnel
    >>> Funnel(n_features=10).score_samples(np.zeros((1, 10))).round(4)
    array([-10.288])
    """

    n_features: int = 2
    scale: float = 3.0

    def _log_density_and_score(self, X: ndarray) -> tuple[ndarray, ndarray]:
        v, x = X[:, 0], X[:, 1:]
        precision = np.exp(np.minimum(-v, LARGEST_LOG_PRECISION))
        half_square = 0.5 * precision * (x**2).sum(axis=1)
        log_v = -0.5 * (v / self.scale) ** 2 - np.log(self.scale) - 0.5 * np.log(2 * np.pi)
        log_x = -half_square - 0.5 * (self.n_features - 1) * (v + np.log(2 * np.pi))
        score_v = -v / self.scale**2 + half_square - 0.5 * (self.n_features - 1)
        return log_v + log_x, np.column_stack([score_v, -precision[:, None] * x])

    def _draw(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        v = self.scale * rng.standard_normal((n_samples, 1))
        return np.hstack([v, np.exp(v / 2) * rng.standard_normal((n_samples, self.n_features - 1))])
