r"""Weights that rise like the folded concave penalties of regression: straight at the boundary, then flat.

.. math:: h_{\text{MCP}}(t) = \int_0^t (\lambda - s/\gamma)_+\,ds, \qquad
    h_{\text{SCAD}}(t) = \int_0^t \min\Big\{\lambda, \frac{(\gamma\lambda - s)_+}{\gamma - 1}\Big\}\,ds,

constant from :math:`t = \gamma\lambda` on, at :math:`\gamma\lambda^2/2` and :math:`(\gamma + 1)\lambda^2/2`.
"""

from __future__ import annotations

import numpy as np

from .elementary_weights import BoundaryWeight

__all__ = ["MCP", "SCAD"]


class MCP(BoundaryWeight):
    """h′(t) = (lam − t/gamma)₊: straight at first, flat from gamma·lam on.

    Parameters
    ----------
    lam : float, default=1.0
        Slope at the boundary.
    gamma : float, default=5.0
        The larger, the slower the slope falls.

    References
    ----------
    Zhang, C.-H. (2010). Nearly unbiased variable selection under minimax concave penalty. Annals of Summary, 38.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import MCP
    >>> MCP().value_and_slope(np.array([0.0, 1.0, np.inf]))
    (array([0. , 0.9, 2.5]), array([1. , 0.8, 0. ]))
    """

    def __init__(self, lam=1.0, gamma=5.0):
        self.lam = lam
        self.gamma = gamma

    def _value(self, t):
        t = np.minimum(t, self.gamma * self.lam)
        return self.lam * t - t**2 / (2.0 * self.gamma)

    def _slope(self, t):
        return np.maximum(self.lam - t / self.gamma, 0.0)


class SCAD(BoundaryWeight):
    """h′(t) = min{lam, (gamma·lam − t)₊/(gamma − 1)}: straight up to lam, flat from gamma·lam on.

    Parameters
    ----------
    lam : float, default=1.0
        Slope at the boundary, and the distance up to which it stays.
    gamma : float, default=3.0
        Larger than 1; the larger, the slower the slope falls.

    References
    ----------
    Fan, J. & Li, R. (2001). Variable selection via nonconcave penalized likelihood and its oracle properties. Journal
    of the American Statistical Association, 96.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import SCAD
    >>> SCAD().value_and_slope(np.array([0.0, 1.0, 2.0, np.inf]))
    (array([0.  , 1.  , 1.75, 2.  ]), array([1. , 1. , 0.5, 0. ]))
    """

    def __init__(self, lam=1.0, gamma=3.0):
        self.lam = lam
        self.gamma = gamma

    def check(self, d):
        """Raise a ValueError unless lam > 0 and gamma > 1."""
        super().check(d)
        if self.gamma <= 1.0:
            raise ValueError(f"SCAD: gamma={self.gamma!r}; give a number larger than 1.")

    def _value(self, t):
        t = np.minimum(t, self.gamma * self.lam)
        # lam·t less the triangle that the falling slope cuts off beyond lam
        return self.lam * t - np.maximum(t - self.lam, 0.0) ** 2 / (2.0 * (self.gamma - 1.0))

    def _slope(self, t):
        return np.minimum(self.lam, np.maximum(self.gamma * self.lam - t, 0.0) / (self.gamma - 1.0))
