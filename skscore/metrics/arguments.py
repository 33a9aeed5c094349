"""What metrics take: rows, values at them as a function or an array, weights, methods of an estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from .._compat import check_numpy, get_namespace

__all__ = ["check_callable", "mean_of", "method_of", "rows_of", "values_at"]


def rows_of(name: str, X: ArrayLike) -> ndarray:
    """Return X as a float64 array (n, d) after scikit-learn's checks."""
    return check_numpy(X, dtype=np.float64, input_name=name)


def values_at(name: str, function: Any, X: ndarray, shape: tuple[int, ...]) -> ndarray:
    """Return values at X, from a callable or an array."""
    if callable(function):
        values = np.asarray(function(X), dtype=np.float64)
    else:
        values = check_numpy(function, dtype=np.float64, ensure_2d=False, input_name=name)
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape} at X of shape {X.shape}; it must have shape {shape}.")
    return values


def check_callable(name: str, function: Any) -> None:
    """Raise a TypeError that names the argument if it is no function."""
    if not callable(function):
        raise TypeError(f"{name} is of type {type(function).__name__}; give a function of X.")


def method_of(estimator: Any, name: str, remedy: str) -> Callable[..., ArrayLike]:
    """Return the method of an estimator; a ValueError with the remedy if it has none."""
    if not hasattr(estimator, name):
        raise ValueError(f"estimator={type(estimator).__name__} has no method {name}; {remedy}.")
    return getattr(estimator, name)


def mean_of(values: ArrayLike, sample_weight: ArrayLike | None) -> float:
    """Return the weighted mean; rows of weight 0 are dropped, even if their value is infinite."""
    xp, _ = get_namespace(values)
    each = xp.asarray(values, dtype=xp.float64)
    if sample_weight is None:
        return float(xp.mean(each))
    weight = xp.asarray(_checked_weight(sample_weight, each.shape[0]), device=getattr(each, "device", None))
    present = weight > 0
    return float(xp.sum(weight[present] * each[present]) / xp.sum(weight))


def _checked_weight(sample_weight: ArrayLike, n: int) -> ndarray:
    xp, _ = get_namespace(sample_weight)
    weight = check_array(sample_weight, dtype=xp.float64, ensure_2d=False, input_name="sample_weight")
    if weight.shape != (n,):
        raise ValueError(f"sample_weight has shape {weight.shape}; give one weight for each of the {n} rows of X.")
    if weight.min() < 0 or weight.max() == 0:
        raise ValueError(f"sample_weight lies in [{weight.min():g}, {weight.max():g}]; give weights >= 0, not all 0.")
    return weight
