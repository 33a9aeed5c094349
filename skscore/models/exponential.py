r"""A user's own exponential family: sufficient statistics T given as functions of the rows.

.. math:: p_\theta(x) = \exp(\theta^\top T(x) - \log Z(\theta))\, q_0(x), \qquad x \in \text{domain}.

Score matching needs T only through its Jacobian and Laplacian (Hyvärinen, 2007, section 4); both may be written by hand
or, from a torch function, built by :func:`skscore.neural.autodiff.exponential_family`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._compat import StrOptions
from ..domains import Reals
from .base import GaussianBase, resolve_base
from .family import Family, Model

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Model):
    r"""Exponential family of the user's statistics T(x).

    Parameters
    ----------
    statistics : callable
        Maps X (n, d) to T(x) of shape (n, m).
    jacobian : callable
        Maps X (n, d) to :math:`\partial T_a/\partial x_j` of shape (n, m, d).
    laplacian : callable
        Maps X (n, d) to :math:`\Delta T_a = \sum_j \partial^2 T_a/\partial x_j^2` of shape (n, m).
    curvature : callable, optional
        Maps X (n, d) and directions V, (d,) or (n, d), to :math:`v^\top\nabla^2 T_a v` of shape (n, m). Needed by
        ``objective="sliced"``, by ``hyvarinen_score(X, standardize=True)`` and by ``TransformedDensity``'s Hyvärinen
        score.
    domain : skscore.domains.Reals, Orthant or Box, optional
        Support; None for all of R^d. On a bounded one the objective is weighted by the distance to the boundary.
    base : GaussianBase, "gaussian" or None, default=None
        Base measure :math:`q_0`: flat, the Gaussian with the moments of the first rows fitted, or one of the user's
        own.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.models import ExponentialFamily
    >>> normal = ExponentialFamily(
    ...     statistics=lambda X: np.hstack([X, X**2]),
    ...     jacobian=lambda X: np.stack([np.ones_like(X), 2 * X], axis=1),
    ...     laplacian=lambda X: np.hstack([0 * X, 0 * X + 2]),
    ... )
    >>> X = np.array([[-1.0], [0.0], [1.0], [2.0]])
    >>> ScoreMatchingDensity(normal).fit(X).theta_.round(3)  # (μ, −1/2)/σ²
    array([ 0.4, -0.4])
    """

    _parameter_constraints = {
        "statistics": [callable],
        "jacobian": [callable],
        "laplacian": [callable],
        "curvature": [callable, None],
        "domain": [Reals, None],
        "base": [StrOptions({"gaussian"}), GaussianBase, None],
    }

    def __init__(
        self,
        statistics: Callable[[Any], Any],
        jacobian: Callable[[Any], Any],
        laplacian: Callable[[Any], Any],
        curvature: Callable[[Any, Any], Any] | None = None,
        domain: Reals | None = None,
        base: str | GaussianBase | None = None,
    ) -> None:
        self.statistics = statistics
        self.jacobian = jacobian
        self.laplacian = laplacian
        self.curvature = curvature
        self.domain = domain
        self.base = base

    def family(self, moments):
        """Family bound to a table with these moments."""
        return _CallableFamily(self, moments)


class _CallableFamily(Family):
    def __init__(self, model, moments):
        self.model = model
        self.domain = Reals() if model.domain is None else model.domain.around(moments.mean)
        self.base = resolve_base(model.base, moments)
        self.n_parameters = self.statistics(self.domain.project(moments.mean[None, :])).shape[1]

    def _checked(self, name, value, shape):
        value = np.asarray(value, float)
        if value.shape != shape:
            raise ValueError(
                f"ExponentialFamily: {name} returned an array of shape {value.shape} where {shape} was expected: "
                "(rows, statistics[, columns])."
            )
        return value

    def statistics(self, X):
        T = np.asarray(self.model.statistics(X), float)
        if T.ndim != 2 or len(T) != len(X):
            raise ValueError(
                f"ExponentialFamily: statistics returned an array of shape {T.shape} for {len(X)} rows; "
                "expected (n_rows, n_statistics)."
            )
        return T

    def assemble(self, X, Y, weight, objective):
        form = super().assemble(X, Y, weight, objective)
        for name, value in (("jacobian", form.Gamma), ("jacobian or laplacian", form.g)):
            if not np.isfinite(value).all():
                raise ValueError(f"ExponentialFamily: {name} returned NaN or infinity at the rows of X.")
        return form

    def jacobian(self, X):
        return self._checked("jacobian", self.model.jacobian(X), (len(X), self.n_parameters, X.shape[1]))

    def laplacian(self, X):
        return self._checked("laplacian", self.model.laplacian(X), (len(X), self.n_parameters))

    def statistics_curvature(self, X, V):
        if self.model.curvature is None:
            raise ValueError(
                "ExponentialFamily(curvature=None): second derivatives along a direction are needed here. Pass "
                "curvature=, or build the family with skscore.neural.autodiff.exponential_family."
            )
        return self._checked("curvature", self.model.curvature(X, V), (len(X), self.n_parameters))
