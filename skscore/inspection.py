r"""What people ask of a density: regions of high density, probabilities, marginals, quantiles, modes.

Each function takes any fitted density with ``sample`` and ``score_samples``, scikit-learn's too. Of a Gaussian, known
by its ``location_`` and ``covariance_``, the answer is its formula, with the standard error zero; of others it is an
estimate from draws :math:`x_1, \dots, x_n`, and its standard error is that of the draws alone.

The region of highest density of mass m is :math:`\{x: \log p(x) \ge \ell\}` with :math:`\ell` the (1 − m)-quantile of
:math:`\log p(x_i)` (Hyndman, 1996, section 3): of all sets of this mass it is the smallest. The standard error of a
quantile is half the distance between the order statistics a standard deviation of the binomial count to both sides.

References
----------
Hyndman, R. J. (1996). Computing and graphing highest density regions. The American Statistician, 50(2), 120-126.
Barzilai, J., & Borwein, J. M. (1988). Two-point step size gradient methods. IMA Journal of Numerical Analysis, 8(1),
141-148.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import ndtri
from scipy.stats import chi2, multivariate_normal
from sklearn.utils import gen_batches

from ._compat import draws_of

__all__ = [
    "Estimated",
    "Modes",
    "box_probability",
    "highest_density_level",
    "marginal_log_density",
    "modes",
    "quantiles",
]

BLOCK = 2**22  # distances in memory at a time: 32 MiB
MAX_STEPS = 1000
LONGEST_STEP = 0.5  # standard deviations of the draws
BOX_ERROR = 1e-5  # of the integral of a Gaussian
AT_REST = 1e-6  # nats per standard deviation
ONE_MODE = 1e-2  # standard deviations: points nearer than this are one


class Estimated(NamedTuple):
    """An answer and its standard error.

    Attributes
    ----------
    value : float or ndarray
    stderr : float or ndarray
        Of the draws behind `value`, of its shape; 0 where a formula gives it.
    """

    value: Any
    stderr: Any


class Modes(NamedTuple):
    """Local maxima of a density, the highest first.

    Attributes
    ----------
    points : ndarray of shape (k, d)
    log_density : ndarray of shape (k,)
        In nats.
    mass : ndarray of shape (k,)
        Probability of the rows from which one climbs to each.
    stderr : ndarray of shape (k,)
        Of `mass`.
    """

    points: ndarray
    log_density: ndarray
    mass: ndarray
    stderr: ndarray


# ---- regions and boxes ---------------------------------------------------------------------------


def highest_density_level(
    density: Any, mass: float = 0.95, *, n_draws: int = 10_000, random_state: Any = None
) -> Estimated:
    """Find the log-density above which lies the smallest region of a given probability.

    Parameters
    ----------
    density : fitted density
        With ``sample`` and ``score_samples``.
    mass : float, default=0.95
        Probability of the region, between 0 and 1.
    n_draws : int, default=10_000
        Draws behind the estimate.
    random_state : int, RandomState, Generator or None, default=None
        Of the draws.

    Returns
    -------
    Estimated
        The level in nats: a row x lies in the region if ``density.score_samples(x) >= level.value``.

    References
    ----------
    Hyndman, R. J. (1996). Computing and graphing highest density regions. The American Statistician, 50(2), 120-126.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.inspection import highest_density_level
    >>> X = load_iris().data
    >>> density = ScoreMatchingDensity().fit(X)
    >>> level = highest_density_level(density, 0.9)
    >>> print(f"{(density.score_samples(X) >= level.value).mean():.2f} of the rows")
    0.90 of the rows
    """
    _check_share("mass", mass)
    gaussian = _gaussian(density)
    if gaussian is not None:
        mean, covariance = gaussian
        peak = multivariate_normal(mean, covariance).logpdf(mean)
        return Estimated(float(peak - 0.5 * chi2(len(mean)).ppf(mass)), 0.0)
    draws = _draws(density, n_draws, random_state)
    value, stderr = _sample_quantiles(np.asarray(density.score_samples(draws))[:, None], np.array([1.0 - mass]))
    return Estimated(float(value[0, 0]), float(stderr[0, 0]))


def box_probability(
    density: Any, box: Mapping[Hashable, tuple[Any, Any]], *, n_draws: int = 10_000, random_state: Any = None
) -> Estimated:
    """Find the probability that some columns lie between limits.

    Parameters
    ----------
    density : fitted density
        With ``sample``.
    box : mapping from columns to (lower, upper)
        Columns by name or position; the limits belong to the box, and None is no limit. A missing cell lies in none.
    n_draws : int, default=10_000
        Draws behind the estimate.
    random_state : int, RandomState, Generator or None, default=None
        Of the draws.

    Returns
    -------
    Estimated
        The share of the draws k/n, with the standard error of (k + 2)/(n + 4), which is not zero if k is. Of a Gaussian
        of several columns it is integrated to an error of 1e-5.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.inspection import box_probability
    >>> density = ScoreMatchingDensity().fit(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, -2.0]]))
    >>> round(box_probability(density, {0: (0.0, None)}).value, 3)
    0.5
    """
    if not isinstance(box, Mapping) or not box:
        raise ValueError(f"box={box!r}: give a mapping from columns to (lower, upper), such as {{0: (0.0, None)}}.")
    gaussian = _gaussian(density)
    if gaussian is not None:
        mean, covariance = _marginal(gaussian, [_position(density, column) for column in box])
        lower, upper = np.array([_limits(*pair) for pair in box.items()], dtype=np.float64).T
        probability = multivariate_normal.cdf(upper, mean, covariance, lower_limit=lower)
        return Estimated(float(probability), 0.0 if len(mean) == 1 else BOX_ERROR)
    draws, n = _draws(density, n_draws, random_state), int(n_draws)
    inside = np.ones(n, dtype=bool)
    for column, pair in box.items():
        cells, (lower, upper) = _column(density, draws, column), _limits(column, pair)
        inside &= (cells >= lower) & (cells <= upper)
    cautious = (inside.sum() + 2) / (n + 4)
    return Estimated(float(inside.mean()), float(np.sqrt(cautious * (1 - cautious) / (n + 4))))


# ---- some columns --------------------------------------------------------------------------------


def marginal_log_density(
    density: Any, X: Any, columns: Iterable[Hashable], *, n_draws: int = 10_000, random_state: Any = None
) -> Estimated:
    """Find the log-density of some columns alone, all others integrated out.

    Parameters
    ----------
    density : fitted density
        With ``sample``. A method ``marginal_score_samples``, which TabularDensity has, is asked first.
    X : frame with these columns, or array-like of shape (m, k)
        Rows; those of an array have these columns only, in this order.
    columns : iterable of k names or positions
        The columns that are asked for.
    n_draws : int, default=10_000
        Draws behind the estimate.
    random_state : int, RandomState, Generator or None, default=None
        Of the draws.

    Returns
    -------
    Estimated
        log p(columns) in nats, of shape (m,). Where no formula gives it, it is a kernel estimate with the covariance of
        the draws times n^(−2/(k + 4)) (Scott's rule), whose bias is not in the standard error: it widens narrow modes.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.inspection import marginal_log_density
    >>> density = ScoreMatchingDensity().fit(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, -2.0]]))
    >>> marginal_log_density(density, [[0.0]], columns=[1]).value.round(3)  # of variance 2
    array([-1.266])
    """
    columns = [columns] if isinstance(columns, str) else list(columns)
    if hasattr(density, "marginal_score_samples"):
        log_p = density.marginal_score_samples(X, columns)
        return Estimated(log_p, np.zeros(len(log_p)))
    gaussian, points = _gaussian(density), _points(density, X, columns)
    if gaussian is not None:
        mean, covariance = _marginal(gaussian, [_position(density, column) for column in columns])
        log_p = np.atleast_1d(multivariate_normal(mean, covariance).logpdf(points))
        return Estimated(log_p, np.zeros(len(log_p)))
    draws = _draws(density, n_draws, random_state)
    return _kernel_log_density(points, np.column_stack([_column(density, draws, column) for column in columns]))


def quantiles(
    density: Any,
    q: ArrayLike,
    columns: Iterable[Hashable] | None = None,
    *,
    n_draws: int = 10_000,
    random_state: Any = None,
) -> Estimated:
    """Find quantiles of each of some columns.

    Parameters
    ----------
    density : fitted density
        With ``sample``.
    q : float or array-like of shape (m,)
        Probabilities between 0 and 1.
    columns : iterable of k names or positions, default=None
        None is all columns.
    n_draws : int, default=10_000
        Draws behind the estimate.
    random_state : int, RandomState, Generator or None, default=None
        Of the draws.

    Returns
    -------
    Estimated
        In the units of the columns, of shape (m, k).

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.inspection import quantiles
    >>> density = ScoreMatchingDensity().fit(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, -2.0]]))
    >>> quantiles(density, [0.05, 0.5, 0.95], columns=[1]).value.round(2)
    array([[-2.33],
           [ 0.  ],
           [ 2.33]])
    """
    q = np.atleast_1d(np.asarray(q, dtype=np.float64))
    for each in q:
        _check_share("q", each)
    gaussian = _gaussian(density)
    if gaussian is not None:
        chosen = range(len(gaussian[0])) if columns is None else [_position(density, column) for column in columns]
        mean, covariance = _marginal(gaussian, list(chosen))
        value = mean + np.sqrt(np.diag(covariance)) * ndtri(q)[:, None]
        return Estimated(value, np.zeros(value.shape))
    draws = _draws(density, n_draws, random_state)
    chosen = range(np.shape(draws)[1]) if columns is None else list(columns)
    cells = np.column_stack([_column(density, draws, column) for column in chosen])
    return Estimated(*_sample_quantiles(cells, q))


def _kernel_log_density(points, draws):
    """Logarithm of the kernel estimate at the points (m, k) from draws (n, k), and its standard error."""
    n, k = draws.shape
    root = np.linalg.cholesky(np.atleast_2d(np.cov(draws.T))) * n ** (-1 / (k + 4))
    whiten, log_scale = np.linalg.inv(root).T, 0.5 * k * np.log(2 * np.pi) + np.log(np.diag(root)).sum()
    centre, value, stderr = draws.mean(axis=0), np.empty(len(points)), np.empty(len(points))
    for rows in gen_batches(len(points), max(1, BLOCK // n)):
        log_kernel = -0.5 * cdist((points[rows] - centre) @ whiten, (draws - centre) @ whiten, "sqeuclidean")
        top = log_kernel.max(axis=1, keepdims=True)
        kernel = np.exp(log_kernel - top)
        value[rows] = np.log(kernel.mean(axis=1)) + top[:, 0] - log_scale
        stderr[rows] = kernel.std(axis=1) / kernel.mean(axis=1) / np.sqrt(n)
    return Estimated(value, stderr)


# ---- modes ---------------------------------------------------------------------------------------


def modes(density: Any, *, n_starts: int = 100, random_state: Any = None) -> Modes:
    """Find the local maxima of a density, by following its score from draws.

    Parameters
    ----------
    density : fitted density
        With ``grad_log_density``, ``score_samples`` and ``sample``, of real columns.
    n_starts : int, default=100
        Draws from which the score is followed, by gradient steps of Barzilai and Borwein (1988). A mode in whose
        surroundings no draw falls is not found.
    random_state : int, RandomState, Generator or None, default=None
        Of the draws.

    Returns
    -------
    Modes
        The points in the units of the table, with their log-density and the probability of what climbs to each.

    Raises
    ------
    ValueError
        If the density has no score, or no start comes to rest.

    References
    ----------
    Barzilai, J., & Borwein, J. M. (1988). Two-point step size gradient methods. IMA Journal of Numerical Analysis,
    8(1), 141-148.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.datasets import GaussianMixtureDistribution
    >>> from skscore.inspection import modes
    >>> law = GaussianMixtureDistribution([0.3, 0.7], [[-3.0], [3.0]], [[[1.0]], [[1.0]]])
    >>> modes(law, random_state=0).points.round(3)
    array([[ 3.],
           [-3.]])
    """
    gaussian = _gaussian(density)
    if gaussian is not None:
        mean, covariance = gaussian
        peak = multivariate_normal(mean, covariance).logpdf(mean)
        return Modes(mean[None], np.array([peak]), np.ones(1), np.zeros(1))
    if not hasattr(density, "grad_log_density"):
        raise ValueError(f"density={type(density).__name__} has no method grad_log_density, which leads to modes.")
    draws = _draws(density, n_starts, random_state)
    starts = np.column_stack([_column(density, draws, j) for j in range(np.shape(draws)[1])])
    sd = starts.std(axis=0)
    scale = np.where(sd > 0.0, sd, 1.0)
    Z = _climb(lambda Z: scale * np.asarray(density.grad_log_density(_like(draws, Z * scale))), starts / scale)
    log_density = np.asarray(density.score_samples(_like(draws, Z * scale)))
    first, count = _distinct_points(Z, log_density)
    mass = count / len(Z)
    return Modes(Z[first] * scale, log_density[first], mass, np.sqrt(mass * (1 - mass) / len(Z)))


def _climb(score, Z):
    """Where gradient ascent from the rows of Z comes to rest, one row for each start that does."""
    S, step, moving = score(Z), np.full(len(Z), 0.1), np.arange(len(Z))
    for _ in range(MAX_STEPS):
        moving = moving[np.linalg.norm(S[moving], axis=1) > AT_REST]  # a score that is not a number ends a climb, too
        if not len(moving):
            break
        move = step[moving, None] * S[moving]
        length = np.linalg.norm(move, axis=1, keepdims=True)
        move *= np.minimum(1.0, LONGEST_STEP / length)
        Z[moving] += move
        rise = score(Z[moving]) - S[moving]
        S[moving] += rise
        bend = -(move * rise).sum(axis=1)
        step[moving] = np.where(bend > 0.0, bend / np.maximum((rise**2).sum(axis=1), 1e-300), 2 * step[moving])
    at_rest = np.linalg.norm(S, axis=1) <= AT_REST
    if not at_rest.any():
        raise ValueError(
            f"density: none of {len(Z)} climbs came to rest in {MAX_STEPS} steps. Its score may not be smooth, "
            "or it has no modes inside its support."
        )
    return Z[at_rest]


def _distinct_points(Z, height):
    """Places of the points that differ, the highest first, and how many rows there are of each."""
    first: list[int] = []
    count: list[int] = []
    for i in np.argsort(-height):
        near = np.flatnonzero(np.linalg.norm(Z[first] - Z[i], axis=1) < ONE_MODE)
        if len(near):
            count[near[0]] += 1
        else:
            first, count = [*first, int(i)], [*count, 1]
    return np.array(first), np.array(count)


# ---- Gaussians, draws, columns -------------------------------------------------------------------


def _gaussian(density):
    """Mean and covariance of a density that is a Gaussian; None of any other."""
    mean, covariance = getattr(density, "location_", None), getattr(density, "covariance_", None)
    if mean is None or covariance is None or not np.isfinite(np.asarray(covariance)).all():
        return None
    return np.asarray(mean, dtype=np.float64), np.asarray(covariance, dtype=np.float64)


def _marginal(gaussian, chosen):
    mean, covariance = gaussian
    return mean[chosen], covariance[np.ix_(chosen, chosen)]


def _draws(density, n, random_state):
    """Rows of the density, seeded where it can be."""
    if not isinstance(n, Integral) or n < 2:
        raise ValueError(f"{n!r} draws: give an integer of at least 2.")
    return draws_of(density, int(n), random_state)


def _position(density, column):
    """Place of a column, by its name or place."""
    names, width = list(getattr(density, "feature_names_in_", ())), getattr(density, "n_features_in_", np.inf)
    if column in names:
        return names.index(column)
    if isinstance(column, Integral) and 0 <= int(column) < width:
        return int(column)
    raise ValueError(f"There is no column {column!r}: give a name among {names}, or a place from 0.")


def _column(density, table, column):
    """Cells of a column of a frame or an array, as float64; a missing cell is NaN."""
    if isinstance(table, np.ndarray):
        return table[:, _position(density, column)].astype(np.float64)
    frame = nw.from_native(table, eager_only=True)
    name = column if column in frame.columns else frame.columns[_position(density, column)]
    if not (frame[name].dtype.is_numeric() or frame[name].dtype == nw.Boolean):
        raise ValueError(f"Column {name!r} holds no numbers: choose others, or count levels among draws of `sample`.")
    return frame[name].cast(nw.Float64).to_numpy()


def _points(density, X, columns):
    """The rows of X, their columns only, shape (m, k)."""
    if nw.dependencies.is_into_dataframe(X):
        return np.column_stack([_column(density, X, column) for column in columns])
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] != len(columns):
        raise ValueError(f"X has shape {X.shape}: give rows of the {len(columns)} columns that are asked for.")
    return X


def _like(table, X):
    """The rows X as a frame like this one, if it is one."""
    if isinstance(table, np.ndarray):
        return X
    frame = nw.from_native(table, eager_only=True)
    return nw.from_numpy(X, schema=frame.columns, backend=frame.implementation).to_native()


def _sample_quantiles(X, q):
    """Quantiles (m, k) of the columns of X, and their standard errors by order statistics; missing cells left out."""
    spread = np.sqrt(q * (1 - q) / len(X))
    low, value, high = (np.nanquantile(X, np.clip(p, 0.0, 1.0), axis=0) for p in (q - spread, q, q + spread))
    return value, 0.5 * (high - low)


def _limits(column, pair):
    try:
        lower, upper = pair
    except (TypeError, ValueError):
        raise ValueError(f"box[{column!r}] is {pair!r}: give (lower, upper), with None for no limit.") from None
    return -np.inf if lower is None else lower, np.inf if upper is None else upper


def _check_share(name, value):
    if not (isinstance(value, Real) and 0.0 < float(value) < 1.0):
        raise ValueError(f"{name}={value!r}: give a number between 0 and 1.")
