"""scikit-learn interfaces that are private or differ between its versions; no other file imports them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import update_wrapper
from inspect import signature
from typing import Any, Self, TypeVar

import narwhals as nw
import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils import check_array
from sklearn.utils._array_api import _convert_to_numpy, _is_numpy_namespace, device
from sklearn.utils._array_api import get_namespace as _get_namespace
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions, validate_parameter_constraints
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import _check_method_params, _check_sample_weight, _num_samples
from sklearn.utils.validation import validate_data as _validate_data

try:  # scikit-learn ≥ 1.9
    from sklearn.utils._array_api import check_same_namespace as _check_same_namespace
except ImportError:
    _check_same_namespace = None

try:  # scikit-learn ≥ 1.9
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replacement for versions of scikit-learn without callbacks."""


__all__ = [
    "CallbackSupportMixin",
    "FitCallbacks",
    "HasMethods",
    "Interval",
    "Options",
    "RowScorer",
    "StrOptions",
    "beside",
    "check_columns",
    "check_numpy",
    "check_same_namespace",
    "check_sample_weight",
    "computed",
    "draws_of",
    "fit_context",
    "get_namespace",
    "has_own_requests",
    "is_lazy",
    "is_numpy",
    "is_on_cpu",
    "metadata_of_rows",
    "n_rows",
    "native_frame",
    "routed_metadata",
    "to_numpy",
    "validate_data",
    "validate_numpy",
    "validate_parameters",
]


