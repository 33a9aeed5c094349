"""The only door to scikit-learn interfaces that are private or differ between its versions."""

from __future__ import annotations

from sklearn.base import _fit_context as fit_context
from sklearn.utils._array_api import get_namespace
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions, validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, _num_samples, validate_data

try:  # scikit-learn ≥ 1.9
    from sklearn.utils._array_api import check_same_namespace as _check_same_namespace
except ImportError:
    _check_same_namespace = None

try:  # scikit-learn ≥ 1.9
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in where scikit-learn has no callbacks."""


__all__ = [
    "CallbackSupportMixin",
    "FitCallbacks",
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "check_same_namespace",
    "check_sample_weight",
    "fit_context",
    "get_namespace",
    "n_rows",
    "validate_data",
    "validate_parameters",
]


n_rows = _num_samples


def check_sample_weight(sample_weight, X):
    """Non-negative row weights of shape (n_samples,), not all zero; None where none were given."""
    if sample_weight is None:
        return None
    xp, _ = get_namespace(X)
    weight = _check_sample_weight(sample_weight, X, dtype=xp.float64, ensure_non_negative=True)
    if not float(xp.sum(weight)) > 0.0:
        raise ValueError("sample_weight is zero for every row: at least one row needs a positive weight.")
    return weight


def check_same_namespace(X, estimator, attribute, method):
    """Raise unless X lives in the namespace and on the device that `attribute` was fitted in."""
    if _check_same_namespace is not None:
        _check_same_namespace(X, estimator, attribute=attribute, method=method)


def validate_parameters(holder):
    """Check the parameters of `holder` against its `_parameter_constraints`, if it declares any."""
    constraints = getattr(holder, "_parameter_constraints", None)
    if constraints is not None:
        validate_parameter_constraints(constraints, holder.get_params(deep=False), type(holder).__name__)


class FitCallbacks:
    """The callbacks of one fit: a task for the fit, and one for each round of it. Without any, it does nothing.

    Parameters
    ----------
    estimator : CallbackSupportMixin
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    most_rounds : int
        Rounds at most.
    """

    def __init__(self, estimator, X, most_rounds):
        self.estimator, self.X, self.context = estimator, X, None
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=most_rounds)
            self.context.call_on_fit_task_begin(estimator=estimator, X=X)

    def round(self, attributes):
        """End a round; `attributes()` gives the fitted attributes so far. Whether to stop."""
        if self.context is None:
            return False
        task = self.context.subcontext(task_name="round")
        task.call_on_fit_task_begin(estimator=self.estimator, X=self.X)
        # scikit-learn scores nothing without targets: those of a density are the rows themselves
        return task.call_on_fit_task_end(
            estimator=self.estimator, X=self.X, y=self.X, reconstruction_attributes=attributes
        )

    def end(self):
        """End the fit."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator, X=self.X)
