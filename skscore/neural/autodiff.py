r"""Derivatives of sufficient statistics by automatic differentiation (torch.func).

A torch function T of one row is enough: its Jacobian is a vectorised reverse pass, its directional second derivative
:math:`v^\top\nabla^2 T v` is one forward derivative of another along v, and its Laplacian is the sum of those along the
axes.
"""

from __future__ import annotations

import numpy as np

from ..models.exponential import ExponentialFamily
from ._torch import torch

__all__ = ["TorchStatistics", "exponential_family"]


def exponential_family(statistics, domain=None, base=None):
    r"""Exponential family of a torch function, with every derivative by automatic differentiation.

    Parameters
    ----------
    statistics : callable
        Maps a tensor x of shape (d,), one row in float64, to T(x) of shape (m,). Give it a name at module level where
        the estimator is to be pickled.
    domain : skscore.domains.Reals, Orthant or Box, optional
        Support; all of R^d where None.
    base : GaussianBase, "gaussian" or None, default=None
        Base measure.

    Returns
    -------
    skscore.models.ExponentialFamily

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.neural.autodiff import exponential_family
    >>> normal = exponential_family(lambda x: torch.cat([x, x**2]))
    >>> X = np.array([[-1.0], [0.0], [1.0], [2.0]])
    >>> ScoreMatchingDensity(normal).fit(X).theta_.round(3)
    array([ 0.4, -0.4])
    """
    T = TorchStatistics(statistics)
    return ExponentialFamily(T, T.jacobian, T.laplacian, T.curvature, domain=domain, base=base)


class TorchStatistics:
    """Numpy face of a torch function of one row: values and derivatives over tables.

    Parameters
    ----------
    function : callable
        Maps a float64 tensor of shape (d,) to one of shape (m,).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.neural.autodiff import TorchStatistics
    >>> T = TorchStatistics(lambda x: x**3)
    >>> X = np.array([[2.0]])
    >>> T(X), T.laplacian(X)
    (array([[8.]]), array([[12.]]))
    """

    def __init__(self, function):
        self.function = function

    def __call__(self, X):
        """T of each row, shape (n, m)."""
        return self._over_rows(self.function, X)

    def jacobian(self, X):
        """∂T/∂x of each row, shape (n, m, d)."""
        return self._over_rows(torch.func.jacrev(self.function), X)

    def laplacian(self, X):
        """ΔT of each row, shape (n, m)."""
        return sum(self.curvature(X, axis) for axis in np.eye(X.shape[1]))

    def curvature(self, X, V):
        """vᵀ∇²T v of each row, shape (n, m), for directions V of shape (d,) or (n, d)."""
        return self._over_rows(self._second_derivative, X, np.broadcast_to(V, X.shape))

    def _second_derivative(self, x, v):
        def slope(x):
            return torch.func.jvp(self.function, (x,), (v,))[1]

        return torch.func.jvp(slope, (x,), (v,))[1]

    @staticmethod
    def _over_rows(function, *arrays):
        tensors = [torch.from_numpy(np.array(a, dtype=np.float64)) for a in arrays]  # a copy: rows may be read-only
        return torch.func.vmap(function)(*tensors).detach().numpy()
