r"""An affine score :math:`s(x) = b - K(x - c)` and its density, a Gaussian if K is positive definite.

.. math:: p(x) \propto \exp\bigl(b^\top(x - c) - \tfrac12(x - c)^\top K(x - c)\bigr), \qquad
          \log Z = \tfrac12b^\top K^{-1}b + \tfrac d2\log2\pi - \tfrac12\log\det K,

with the mean :math:`c + K^{-1}b`. A centre c near the rows keeps the digits of columns that are far from zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._compat import get_namespace

__all__ = ["AffineScore"]


class AffineScore(NamedTuple):
    """s(x) = slope − K(x − centre), in arrays of any namespace.

    Parameters
    ----------
    centre, slope : array of shape (d,)
        c and b.
    precision : array of shape (d, d)
        K.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.affine_score import AffineScore
    >>> AffineScore(np.zeros(1), np.ones(1), np.array([[2.0]])).location()
    array([0.5])
    """

    centre: Any
    slope: Any
    precision: Any

    def location(self):
        """Mean, shape (d,)."""
        return self.centre + self.location_from_centre()

    def location_from_centre(self):
        """K⁻¹b, shape (d,), to the last digit of a centre near the mean."""
        xp, _ = get_namespace(self.precision)
        return xp.linalg.solve(self.precision, self.slope[:, None])[:, 0]

    def smallest_eigenvalue(self):
        """Of K with its diagonal scaled to one: there is a density if it is positive."""
        xp, _ = get_namespace(self.precision)
        scale = xp.abs(xp.linalg.diagonal(self.precision)) ** 0.5
        scale = xp.where(scale > 0.0, scale, 0.0 * scale + 1.0)
        return float(xp.min(xp.linalg.eigvalsh(self.precision / (scale[:, None] * scale[None, :]))))

    def covariance(self):
        """K⁻¹, shape (d, d)."""
        xp, _ = get_namespace(self.precision)
        scale = xp.linalg.diagonal(self.precision) ** -0.5
        outer = scale[:, None] * scale[None, :]
        covariance = xp.linalg.inv(self.precision * outer) * outer
        return 0.5 * (covariance + covariance.T)

    def attributes(self):
        """Location, precision and covariance by name; without a density there is no mean and no covariance."""
        if self.smallest_eigenvalue() <= 0.0:
            nothing = float("nan") * self.precision
            return {"location": nothing[0, :], "precision": self.precision, "covariance": nothing}
        return {"location": self.location(), "precision": self.precision, "covariance": self.covariance()}

    def log_normalizer(self):
        """log Z."""
        xp, _ = get_namespace(self.precision)
        completed = 0.5 * float(xp.sum(self.slope * self.location_from_centre()))  # ½ bᵀK⁻¹b
        log_det = float(xp.linalg.slogdet(self.precision)[1])
        return completed + 0.5 * (self.centre.shape[0] * float(np.log(2.0 * np.pi)) - log_det)

    def sample(self, n_samples, rng):
        """Exact draws, shape (n_samples, d)."""
        xp, _ = get_namespace(self.precision)
        noise = rng.standard_normal((n_samples, self.centre.shape[0]))
        noise = xp.asarray(noise, dtype=self.precision.dtype, device=getattr(self.precision, "device", None))
        scale = xp.linalg.diagonal(self.precision) ** -0.5
        root = xp.linalg.cholesky(self.precision * (scale[:, None] * scale[None, :]))  # K = D⁻¹ R Rᵀ D⁻¹
        return self.location() + xp.linalg.solve(root.T, noise.T).T * scale
