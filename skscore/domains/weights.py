r"""Weights h of generalised score matching: functions of the distance t of a row to the boundary, along a coordinate.

They are zero on the boundary and increase with the distance, so that the boundary term of the integration by parts is
zero (Yu, Drton & Shojaie, 2019, 2022). A coordinate without a boundary has t = ∞ and needs a bounded weight; ``Capped``
bounds any weight.

================  =====================================  ===============================
weight            h(t)                                   least upper bound
================  =====================================  ===============================
Power             :math:`t^k`                            ∞
LogPower          :math:`\log(1 + t)^k`                  ∞
Arcsinh           :math:`\operatorname{arcsinh} at`      ∞
Sinh              :math:`\sinh at`                       ∞
Cosh              :math:`\cosh at - 1`                   ∞
Expm1             :math:`e^{at} - 1`                     ∞
Softplus          :math:`\log\{(1 + e^{at})/2\}`         ∞
Tanh              :math:`\tanh at`                       1
TruncatedSine     :math:`\sin\min(at, \pi/2)`            1
TruncatedTangent  :math:`\tan\min(at, \pi/4)`            1
MCP               see below                              :math:`\gamma\lambda^2/2`
SCAD              see below                              :math:`(\gamma + 1)\lambda^2/2`
================  =====================================  ===============================

The last two are the folded concave penalties of regression, constant for :math:`t \ge \gamma\lambda`,

.. math:: h_{\text{MCP}}(t) = \int_0^t (\lambda - s/\gamma)_+\,ds, \qquad
    h_{\text{SCAD}}(t) = \int_0^t \min\Big\{\lambda, \frac{(\gamma\lambda - s)_+}{\gamma - 1}\Big\}\,ds .

If a weight has a kink, its derivative there is that of the side farther from the boundary.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from scipy.special import expit
from sklearn.base import BaseEstimator

__all__ = [
    "MCP",
    "SCAD",
    "WEIGHTS",
    "Arcsinh",
    "BoundaryWeight",
    "Cosh",
    "Expm1",
    "LogPower",
    "Power",
    "Sinh",
    "Softplus",
    "Tanh",
    "TruncatedSine",
    "TruncatedTangent",
    "resolve",
]


class BoundaryWeight(BaseEstimator):
    """Base class of the weights: a member defines `_value`, h(t), and `_slope`, h′(t), for distances 0 ≤ t ≤ ∞.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import BoundaryWeight
    >>> class Saturating(BoundaryWeight):
    ...     def _value(self, t):
    ...         return -np.expm1(-t)
    ...     def _slope(self, t):
    ...         return np.exp(-t)
    >>> Saturating().value_and_slope(np.array([0.0, np.inf]))
    (array([0., 1.]), array([1., 0.]))
    """

    def _value(self, t: ndarray) -> ndarray:
        raise NotImplementedError

    def _slope(self, t: ndarray) -> ndarray:
        raise NotImplementedError

    def value_and_slope(self, distance: ndarray) -> tuple[ndarray, ndarray]:
        """Return h and h′ at each distance, with their limits at ∞, both in the shape of `distance`."""
        with np.errstate(over="ignore", divide="ignore"):  # infinite limits are meant
            return self._value(distance), self._slope(distance)

    def fitted(self, distance: ndarray, sample_weight: ndarray | None = None) -> BoundaryWeight:
        """Return the weight with the constants that it takes from the distances (n, d) of the training rows."""
        return self

    def check(self, d: int) -> None:
        """Raise a ValueError unless every parameter is one positive number."""
        for name, value in self.get_params(deep=False).items():
            if np.ndim(value) or not 0.0 < value < np.inf:
                raise ValueError(f"{type(self).__name__}: {name}={value!r}; give one positive number.")


class _Scaled(BoundaryWeight):
    """Base class of the functions of a t, with a rate a in inverse units of X."""

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate


class Power(BoundaryWeight):
    """h(t) = t^power.

    Parameters
    ----------
    power : float, default=1.0
        k, positive.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Power
    >>> Power(2.0).value_and_slope(np.array([0.0, 3.0]))
    (array([0., 9.]), array([0., 6.]))
    """

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def _value(self, t: ndarray) -> ndarray:
        return np.power(t, self.power, dtype=float)

    def _slope(self, t: ndarray) -> ndarray:
        return self.power * np.power(t, self.power - 1.0, dtype=float)


class LogPower(BoundaryWeight):
    """h(t) = log(1 + t)^power.

    Parameters
    ----------
    power : float, default=1.0
        k, positive.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import LogPower
    >>> LogPower(2.0).value_and_slope(np.array([0.0, np.e - 1.0]))
    (array([0., 1.]), array([0.        , 0.73575888]))
    """

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def _value(self, t: ndarray) -> ndarray:
        return np.log1p(t) ** self.power

    def _slope(self, t: ndarray) -> ndarray:
        finite = np.where(np.isinf(t), 0.0, t)
        return np.where(np.isinf(t), 0.0, self.power * np.log1p(finite) ** (self.power - 1.0) / (1.0 + finite))


class Arcsinh(_Scaled):
    """h(t) = arcsinh(a t).

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Arcsinh
    >>> Arcsinh().value_and_slope(np.array([0.0, np.inf]))
    (array([ 0., inf]), array([1., 0.]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return np.arcsinh(self.rate * t)

    def _slope(self, t: ndarray) -> ndarray:
        return self.rate / np.hypot(1.0, self.rate * t)


class Sinh(_Scaled):
    """h(t) = sinh(a t).

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Sinh
    >>> Sinh().value_and_slope(np.array([0.0, 1.0]))
    (array([0.        , 1.17520119]), array([1.        , 1.54308063]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return np.sinh(self.rate * t)

    def _slope(self, t: ndarray) -> ndarray:
        return self.rate * np.cosh(self.rate * t)


class Cosh(_Scaled):
    """h(t) = cosh(a t) − 1.

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Cosh
    >>> Cosh().value_and_slope(np.array([0.0, 1.0]))
    (array([0.        , 0.54308063]), array([0.        , 1.17520119]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return 2.0 * np.sinh(0.5 * self.rate * t) ** 2

    def _slope(self, t: ndarray) -> ndarray:
        return self.rate * np.sinh(self.rate * t)


class Expm1(_Scaled):
    """h(t) = exp(a t) − 1.

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Expm1
    >>> Expm1().value_and_slope(np.array([0.0, 1.0]))
    (array([0.        , 1.71828183]), array([1.        , 2.71828183]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return np.expm1(self.rate * t)

    def _slope(self, t: ndarray) -> ndarray:
        return self.rate * np.exp(self.rate * t)


class Softplus(_Scaled):
    """h(t) = log((1 + exp(a t))/2).

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Softplus
    >>> Softplus().value_and_slope(np.array([0.0, 1.0]))
    (array([0.        , 0.62011451]), array([0.5       , 0.73105858]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return np.logaddexp(0.0, self.rate * t) - np.log(2.0)

    def _slope(self, t: ndarray) -> ndarray:
        return self.rate * expit(self.rate * t)


class Tanh(_Scaled):
    """h(t) = tanh(a t).

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Tanh
    >>> Tanh().value_and_slope(np.array([0.0, np.inf]))
    (array([0., 1.]), array([1., 0.]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return np.tanh(self.rate * t)

    def _slope(self, t: ndarray) -> ndarray:
        angle = 2.0 * self.rate * t
        return 4.0 * self.rate * expit(angle) * expit(-angle)  # 1/cosh², without the cancellation of 1 − tanh²


class TruncatedSine(_Scaled):
    """h(t) = sin(a t) for a t ≤ π/2, then 1.

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import TruncatedSine
    >>> TruncatedSine().value_and_slope(np.array([0.0, np.inf]))
    (array([0., 1.]), array([1., 0.]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return np.sin(np.minimum(self.rate * t, 0.5 * np.pi))

    def _slope(self, t: ndarray) -> ndarray:
        angle = np.minimum(self.rate * t, 0.5 * np.pi)
        return np.where(angle < 0.5 * np.pi, self.rate * np.cos(angle), 0.0)


class TruncatedTangent(_Scaled):
    """h(t) = tan(a t) for a t ≤ π/4, then 1.

    Parameters
    ----------
    rate : float, default=1.0
        a, in inverse units of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import TruncatedTangent
    >>> TruncatedTangent().value_and_slope(np.array([0.0, np.inf]))
    (array([0., 1.]), array([1., 0.]))
    """

    def _value(self, t: ndarray) -> ndarray:
        return np.tan(np.minimum(self.rate * t, 0.25 * np.pi))

    def _slope(self, t: ndarray) -> ndarray:
        angle = np.minimum(self.rate * t, 0.25 * np.pi)
        return np.where(angle < 0.25 * np.pi, self.rate / np.cos(angle) ** 2, 0.0)


class MCP(BoundaryWeight):
    """h′(t) = (lam − t/gamma)₊: h is linear at first and constant for t ≥ gamma·lam.

    Parameters
    ----------
    lam : float, default=1.0
        Derivative at the boundary.
    gamma : float, default=5.0
        The larger it is, the slower the derivative decreases.

    References
    ----------
    Zhang, C.-H. (2010). Nearly unbiased variable selection under minimax concave penalty. Annals of Statistics, 38.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import MCP
    >>> MCP().value_and_slope(np.array([0.0, 1.0, np.inf]))
    (array([0. , 0.9, 2.5]), array([1. , 0.8, 0. ]))
    """

    def __init__(self, lam: float = 1.0, gamma: float = 5.0) -> None:
        self.lam = lam
        self.gamma = gamma

    def _value(self, t: ndarray) -> ndarray:
        t = np.minimum(t, self.gamma * self.lam)
        return self.lam * t - t**2 / (2.0 * self.gamma)

    def _slope(self, t: ndarray) -> ndarray:
        return np.maximum(self.lam - t / self.gamma, 0.0)


class SCAD(BoundaryWeight):
    """h′(t) = min{lam, (gamma·lam − t)₊/(gamma − 1)}: h is linear for t ≤ lam and constant for t ≥ gamma·lam.

    Parameters
    ----------
    lam : float, default=1.0
        Derivative at the boundary, and the distance up to which it is constant.
    gamma : float, default=3.0
        Larger than 1; the larger it is, the slower the derivative decreases.

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

    def __init__(self, lam: float = 1.0, gamma: float = 3.0) -> None:
        self.lam = lam
        self.gamma = gamma

    def check(self, d: int) -> None:
        """Raise a ValueError unless lam > 0 and gamma > 1."""
        super().check(d)
        if self.gamma <= 1.0:
            raise ValueError(f"SCAD: gamma={self.gamma!r}; give a number larger than 1.")

    def _value(self, t: ndarray) -> ndarray:
        t = np.minimum(t, self.gamma * self.lam)
        # lam·t less the integral of the decrease of the derivative beyond lam
        return self.lam * t - np.maximum(t - self.lam, 0.0) ** 2 / (2.0 * (self.gamma - 1.0))

    def _slope(self, t: ndarray) -> ndarray:
        return np.minimum(self.lam, np.maximum(self.gamma * self.lam - t, 0.0) / (self.gamma - 1.0))


WEIGHTS: dict[str, type[BoundaryWeight]] = {
    "power": Power,
    "log_power": LogPower,
    "mcp": MCP,
    "scad": SCAD,
    "arcsinh": Arcsinh,
    "sinh": Sinh,
    "cosh": Cosh,
    "expm1": Expm1,
    "softplus": Softplus,
    "tanh": Tanh,
    "truncated_sine": TruncatedSine,
    "truncated_tangent": TruncatedTangent,
}


def resolve(weight: str | BoundaryWeight) -> BoundaryWeight:
    """Return the weight of this name with default parameters; an object is returned as it is."""
    return WEIGHTS[weight]() if isinstance(weight, str) else weight
