"""Coordinates in which the numbers of a table are nearer to a Gaussian, chosen on rows held out.

A column is standardised, and then left alone, or bent by a power (Yeo & Johnson, 2000), or turned into normal scores by
a mixture of Gaussians, which grows as long as the Bayesian information criterion asks for it (Schwarz, 1978). Columns
of one table are treated alike. What is compared is the density of the numbers given the levels, in the units of the
table.

References
----------
Schwarz, G. (1978). Estimating the dimension of a model. Annals of Statistics, 6(2), 461-464.
Yeo, I.-K., & Johnson, R. A. (2000). A new family of power transformations to improve normality or symmetry. Biometrika,
87(4), 954-959.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from ..levels.mixture import largest_likelihood
from ..maps.elementwise import YeoJohnson
from ..maps.mixture_scores import MixtureScores
from ..models.mixed.coordinates import Coordinates
from ..models.mixed.latent_classes import grow_latent_classes
from ..models.mixed.rows import ALWAYS, CellMask, Layout, Rows

__all__ = ["MARGINALS", "fit_coordinates"]

POWERS = 0.0, 2.0  # between them the map is onto all of R
WIDE_SCALE = 5.0  # standard deviations, of the Gaussian that keeps far rows from the edge of a mixture
MOST_COMPONENTS = 8


def fit_coordinates(marginals, numbers, weight=None, limits=None) -> Coordinates:
    """Coordinates of the columns of a table.

    Parameters
    ----------
    marginals : {"none", "power", "mixture"}
    numbers : ndarray of shape (n, p)
        NaN where a cell holds no number.
    weight : ndarray of shape (n,), optional
        How many rows each stands for.
    limits : Limits, optional
        Within which the numbers lie.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.tabular.marginals import fit_coordinates
    >>> x = np.exp(np.random.default_rng(0).standard_normal((500, 1)))
    >>> u = fit_coordinates("mixture", x).forward(x)
    >>> u.mean().round(1), u.std().round(1)
    (np.float64(0.0), np.float64(1.0))
    """
    weight = np.ones(len(numbers)) if weight is None else weight
    numbers = numbers if limits is None else limits.forward(numbers)
    location, scale = np.array([_centre(x, weight) for x in numbers.T]).reshape(-1, 2).T
    shape = SHAPES[marginals]((numbers - location) / scale, weight) if numbers.shape[1] else None
    return Coordinates(location, scale, shape, limits)


def _centre(x, weight):
    """Mean and standard deviation of the numbers of a column; 1 for that of a constant."""
    there = ~np.isnan(x)
    if not weight[there].any():
        return 0.0, 1.0
    first = x[there][0]
    shifted, share = x[there] - first, weight[there] / weight[there].sum()
    mean = share @ shifted
    sd = np.sqrt(share @ (shifted - mean) ** 2)
    return first + mean, sd if sd > 0.0 else 1.0


# ---- shapes of standardised columns --------------------------------------------------------------


def _as_they_are(Z, weight):
    return None


def _powers(Z, weight):
    """The likeliest power of each column."""
    there = ~np.isnan(Z)
    return YeoJohnson(np.array([_power(z[on], weight[on]) for z, on in zip(Z.T, there.T, strict=True)]))


def _power(z, weight):
    """The power under which a column is likeliest to be Gaussian, 1 if it has no spread."""
    share = weight / weight.sum()

    def minus_log_likelihood(power):
        map_ = YeoJohnson(np.array([power]))
        u = map_.forward(z[:, None])[:, 0]
        return 0.5 * np.log(share @ (u - share @ u) ** 2) - share @ map_.log_slope(z[:, None])[:, 0]

    if np.ptp(z) == 0.0:
        return 1.0
    return float(minimize_scalar(minus_log_likelihood, bounds=POWERS, method="bounded").x)


def _mixtures(Z, weight):
    """A mixture for each column."""
    columns = [_mixture(z[~np.isnan(z)], weight[~np.isnan(z)]) for z in Z.T]
    return MixtureScores(*zip(*columns, strict=True))


def _mixture(z, weight):
    """Weights, means and standard deviations of the mixture of one column, a wide Gaussian among them.

    Its weight is the likeliest, and at least that of one row more: draws of it are far from all rows.
    """
    rows, one = Rows(np.empty((len(z), 0), dtype=np.int64), z[:, None]), Layout((), (ALWAYS,))
    nothing = CellMask(np.empty((len(z), 0), dtype=bool), np.zeros((len(z), 1), dtype=bool))
    every = nothing._replace(numbers=~nothing.numbers)
    smallest = np.inf
    for mixture in grow_latent_classes(rows, one, MOST_COMPONENTS, weight):
        log_p, n_free = mixture.log_prob(rows, every, nothing), 3 * len(mixture.weights) - 1
        criterion = np.log(weight.sum()) * n_free - 2.0 * (weight @ log_p)
        if criterion >= smallest:
            break
        best, smallest, own_log_p = mixture, criterion, log_p
    both = np.stack([own_log_p, norm.logpdf(z, 0.0, WIDE_SCALE)], axis=1)
    least = np.array([0.0, 1.0 / (1.0 + weight.sum())])
    (own, wide), _ = largest_likelihood(both, weight, least, np.ones(2, dtype=bool))
    weights = np.append(own * best.weights, wide)
    return weights, np.append(best.means[:, 0], 0.0), np.append(np.sqrt(best.covariances[:, 0, 0]), WIDE_SCALE)


SHAPES = {"none": _as_they_are, "power": _powers, "mixture": _mixtures}
MARGINALS = tuple(SHAPES)