n_rows = _num_samples
Method = TypeVar("Method", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Return scikit-learn's decorator of fit methods, which validates the parameters of the estimator."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def check_sample_weight(sample_weight: ArrayLike | None, X: Any) -> Any:
    """Return non-negative row weights of shape (n_samples,), not all zero; None if none were given."""
    if sample_weight is None:
        return None
    xp, _ = get_namespace(X)
    weight = _check_sample_weight(sample_weight, X, dtype=xp.float64, ensure_non_negative=True)
    if not float(xp.sum(weight)) > 0.0:
        raise ValueError("sample_weight is zero for every row: at least one row needs a positive weight.")
    return weight


def native_frame(X: Any) -> Any:
    """Return a frame whose column names scikit-learn reads, that behind one of narwhals; dask computes its own."""
    X = nw.to_native(X, pass_through=True)
    return computed(X)


def computed(X: Any) -> Any:
    """Return what dask computes of a collection, and all else as it is."""
    return X.compute() if is_lazy(X) else X


def is_lazy(X: Any) -> bool:
    """Return whether X is a collection of dask, or a narwhals frame of one."""
    return hasattr(type(nw.to_native(X, pass_through=True)), "__dask_graph__")


def draws_of(density: Any, n_samples: int, random_state: Any) -> Any:
    """Return draws of a density as its `sample` gives them, a frame or an array, seeded if it takes a seed."""
    seeded = {"random_state": random_state} if "random_state" in signature(density.sample).parameters else {}
    drawn = density.sample(n_samples, **seeded)
    return drawn[0] if isinstance(drawn, tuple) else drawn  # a GaussianMixture tells the components, too


def validate_data(estimator: BaseEstimator, X: Any, *y: Any, **checks: Any) -> Any:
    """Return rows, with targets if there are any, after scikit-learn's ``validate_data``."""
    return _validate_data(estimator, native_frame(X), *y, **checks)


def check_columns(estimator: BaseEstimator, X: Any) -> None:
    """Raise a ValueError if the columns of X, of which no row is read, are not those seen in fit."""
    _validate_data(estimator, X, reset=False, skip_check_array=True)


def check_numpy(array: Any, *, input_name: str = "X", **checks: Any) -> Any:
    """Return an array of numpy after ``check_array``; a TypeError if array API dispatch would keep it another one."""
    _refuse_other_libraries(array, input_name)
    return check_array(array, input_name=input_name, **checks)


def validate_numpy(estimator: BaseEstimator, X: Any, *y: Any, **checks: Any) -> Any:
    """Return rows, with targets if there are any, after ``validate_data``; a TypeError as that of `check_numpy`."""
    for array, name in zip((X, *y), "Xy", strict=False):
        _refuse_other_libraries(array, name)
    return validate_data(estimator, X, *y, **checks)


def _refuse_other_libraries(array: Any, name: str) -> None:
    if not is_numpy(array):
        raise TypeError(
            f"{name} is a {type(array).__module__}.{type(array).__name__}, and what was called computes in numpy. Give "
            f"numpy.asarray({name}), if it lies on a GPU of a copy on the CPU; or take ScoreMatchingDensity with a "
            "Gaussian, polynomial or kernel model, which sum up rows in their own library."
        )


# ---- arrays of other libraries -------------------------------------------------------------------


_namespaces: dict[tuple[type, bool], Any] = {}


def get_namespace(array: Any) -> Any:
    """Return the library of an array, as scikit-learn's ``get_namespace``, which takes 0.1 ms and here finds it once.

    Returns
    -------
    module
        numpy if array API dispatch is off.
    bool
        Whether the library keeps the standard.
    """
    key = type(array), get_config()["array_api_dispatch"]
    if key not in _namespaces:
        _namespaces[key] = _get_namespace(array)
    return _namespaces[key]


def is_numpy(array: Any) -> bool:
    """Whether an array is numpy's, or is read as numpy's since array-API dispatch is off."""
    return _is_numpy_namespace(get_namespace(array)[0])


def is_on_cpu(array: Any) -> bool:
    """Whether an array of any library lies in the memory of the CPU."""
    return "cpu" in str(array.device).lower()


def to_numpy(array: Any) -> Any:
    """Return an array of any library and device as one of numpy; None stays None."""
    return None if array is None else _convert_to_numpy(array, get_namespace(array)[0])


def beside(X: Any, array: Any) -> Any:
    """Return an array of numpy as one of the library of X, on its device; as it is if X is numpy's."""
    xp, _ = get_namespace(X)
    return array if _is_numpy_namespace(xp) else xp.asarray(array, device=device(X), copy=True)


def check_same_namespace(X: Any, estimator: BaseEstimator, attribute: str, method: str) -> None:
    """Raise an error unless X has the array namespace and device of the fitted `attribute`."""
    if _check_same_namespace is not None:
        _check_same_namespace(X, estimator, attribute=attribute, method=method)


def validate_parameters(holder: BaseEstimator) -> None:
    """Check the parameters of `holder` against its `_parameter_constraints`, if it has any."""
    constraints = getattr(holder, "_parameter_constraints", None)
    if constraints is not None:
        validate_parameter_constraints(constraints, holder.get_params(deep=False), type(holder).__name__)


# ---- metadata ------------------------------------------------------------------------------------


def has_own_requests(estimator: BaseEstimator) -> bool:
    """Whether metadata were requested for the estimator itself, by ``set_fit_request`` and the like."""
    return hasattr(estimator, "_metadata_request")


def routed_metadata(router: BaseEstimator, method: str, sample_weight: Any, metadata: dict[str, Any]) -> Any:
    """Return the metadata that each part of a router requests, by part and method; None if weights go to all parts.

    They do if routing is not enabled, or the router itself requests them. A ValueError if there are other metadata.
    """
    if _routing_enabled() and not has_own_requests(router):
        given = {"sample_weight": sample_weight, **metadata}
        return process_routing(router, method, **{name: value for name, value in given.items() if value is not None})
    if metadata:
        raise ValueError(
            f"{type(router).__name__}.{method} takes no {', '.join(metadata)}: only with metadata routing, which "
            "sklearn.set_config enables, do other metadata than sample_weight reach the parts that request them."
        )
    return None


def metadata_of_rows(X: Any, metadata: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """Return the metadata of these rows of X, and as they are those that are not one for each row."""
    return _check_method_params(X, metadata, indices=rows)


class RowScorer(_BaseScorer):
    """A function of a fitted density and of rows without targets as a scorer, to which metadata can be routed.

    Parameters
    ----------
    function : callable
        Of ``(estimator, X, y=None, sample_weight=None)``; the scorer takes its name in its module.
    response_method : str
        The method of the estimator that the function calls.
    """

    def __init__(self, function: Callable[..., float], response_method: str) -> None:
        super().__init__(function, 1, {}, response_method)
        update_wrapper(self, function)
        function.__qualname__ += "._score_func"  # where pickle finds the function

    def __repr__(self) -> str:
        return self.__name__

    def __call__(self, estimator: Any, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Return the score of the rows; larger is better."""
        return self._score_func(estimator, X, y, sample_weight)

    def _score(self, method_caller, estimator, X, y_true=None, **metadata):
        """Return the score, as scikit-learn asks for it if there are several scorers."""
        return self._score_func(estimator, X, y_true, **metadata)

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Return a copy of the scorer that requests metadata, ``sample_weight=True``; this one stays as it is."""
        return super(RowScorer, copy(self)).set_score_request(**requests)


# ---- callbacks -----------------------------------------------------------------------------------


class FitCallbacks:
    """The callbacks of one fit: a task for the fit and one for each round. Without callbacks it does nothing.

    Parameters
    ----------
    estimator : CallbackSupportMixin
    X : array-like of shape (n_samples, n_features)
        Training rows.
    max_rounds : int or None
        Maximal number of rounds; None if it is not known.
    """

    def __init__(self, estimator: Any, X: Any, max_rounds: int | None) -> None:
        self.estimator, self.X = estimator, X
        self.context: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=max_rounds)
            self.context.call_on_fit_task_begin(estimator=estimator, X=X)

    def round(self, attributes: Callable[[], dict[str, Any]] | None = None) -> bool:
        """End a round, with the fitted attributes of `attributes()`, if any; return whether to stop."""
        if self.context is None:
            return False
        task = self.context.subcontext(task_name="round")
        task.call_on_fit_task_begin(estimator=self.estimator, X=self.X)
        # scikit-learn computes no score without targets: those of a density are the rows themselves
        return bool(
            task.call_on_fit_task_end(
                estimator=self.estimator, X=self.X, y=self.X, reconstruction_attributes=attributes
            )
        )

    def end(self) -> None:
        """End the fit."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator, X=self.X)
