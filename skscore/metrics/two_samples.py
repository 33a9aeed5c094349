"""Metrics of two samples: their energy distance, and whether a classifier can tell them apart."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.utils import gen_batches

from .arguments import rows_of

__all__ = ["classifier_two_sample_auc", "cross_validated_auc", "energy_distance"]

_BLOCK = 2**22  # distances in memory at a time: 32 MiB


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
    return cross_validated_auc(X, Y, classifier, cv, fold_seed)


def cross_validated_auc(X: ndarray, Y: ndarray, classifier: Any, cv: Any, seed: int) -> float:
    """Return the mean AUC over folds of a classifier of the rows of X against those of Y, whatever cells it takes."""
    if isinstance(cv, Integral):
        cv = StratifiedKFold(cv, shuffle=True, random_state=seed)
    origin = np.repeat([0, 1], [len(X), len(Y)])
    return float(np.mean(cross_val_score(classifier, np.vstack([X, Y]), origin, scoring="roc_auc", cv=cv)))


def _mean_distance(X: ndarray, Y: ndarray) -> float:
    """Return the mean of ‖x − y‖ over all pairs; cdist subtracts first, and loses no digits at large offsets."""
    batches = gen_batches(len(X), max(1, _BLOCK // len(Y)))
    return sum(float(cdist(X[rows], Y).sum()) for rows in batches) / (len(X) * len(Y))


def _two_samples(X: ArrayLike, Y: ArrayLike) -> tuple[ndarray, ndarray]:
    X = rows_of("X", X)
    Y = rows_of("Y", Y)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"X has {X.shape[1]} columns and Y has {Y.shape[1]}; give two samples of the same columns.")
    return X, Y
