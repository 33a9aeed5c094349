"""The dark cells of a checkerboard with Gaussian noise.

A dark cell is chosen at random, then a point c uniformly in it, and x = c + σ ε. Cells are unit squares, so that

    p(x) = mean over dark cells (i, j) of b_i(x₁) b_j(x₂),      b_i(u) = Φ((u − m_i + ½)/σ) − Φ((u − m_i − ½)/σ),

with m_i the middle of column i. Outside a cell b is a difference of two tails. Mills' ratio
R(z) = (1 − Φ(z))/φ(z) = √(π/2) erfcx(z/√2) gives it without cancellation: if z < z' are the distances to the two edges
divided by σ,

    Φ(z') − Φ(z) = φ(z) ( R(z) − q R(z') ),      q = φ(z')/φ(z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.special import erfcx, logsumexp, ndtr, softmax

from .distribution import Distribution

LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


def _mills(z: ndarray) -> ndarray:
    return np.sqrt(np.pi / 2) * erfcx(z / np.sqrt(2))


def _noisy_interval(u: ndarray, middle: ndarray, noise: float) -> tuple[ndarray, ndarray]:
    """Return log b(u) and its derivative for unit intervals around `middle`, by the formula that suits each u."""
    near, far = (np.abs(u - middle) - 0.5) / noise, (np.abs(u - middle) + 0.5) / noise
    inside = near <= 0
    z = np.where(inside, 0.0, near)
    q = np.exp(-0.5 * (far - z) * (far + z))
    tail = _mills(z) - q * _mills(far)
    mass = ndtr(far) - ndtr(np.minimum(near, 0.0))
    edge = np.exp(-0.5 * np.minimum(near, 0.0) ** 2 - LOG_SQRT_2PI) - np.exp(-0.5 * far**2 - LOG_SQRT_2PI)
    log_b = np.where(inside, np.log(mass), np.log(tail) - 0.5 * z**2 - LOG_SQRT_2PI)
    derivative = -np.sign(u - middle) * np.where(inside, edge / mass, (1 - q) / tail) / noise
    return log_b, derivative


@dataclass(frozen=True)
class Checkerboard(Distribution):
    """Checkerboard of unit cells, centred on the origin, with Gaussian noise.

    Parameters
    ----------
    n_cells : int, default=4
        Number of cells along each side.
    noise : float, default=0.05
        Standard deviation σ of the Gaussian noise, in sides of a cell.

    Examples
    --------
    >>> from skscore.datasets import Checkerboard
    >>> Checkerboard().score_samples([[0.5, 0.5], [0.5, -0.5], [0.5, 0.0]]).round(4)
    array([ -2.0794, -53.9244,  -2.7726])
    """

    n_cells: int = 4
    noise: float = 0.05

    def _dark_cells(self) -> ndarray:
        """Return the middles of the dark cells along each axis, shape (2, number of dark cells)."""
        cells = np.indices((self.n_cells, self.n_cells)).reshape(2, -1)
        return cells[:, cells.sum(axis=0) % 2 == 0] - (self.n_cells - 1) / 2

    def _log_density_and_score(self, X: ndarray) -> tuple[ndarray, ndarray]:
        middles = self._dark_cells()
        log_b, derivative = _noisy_interval(X[:, :, None], middles, self.noise)
        log_cell = log_b.sum(axis=1)
        score = np.einsum("nk,nik->ni", softmax(log_cell, axis=1), derivative)
        return logsumexp(log_cell, axis=1) - np.log(middles.shape[1]), score

    def _draw(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        corners = self._dark_cells().T - 0.5
        points = rng.choice(corners, size=n_samples) + rng.uniform(size=(n_samples, 2))
        return points + self.noise * rng.standard_normal((n_samples, 2))
