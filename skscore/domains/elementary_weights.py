r"""Weights h of generalised score matching: functions of the distance t of a row to the boundary, along a coordinate.

They vanish on the boundary and rise from it, so that the boundary term of the integration by parts is zero (Yu, Drton &
Shojaie, 2019, 2022). A bounded weight also serves a coordinate without a boundary, where t = ∞; ``Capped`` makes any
bounded.

================  =====================================  =================
weight            h(t)                                   least upper bound
================  =====================================  =================
Identity          :math:`t`                              ∞
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
================  =====================================  =================

At a kink the slope is that of the far side.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator

__all__ = [
    "Arcsinh",
    "BoundaryWeight",
    "Cosh",
    "Expm1",
    "Identity",
    "LogPower",
    "Power",
    "Sinh",
    "Softplus",
    "Tanh",
    "TruncatedSine",
    "TruncatedTangent",
]


class BoundaryWeight(BaseEstimator):
    """A weight; members write down `_value`, h(t), and `_slope`, h′(t), for distances 0 ≤ t ≤ ∞."""

    def value_and_slope(self, distance):
        """h and h′ at each distance, with their limits at ∞, both in the shape of `distance`."""
        with np.errstate(over="ignore", divide="ignore"):  # infinite limits are meant
            return self._value(distance), self._slope(distance)

    def fitted(self, distance, sample_weight=None) -> BoundaryWeight:
        """The weight with what it takes from the distances (n, d) of the training rows; most take nothing."""
        return self

    def check(self, d):
        """Raise a ValueError unless every parameter is one positive number."""
        for name, value in self.get_params(deep=False).items():
            if np.ndim(value) or not 0.0 < value < np.inf:
                raise ValueError(f"{type(self).__name__}: {name}={value!r}; give one positive number.")


class _Scaled(BoundaryWeight):
    """A weight of the distance times a rate a, in inverse units of X."""

    def __init__(self, rate=1.0):
        self.rate = rate


class Identity(BoundaryWeight):
    """h(t) = t.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.domains import Identity
    >>> Identity().value_and_slope(np.array([0.0, 2.0]))
    (array([0., 2.]), array([1., 1.]))
    """

    def _value(self, t):
        return np.asarray(t, dtype=float)

    def _slope(self, t):
        return np.ones_like(t, dtype=float)


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

    def __init__(self, power=1.0):
        self.power = power

    def _value(self, t):
        return np.power(t, self.power, dtype=float)

    def _slope(self, t):
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

    def __init__(self, power=1.0):
        self.power = power

    def _value(self, t):
        return np.log1p(t) ** self.power

    def _slope(self, t):
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

    def _value(self, t):
        return np.arcsinh(self.rate * t)

    def _slope(self, t):
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

    def _value(self, t):
        return np.sinh(self.rate * t)

    def _slope(self, t):
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

    def _value(self, t):
        return 2.0 * np.sinh(0.5 * self.rate * t) ** 2

    def _slope(self, t):
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

    def _value(self, t):
        return np.expm1(self.rate * t)

    def _slope(self, t):
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

    def _value(self, t):
        return np.logaddexp(0.0, self.rate * t) - np.log(2.0)

    def _slope(self, t):
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

    def _value(self, t):
        return np.tanh(self.rate * t)

    def _slope(self, t):
        angle = 2.0 * self.rate * t
        return 4.0 * self.rate * expit(angle) * expit(-angle)  # 1/cosh², without the cancellation of 1 − tanh²


class TruncatedSine(_Scaled):
    """h(t) = sin(a t) up to its crest at a t = π/2, then 1.

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

    def _value(self, t):
        return np.sin(np.minimum(self.rate * t, 0.5 * np.pi))

    def _slope(self, t):
        angle = np.minimum(self.rate * t, 0.5 * np.pi)
        return np.where(angle < 0.5 * np.pi, self.rate * np.cos(angle), 0.0)


class TruncatedTangent(_Scaled):
    """h(t) = tan(a t) up to a t = π/4, then 1.

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

    def _value(self, t):
        return np.tan(np.minimum(self.rate * t, 0.25 * np.pi))

    def _slope(self, t):
        angle = np.minimum(self.rate * t, 0.25 * np.pi)
        return np.where(angle < 0.25 * np.pi, self.rate / np.cos(angle) ** 2, 0.0)
