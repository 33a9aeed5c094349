r"""Metrics of scores, densities and samplers, given as callables, arrays or fitted estimators.

Let :math:`p` be the density of the rows of X and :math:`s = \nabla_x \log q` the score of a model. Score metrics
estimate

.. math:: \tfrac12 E_p\|s - \nabla\log p\|^2 = E_p[\tfrac12\|s\|^2 + \nabla\cdot s] + \tfrac12 E_p\|\nabla\log p\|^2 ,

the Fisher divergence with the factor ½ of Hyvärinen (2005), eq. 2. If the true score is known it is the left side
(:func:`fisher_divergence`); otherwise the right side without the last term, which does not depend on the model
(:func:`hyvarinen_score`; :func:`sliced_score` along random directions). The units are those of 1/X².

:func:`energy_distance` and :func:`classifier_two_sample_auc` compare two samples. The scorers are for ``scoring=`` in
scikit-learn's searches, so that larger is better.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.utils import check_array, gen_batches

from ._compat import RowScorer, check_numpy, get_namespace
from .formulas import score_losses

__all__ = [
    "classifier_two_sample_auc",
    "energy_distance",
    "fisher_divergence",
    "hyvarinen_score",
    "hyvarinen_scorer",
    "log_likelihood_scorer",
    "sliced_score",
]

_CBRT_EPS = np.cbrt(np.finfo(float).eps)  # balances the truncation and the rounding of a central difference
_BLOCK = 2**22  # distances in memory at a time: 32 MiB
_DIRECTIONS = {
    "rademacher": lambda rng, shape: rng.choice((-1.0, 1.0), shape),
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
}


def hyvarinen_score(
    score: Callable[[ndarray], ndarray],
    X: ArrayLike,
    *,
    divergence: Callable[[ndarray], ndarray] | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute the mean Hyvärinen score ½‖s‖² + ∇·s of the rows; smaller is better.

    Parameters
    ----------
    score : callable (n, d) -> (n, d)
        Score s = ∇ₓ log q of the model in float64, such as the method ``grad_log_density`` of a fitted density.
    X : array-like of shape (n_samples, n_features)
        Rows that were not used to fit the model.
    divergence : callable (n, d) -> (n,), default=None
        ∇·s. None means central differences along every coordinate, with 2 n_features calls of `score` and steps of
        about 6e-6 times the interquartile range of the column; for affine scores they are exact up to rounding.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; a weight of k counts as k equal rows.

    Returns
    -------
    float
        In the units of 1/X²: comparable only between models of the same columns.

    References
    ----------
    A. Hyvärinen (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, eq. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import hyvarinen_score
    >>> X = np.array([[0.0, 2.0], [0.0, 0.0]])
    >>> round(hyvarinen_score(lambda X: -X, X), 6)  # N(0, I): ½‖x‖² − 2
    -1.0
    """
    X = _rows("X", X)
    _check_callable("score", score)
    s = _values("score", score, X, X.shape)
    div = _central_divergence(score, X) if divergence is None else _values("divergence", divergence, X, X.shape[:1])
    return _mean(score_losses.implicit(s, div), sample_weight)


