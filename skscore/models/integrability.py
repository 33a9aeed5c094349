r"""The mass of a polynomial log-density: the sign of its top form, and modes far from the data.

A polynomial f of even degree p has finite mass if its terms of degree p are negative along every direction. An
estimate can meet that by a hair and still carry nearly all of its mass in a spurious mode far from every row, which no
draw near the data would ever see. Both are questions about the largest value of f on spheres, answered by ascent from
many directions: :math:`u \leftarrow (\nabla f(ru)/L + u)/\|\cdot\|` is monotone for L at least the curvature of
:math:`u \mapsto f(ru)` on the sphere (the shifted power method, Kolda & Mayo, 2011).
"""

from __future__ import annotations

import numpy as np

__all__ = ["no_density_reason"]

RADII = 6.0 * 2.0 ** np.arange(9)  # standard deviations from the mean: 6 to 1536
ROUNDING = 1e-12  # of the terms of highest degree: rows that they bound would spread over 1000 standard deviations
NEGLIGIBLE = 20.0  # nats: a far mode this much lower than the density near the data has no mass to speak of


def _starts(d, n_random=128):
    axes = np.vstack([np.eye(d), -np.eye(d)])
    random = np.random.default_rng(0).standard_normal((n_random if d > 1 else 0, d))
    return np.vstack([axes, random / np.linalg.norm(random, axis=1, keepdims=True)])


def _largest_on_sphere(basis, c, radius, u, n_steps=60):
    """Largest value of the polynomial c on the sphere of `radius`, the direction of it, and the ascended directions."""
    degrees = basis.exponents.sum(axis=1)
    scaled = c * radius**degrees  # f(r·) as a polynomial on the unit sphere
    size = np.abs(scaled).max()
    if size > 0.0:
        scaled = scaled / size
        curvature = (np.abs(scaled) * degrees**2).sum()
        slopes = np.stack([D @ scaled for D in basis.derivatives]) / curvature
        for _ in range(n_steps if u.shape[1] > 1 else 0):
            u = u + basis.evaluate(slopes, u)
            u = u / np.linalg.norm(u, axis=1, keepdims=True)
    values = size * basis.evaluate(scaled[None], u)[:, 0]
    return values.max(), u[values.argmax()], u


def _direction(u):
    return np.round(u, 3).tolist()


def no_density_reason(basis, c):
    """Why exp of the polynomial with coefficients c in standardised columns is no density of the data, or None.

    Parameters
    ----------
    basis : MonomialBasis
    c : ndarray of shape (M,)

    Returns
    -------
    str or None
    """
    degree = basis.degree
    if degree % 2:
        return f"its degree {degree} is odd, so exp of it grows without bound in some direction: its mass is infinite"
    u = _starts(basis.exponents.shape[1])
    top = np.where(basis.exponents.sum(axis=1) == degree, c, 0.0)
    largest, direction, _ = _largest_on_sphere(basis, top, 1.0, u, n_steps=300)
    if largest >= -ROUNDING:
        return (
            f"its terms of degree {degree} sum to {largest:.3g} along the direction {_direction(direction)} of the "
            "standardised columns, which is not below zero by more than rounding, so its mass is infinite"
        )
    return _far_mode_reason(basis, c, u)


def _far_mode_reason(basis, c, u):
    d = u.shape[1]
    near = basis.evaluate(c[None], np.vstack([r * u for r in np.linspace(0.0, 3.0, 13)])).max()
    previous = np.inf
    for radius in RADII:
        value, direction, u = _largest_on_sphere(basis, c, radius, u)
        if value > previous and value + d * np.log(radius) > near - NEGLIGIBLE:
            return (
                f"it rises again towards a spurious mode {radius:.0f} or more standard deviations from the mean, "
                f"along the direction {_direction(direction)} of the standardised columns, where no row lies"
            )
        previous = value
    return None
