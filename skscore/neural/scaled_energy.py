r"""A neural energy in scaled coordinates: :math:`\log p(x) = -E(y(x)) - \sum_j g_j(x) - \log Z`.

With :math:`\dot y, \ddot y` the motion of the coordinates as x moves along v, and the volume linear in x,

.. math:: v^\top\nabla^2\log p\,v = -\dot y^\top\nabla^2E\,\dot y - \nabla E^\top\ddot y .

The objective is measured in y; every derivative here is exact, and in the units of x.
"""

from __future__ import annotations

from .energy_family import EnergyFamily

__all__ = ["ScaledEnergyFamily"]


class ScaledEnergyFamily(EnergyFamily):
    """Energies of one architecture in scaled coordinates.

    Parameters
    ----------
    model : NeuralEnergy
    domain : ScaledCoordinates
    alpha : float
        Ridge on the weights.
    """

    def __init__(self, model, domain, alpha):
        super().__init__(model, domain.linear, alpha)
        self.domain = domain

    def coordinates(self, X):
        """Rows y that the network sees, shape (n, d)."""
        return self.domain.to_reals(X)

    def slope_in_x(self, X, slope):
        """∇ log p of each row, shape (n, d), where `slope` (n, d) is −∇E in y."""
        return self.domain.slope_in_x(X, slope)

    def log_density(self, theta, X):
        """−E − Σ g of each row, shape (n,)."""
        return super().log_density(theta, X) - self.domain.log_width(X)

    def summed_curvature(self, theta, X, V):
        """Σ_k v_kᵀ∇² log p(x) v_k of each row, shape (n,), along directions V of shape (K, n, d)."""
        velocity, acceleration = self.domain.motion(X, V)
        gradient, along = self.derivatives(theta, self.coordinates(X), velocity)
        return -along - (gradient * acceleration.sum(axis=0)).sum(axis=1)
