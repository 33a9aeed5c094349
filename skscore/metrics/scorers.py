"""Scorers of densities for ``scoring=`` in scikit-learn's searches, so that larger is better."""

from __future__ import annotations

from functools import partial
from typing import Any

from numpy.typing import ArrayLike

from .._compat import RowScorer
from .arguments import mean_of, method_of

__all__ = ["hyvarinen_scorer", "log_likelihood_scorer"]


@partial(RowScorer, response_method="score_samples")
def log_likelihood_scorer(estimator: Any, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
    """Compute the weighted mean log-density of the rows, for ``scoring=``; larger is better.

    Parameters
    ----------
    estimator : fitted density
        Any estimator whose ``score_samples`` is a log-density in nats: the densities of skscore, ``KernelDensity``,
        ``GaussianMixture``, or a Pipeline that ends in one. The density of a Pipeline with a scaler is in scaled units;
        scalers can be compared only with ``TransformedDensity``.
    X : array-like of shape (n_samples, n_features)
        Held-out rows.
    y : object, default=None
        Ignored.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; a weight of k counts as k equal rows.

    Returns
    -------
    float
        Nats per row; -inf if a row of positive weight has density zero.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.neighbors import KernelDensity
    >>> from skscore.metrics import log_likelihood_scorer
    >>> X = np.random.default_rng(0).normal(size=(100, 1))
    >>> grid = {"bandwidth": [0.01, 0.3, 10.0]}
    >>> GridSearchCV(KernelDensity(), grid, scoring=log_likelihood_scorer).fit(X).best_params_
    {'bandwidth': 0.3}
    """
    remedy = "give a density that returns its log-density there, such as ScoreMatchingDensity or KernelDensity"
    return mean_of(method_of(estimator, "score_samples", remedy)(X), sample_weight)


@partial(RowScorer, response_method="hyvarinen_score")
def hyvarinen_scorer(estimator: Any, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
    """Compute minus the weighted mean of the estimator's Hyvärinen scores, for ``scoring=``; larger is better.

    Coordinates are weighted by their training variance (``standardize=True``), so that the order of two estimators does
    not depend on units.

    Parameters
    ----------
    estimator : fitted density
        With a method ``hyvarinen_score(X, standardize=True)`` of shape (n_samples,), as the densities of skscore have.
    X : array-like of shape (n_samples, n_features)
        Held-out rows.
    y : object, default=None
        Ignored.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; a weight of k counts as k equal rows.

    Returns
    -------
    float
        A number without units. It needs no normaliser, but does not depend on the weights of separated modes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from skscore.metrics import hyvarinen_scorer
    >>> class StandardNormal(BaseEstimator):
    ...     def hyvarinen_score(self, X, standardize=False):
    ...         return 0.5 * (X**2).sum(axis=1) - X.shape[1]
    >>> hyvarinen_scorer(StandardNormal(), np.array([[0.0, 2.0], [0.0, 0.0]]))
    1.0
    """
    remedy = "a Pipeline hides it: use TransformedDensity(density, transformer), or give a density of skscore itself"
    return -mean_of(method_of(estimator, "hyvarinen_score", remedy)(X, standardize=True), sample_weight)