def fisher_divergence(
    score_true: Callable[[ndarray], ndarray] | ArrayLike,
    score_model: Callable[[ndarray], ndarray] | ArrayLike,
    X: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute the mean ½‖s_true − s_model‖² over the rows; smaller is better, and 0 means equal scores.

    The factor ½ is that of Hyvärinen (2005), eq. 2; without it the number would be twice as large.

    Parameters
    ----------
    score_true, score_model : callable (n, d) -> (n, d), or array-like of shape (n_samples, n_features)
        Scores ∇ₓ log p, or their values at the rows of X.
    X : array-like of shape (n_samples, n_features)
        Rows to average over. If they are draws of the true density, the mean is the Fisher divergence from it.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; a weight of k counts as k equal rows.

    Returns
    -------
    float
        In the units of 1/X².

    References
    ----------
    A. Hyvärinen (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import fisher_divergence
    >>> X = np.array([[0.5], [1.5]])
    >>> fisher_divergence(lambda X: -X, lambda X: 1 - X, X)  # N(0, 1) against N(1, 1): half the squared shift
    0.5
    """
    X = _rows("X", X)
    s_true = _values("score_true", score_true, X, X.shape)
    s_model = _values("score_model", score_model, X, X.shape)
    return _mean(score_losses.explicit(s_model, s_true), sample_weight)


def sliced_score(
    score: Callable[[ndarray], ndarray],
    X: ArrayLike,
    *,
    n_projections: int = 1,
    distribution: str = "rademacher",
    variance_reduced: bool = True,
    random_state: int | np.random.Generator | None = None,
) -> float:
    r"""Compute the mean Hyvärinen score along random directions v, ½(vᵀs)² + vᵀ∇s v; smaller is better.

    As E[vvᵀ] = I, its expectation over v is :func:`hyvarinen_score`. It needs 2 calls of `score` per projection instead
    of 2 n_features.

    Parameters
    ----------
    score : callable (n, d) -> (n, d)
        Score s = ∇ₓ log q of the model in float64; its derivative along v is a central difference.
    X : array-like of shape (n_samples, n_features)
        Rows that were not used to fit the model.
    n_projections : int, default=1
        Number of directions for each row.
    distribution : {"rademacher", "gaussian"}, default="rademacher"
        Distribution of v: independent signs, or N(0, I).
    variance_reduced : bool, default=True
        Replace ½(vᵀs)² by its expectation ½‖s‖². With Gaussian v and few columns this may increase the variance, since
        near the true score the two terms compensate each other.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the directions. With None every call draws new ones.

    Returns
    -------
    float
        In the units of 1/X².

    References
    ----------
    Y. Song, S. Garg, J. Shi & S. Ermon (2019). Sliced score matching. UAI, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import sliced_score
    >>> X = np.array([[0.0, 2.0], [0.0, 0.0]])
    >>> round(sliced_score(lambda X: -X, X, random_state=0), 6)  # signs find the trace of a diagonal ∇s exactly
    -1.0
    """
    X = _rows("X", X)
    _check_callable("score", score)
    if not isinstance(n_projections, Integral) or n_projections < 1:
        raise ValueError(f"n_projections={n_projections!r}; give an integer >= 1.")
    if distribution not in _DIRECTIONS:
        raise ValueError(f"distribution={distribution!r}; choose one of {', '.join(map(repr, _DIRECTIONS))}.")
    rng = np.random.default_rng(random_state)
    s, scale = _values("score", score, X, X.shape), _length_scale(X)
    total = 0.0
    for v in (_DIRECTIONS[distribution](rng, X.shape) for _ in range(n_projections)):
        c = _curvature(score, X, v, scale)
        row = score_losses.sliced_variance_reduced(s, c) if variance_reduced else score_losses.sliced(s, c, v)
        total += float(np.mean(row))
    return total / n_projections


def energy_distance(X: ArrayLike, Y: ArrayLike) -> float:
    r"""Compute the energy distance 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ of two samples.

    The means are over all pairs, including those of a row with itself (the V-statistic). It is non-negative up to
    rounding, 0 for equal samples, and of order 1/n for two samples of one distribution;
    :func:`scipy.stats.energy_distance` is its square root. Distances are Euclidean in the units of the table, so that
    the widest columns dominate: standardise a table with mixed units.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        First sample.
    Y : array-like of shape (m_samples, n_features)
        Second sample.

    Returns
    -------
    float
        In the units of X. It is computed in blocks, so that memory does not grow with n_samples × m_samples.

    References
    ----------
    G. J. Székely & M. L. Rizzo (2013). Energy statistics. J. Statist. Plann. Inference 143, section 6.

    Examples
    --------
    >>> from skscore.metrics import energy_distance
    >>> energy_distance([[0.0], [1.0]], [[3.0], [4.0]])  # 2·3 − ½ − ½
    5.0
    """
    X, Y = _two_samples(X, Y)
    return 2 * _mean_distance(X, Y) - _mean_distance(X, X) - _mean_distance(Y, Y)


def classifier_two_sample_auc(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    classifier: Any = None,
    cv: Any = 5,
    random_state: int | np.random.Generator | None = None,
) -> float:
    """Compute the cross-validated ROC AUC of a classifier of X against Y; 0.5 means that it cannot tell them apart.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        First sample, such as held-out rows.
    Y : array-like of shape (m_samples, n_features)
        Second sample, such as draws of a density. Rows that are in both samples reduce the value below 0.5.
    classifier : classifier, default=None
        With ``predict_proba`` or ``decision_function``. None is a seeded ``HistGradientBoostingClassifier``.
    cv : int or cross-validation splitter, default=5
        An int is the number of shuffled, stratified folds.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the folds and of the default classifier.

    Returns
    -------
    float
        Mean over the folds.

    References
    ----------
    D. Lopez-Paz & M. Oquab (2017). Revisiting classifier two-sample tests. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skscore.metrics import classifier_two_sample_auc
    >>> X = np.arange(20.0)[:, None]
    >>> classifier_two_sample_auc(X, X + 100, classifier=LogisticRegression(), random_state=0)
    1.0
    """
    X, Y = _two_samples(X, Y)
    fold_seed, classifier_seed = (int(seed) for seed in np.random.default_rng(random_state).integers(2**31, size=2))
    if classifier is None:
        classifier = HistGradientBoostingClassifier(random_state=classifier_seed)
    if isinstance(cv, Integral):
        cv = StratifiedKFold(cv, shuffle=True, random_state=fold_seed)
    origin = np.repeat([0, 1], [len(X), len(Y)])
    return float(np.mean(cross_val_score(classifier, np.vstack([X, Y]), origin, scoring="roc_auc", cv=cv)))


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
    return _mean(_method(estimator, "score_samples", remedy)(X), sample_weight)


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
    return -_mean(_method(estimator, "hyvarinen_score", remedy)(X, standardize=True), sample_weight)


def _length_scale(X: ndarray) -> ndarray:
    """Return the length over which the density of each column varies, shape (d,)."""
    low, high = np.quantile(X, [0.25, 0.75], axis=0)
    spread, extent, size = high - low, np.ptp(X, axis=0), np.abs(X).max(axis=0)
    scale = np.select([spread > 0, extent > 0, size > 0], [spread, extent, size], default=1.0)
    return np.maximum(scale, 2 * _CBRT_EPS**2 * size)  # so that a step is never lost in the last digit of x


def _curvature(score: Callable[[ndarray], ndarray], X: ndarray, v: ndarray, scale: ndarray) -> ndarray:
    """Return v'∇s v of each row as v'(s(x + hv) − s(x − hv)) / 2h; `v` of shape (d,) or (n, d)."""
    h = _CBRT_EPS / np.linalg.norm(v / scale, axis=-1, keepdims=True)
    h = np.exp2(np.round(np.log2(h)))  # a power of two, so that x ± hv is exact along coordinates and signs
    rise = np.subtract(score(X + h * v), score(X - h * v))
    return (v * rise).sum(axis=-1) / (2 * h[..., 0])


def _central_divergence(score: Callable[[ndarray], ndarray], X: ndarray) -> ndarray:
    """Return ∇·s of each row, the sum of the curvatures along the coordinates, without an (n, d, d) array."""
    scale, divergence = _length_scale(X), np.zeros(len(X))
    for e in np.eye(X.shape[1]):
        divergence += _curvature(score, X, e, scale)
    return divergence


def _mean_distance(X: ndarray, Y: ndarray) -> float:
    """Return the mean of ‖x − y‖ over all pairs; cdist subtracts first, and loses no digits at large offsets."""
    batches = gen_batches(len(X), max(1, _BLOCK // len(Y)))
    return sum(float(cdist(X[rows], Y).sum()) for rows in batches) / (len(X) * len(Y))


def _mean(values: ArrayLike, sample_weight: ArrayLike | None) -> float:
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


def _check_callable(name: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(f"{name} is of type {type(function).__name__}; give a function of X.")


def _values(name: str, function: Any, X: ndarray, shape: tuple[int, ...]) -> ndarray:
    """Return values at X, from a callable or an array."""
    if callable(function):
        values = np.asarray(function(X), dtype=np.float64)
    else:
        values = check_numpy(function, dtype=np.float64, ensure_2d=False, input_name=name)
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape} at X of shape {X.shape}; it must have shape {shape}.")
    return values


def _rows(name: str, X: ArrayLike) -> ndarray:
    """Return X as a float64 array (n, d) after scikit-learn's checks."""
    return check_numpy(X, dtype=np.float64, input_name=name)


def _two_samples(X: ArrayLike, Y: ArrayLike) -> tuple[ndarray, ndarray]:
    X = _rows("X", X)
    Y = _rows("Y", Y)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"X has {X.shape[1]} columns and Y has {Y.shape[1]}; give two samples of the same columns.")
    return X, Y


def _method(estimator: Any, name: str, remedy: str) -> Callable[..., ArrayLike]:
    if not hasattr(estimator, name):
        raise ValueError(f"estimator={type(estimator).__name__} has no method {name}; {remedy}.")
    return getattr(estimator, name)
