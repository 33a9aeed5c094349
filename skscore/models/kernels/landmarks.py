r"""Positions of kernels: k-means centres of the rows, and a bandwidth from the distances between rows.

Both see distinct rows in one order, with their weights. So the order of a table does not matter, and a weight of 2
is exactly a repeated row. Of a longer table they see a systematic sample: the rows at equally spaced quantiles of the
total weight in that order.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans

from ..folds import group_rows

__all__ = [
    "BANDWIDTHS",
    "ROWS_PER_LANDMARK",
    "distinct_rows",
    "least_bandwidth",
    "median_bandwidth",
    "place_landmarks",
    "thinned",
]

BANDWIDTHS = 1e-50, 1e50  # whose powers neither overflow nor vanish
ROWS_PER_LANDMARK = 30
MAX_ROUNDS = 30  # of Lloyd's algorithm, after which centres hardly move
ROWS_FOR_DISTANCES = 1000
ROUNDING = 1e-9  # of shares of the weight
DIGITS = 9  # of rows, relative to the greatest, by which k-means breaks its ties: the last ones depend on the machine


def distinct_rows(X, weight):
    """Distinct rows of X (n, d) of positive weight, by their distance from the origin, and their summed weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.landmarks import distinct_rows
    >>> distinct_rows(np.array([[2.0], [1.0], [2.0]]), None)
    (array([[1.],
           [2.]]), array([1., 2.]))
    """
    weight = np.ones(len(X)) if weight is None else weight
    X, weight = X[weight > 0.0], weight[weight > 0.0]
    group = group_rows(X)
    return X[np.unique(group, return_index=True)[1]], np.bincount(group, weight)


def thinned(rows, weight, most):
    """At most `most` rows with their weights, by systematic sampling."""
    if len(rows) <= most:
        return rows, weight
    cumulative = np.cumsum(weight)
    quantiles = ((np.arange(most) + 0.5) / most - ROUNDING) * cumulative[-1]  # on one side of a row that they meet
    chosen, counts = np.unique(np.searchsorted(cumulative, quantiles), return_counts=True)
    return rows[chosen], counts.astype(float)


def place_landmarks(rows, weight, n_landmarks):
    """Centres of k-means (Lloyd, 1982; k-means++ of Arthur & Vassilvitskii, 2007), or the rows if they are few.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Distinct rows.
    weight : ndarray of shape (n,)
    n_landmarks : int
        Largest number of landmarks.

    Returns
    -------
    ndarray of shape (m, d)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.landmarks import place_landmarks
    >>> place_landmarks(np.array([[0.0], [1.0], [7.0]]), np.ones(3), 2)[:, 0]
    array([0.5, 7. ])
    """
    if len(rows) <= n_landmarks:
        return rows
    sample, weight = thinned(rows, weight, ROWS_PER_LANDMARK * n_landmarks)
    if len(sample) <= n_landmarks:
        return sample
    unit = np.abs(sample).max()
    kmeans = KMeans(n_landmarks, n_init=1, max_iter=MAX_ROUNDS, random_state=0)
    kmeans.fit(np.round(sample / unit, DIGITS), sample_weight=np.round(weight / weight.max(), DIGITS))
    centres = unit * kmeans.cluster_centers_
    return centres[np.lexsort(centres.T)]


def median_bandwidth(rows, weight):
    """σ = median distance between distinct rows, over √2; 1 for a single row, or if their distances underflow.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.landmarks import median_bandwidth
    >>> round(median_bandwidth(np.array([[0.0], [2.0]]), np.ones(2)) ** 2, 12)
    2.0
    """
    sample, _ = thinned(rows, weight, ROWS_FOR_DISTANCES)
    median = np.median(pdist(sample)) if len(sample) > 1 else 0.0
    return float(median / np.sqrt(2.0)) if median > 0.0 else 1.0


def least_bandwidth(landmarks):
    """A third of the median distance to the nearest landmark, below which kernels are bumps apart; 0 for one landmark.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.kernels.landmarks import least_bandwidth
    >>> least_bandwidth(np.array([[0.0], [3.0], [9.0]]))
    1.0
    """
    if len(landmarks) < 2:
        return 0.0
    return float(np.median(cKDTree(landmarks).query(landmarks, k=2)[0][:, 1])) / 3.0
