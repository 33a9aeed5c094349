"""Half-circles with Gaussian noise: the two moons, and spirals made of half-circles.

A point c = m + r (cos t, sin t), uniform in arc length on a union of half-circles, is observed as x = c + σ ε:

    p(x) = Σ_a (r_a / Σ_b r_b) ∫_{half-circle a} N(x; c_a(t), σ² I) dt / π,      s(x) = ( E[c | x] − x ) / σ².

Up to a constant the integrand is exp(κ cos v), where v ∈ [0, π] is the angle at m between c − m and x − m, and
κ = r ‖x − m‖ / σ². It decreases with v, so each half-circle is two intervals of v (one on each side of x) with the
largest value at the lower end. Each interval ends where the integrand has decreased by the factor e^−40, and has 24
Gauss-Legendre nodes. The nodes follow the peak, so the relative error of the integral is below 1e-13 at every x, at any
distance, and for every σ.

References
----------
F. Pedregosa et al. (2011), Scikit-learn: machine learning in Python, JMLR 12 (`sklearn.datasets.make_moons`).
K. J. Lang, M. J. Witbrock (1988), Learning to tell two spirals apart, Proc. Connectionist Models Summer School.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from .distribution import Distribution

# Nodes and weights of Gauss-Legendre quadrature on [0, 1].
NODES, WEIGHTS = (np.polynomial.legendre.leggauss(24) + np.array([[1.0], [0.0]])) / 2
# Nats by which the integrand decreases from its peak to the end of the interval of integration.
DECREASE = 40.0


def _intervals(delta: ndarray) -> tuple[ndarray, ndarray]:
    """Return the angles v of a half-circle on both sides of a point at the angle `delta` ≥ 0 from its middle."""
    inside = delta < np.pi / 2
    lower = np.stack([np.maximum(0, delta - np.pi / 2), np.where(inside, 0, 1.5 * np.pi - delta)], axis=-1)
    upper = np.stack([np.minimum(np.pi, delta + np.pi / 2), np.where(inside, np.pi / 2 - delta, np.pi)], axis=-1)
    return lower, upper


def _reach(lower: ndarray, kappa: ndarray) -> ndarray:
    """Return the angle v with κ (cos lower − cos v) = DECREASE, or π if there is none."""
    half = DECREASE / 2
    sine_squared = np.sin(lower / 2) ** 2 + half / np.maximum(kappa, half)
    return 2 * np.arcsin(np.sqrt(np.minimum(sine_squared, 1)))


class HalfCircles(Distribution):
    """Base class: half-circles with Gaussian noise. A subclass defines `noise` and its half-circles."""

    noise: float

    @abstractmethod
    def _half_circles(self) -> tuple[ndarray, ndarray, ndarray]:
        """Return centres (a, 2), radii (a,) and the angles of the middles (a,)."""

    def _log_density_and_score(self, X: ndarray) -> tuple[ndarray, ndarray]:
        offsets, weights = self._quadrature(X)
        variance = self.noise**2
        exponents = -0.5 * (offsets**2).sum(axis=-1) / variance
        peak = exponents.max(axis=1, keepdims=True)
        mass = weights * np.exp(exponents - peak)
        total = mass.sum(axis=1, keepdims=True)
        score = np.einsum("nq,nqi->ni", mass / total, offsets) / variance
        return peak[:, 0] + np.log(total[:, 0] / (2 * np.pi * variance)), score

    def _quadrature(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return offsets c − x (n, q, 2) to nodes on the half-circles, chosen for each x, and their weights (n, q)."""
        centres, radii, middles = self._half_circles()
        Y = X[:, None] - centres
        phi = np.arctan2(Y[..., 1], Y[..., 0])
        kappa = radii * np.hypot(Y[..., 0], Y[..., 1]) / self.noise**2
        delta = np.remainder(phi - middles + np.pi, 2 * np.pi) - np.pi
        lower, upper = _intervals(np.abs(delta))
        length = np.minimum(upper, _reach(lower, kappa[..., None])) - lower
        v = lower[..., None] + length[..., None] * NODES
        towards_middle = np.where(delta < 0, 1.0, -1.0)[..., None] * np.array([1.0, -1.0])
        t = phi[..., None, None] + towards_middle[..., None] * v
        offsets = radii[:, None, None, None] * np.stack([np.cos(t), np.sin(t)], axis=-1) - Y[:, :, None, None]
        weights = (radii / (np.pi * radii.sum()))[:, None, None] * length[..., None] * WEIGHTS
        return offsets.reshape(len(X), -1, 2), weights.reshape(len(X), -1)

    def _draw(self, n_samples: int, rng: np.random.Generator) -> ndarray:
        centres, radii, middles = self._half_circles()
        a = rng.choice(len(radii), size=n_samples, p=radii / radii.sum())
        t = middles[a] + np.pi * rng.uniform(-0.5, 0.5, size=n_samples)
        points = centres[a] + radii[a, None] * np.column_stack([np.cos(t), np.sin(t)])
        return points + self.noise * rng.standard_normal((n_samples, 2))


@dataclass(frozen=True)
class Moons(HalfCircles):
    """Two interleaved half-circles of radius 1, in the geometry of `sklearn.datasets.make_moons`.

    The upper moon is (cos t, sin t), the lower one (1 − cos t, ½ − sin t), t uniform on [0, π].

    Parameters
    ----------
    noise : float, default=0.1
        Standard deviation σ of the Gaussian noise.

    Examples
    --------
    >>> from skscore.datasets import Moons
    >>> moons = Moons(noise=0.1)
    >>> moons.score_samples([[0.0, 1.0], [0.5, 0.25]]).round(4)
    array([-0.453 , -9.1916])
    >>> moons.sample(3, random_state=0).shape
    (3, 2)
    """

    noise: float = 0.1

    def _half_circles(self) -> tuple[ndarray, ndarray, ndarray]:
        return np.array([[0.0, 0.0], [1.0, 0.5]]), np.ones(2), np.array([0.5, -0.5]) * np.pi


@dataclass(frozen=True)
class Spirals(HalfCircles):
    """Two intertwined spiral arms, uniform in arc length; one is the reflection of the other in the origin.

    Each arm is a chain of half-circles with centres that alternate between (±spacing/2, 0) and radii that grow by one
    spacing: a smooth curve that crosses the horizontal axis at −1, 2, −3, 4, … spacings, like the Archimedean spiral
    r = spacing · t/π. The other arm crosses at 1, −2, 3, −4, ….

    Parameters
    ----------
    n_half_turns : int, default=3
        Number of half-circles in each arm.
    spacing : float, default=1.0
        Distance between neighbouring arms.
    noise : float, default=0.15
        Standard deviation σ of the Gaussian noise.

    Examples
    --------
    >>> from skscore.datasets import Spirals
    >>> Spirals().score_samples([[2.0, 0.0], [-2.0, 0.0], [0.0, 0.0]]).round(4)
    array([ -2.8737,  -2.8737, -24.5437])
    """

    n_half_turns: int = 3
    spacing: float = 1.0
    noise: float = 0.15

    def _half_circles(self) -> tuple[ndarray, ndarray, ndarray]:
        # k = 1 is left out: the two arms would meet in the origin.
        k = np.arange(2, 2 + self.n_half_turns)
        centres = np.column_stack([(-1.0) ** k * self.spacing / 2, np.zeros(k.size)])
        radii, middles = (k - 0.5) * self.spacing, (k - 0.5) * np.pi
        return np.concatenate([centres, -centres]), np.tile(radii, 2), np.concatenate([middles, middles + np.pi])
