"""Coordinates in which the numbers of a table are nearer to a Gaussian, chosen on rows held out.

A column is standardised and left alone; or it is stretched where its values heap up (:mod:`skscore.tabular.heaps`), if
that pays, and bent by a power (Yeo & Johnson, 2000), or turned into normal scores by a mixture of Gaussians, which
grows as long as the Bayesian information criterion asks for it (Schwarz, 1978). Columns of one table are treated alike.
What is compared is the density of the numbers given the levels, in the units of the table.

References
----------
Schwarz, G. (1978). Estimating the dimension of a model. Annals of Statistics, 6(2), 461-464.
Yeo, I.-K., & Johnson, R. A. (2000). A new family of power transformations to improve normality or symmetry. Biometrika,
87(4), 954-959.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy import ndarray
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from ..levels.mixture import largest_likelihood
from ..maps.elementwise import YeoJohnson
from ..maps.mixture_scores import MixtureScores
from ..maps.stretch import Stretch
from ..models.mixed.coordinates import Coordinates
from ..models.mixed.latent_classes import grow_latent_classes
from ..models.mixed.rows import ALWAYS, CellMask, Layout, Rows
from .heaps import Heaps, smoothed

__all__ = ["MARGINALS", "Marginals"]

POWERS = 0.0, 2.0  # between them the map is onto all of R
WIDE_SCALE = 5.0  # standard deviations, of the Gaussian that keeps far rows from the edge of a mixture
MOST_COMPONENTS = 8
PARTS = ("weights", "means", "scales")


@dataclass(frozen=True, eq=False)
class Marginals:
    """The columns of a table, standardised, and stretched where their values heap up.

    Parameters
    ----------
    plain : Coordinates
        In which they are that, and no more.
    numbers : ndarray of shape (n, p)
        As they are in the table, NaN where a cell holds none.
    weight : ndarray of shape (n,)
        How many rows each stands for.
    gain : ndarray of shape (n,)
        Nats that each row gains by having been counted itself among the heaps.
    laws : list of MixtureScores or None
        Those of stretched columns; None if they are not stretched.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.tabular.marginals import Marginals
    >>> x = np.exp(np.random.default_rng(0).standard_normal((500, 1)))
    >>> u = Marginals.of(x, np.ones(500)).coordinates("mixture").forward(x)
    >>> u.mean().round(1), u.std().round(1)
    (np.float64(0.0), np.float64(1.0))
    """

    plain: Coordinates
    numbers: ndarray
    weight: ndarray
    gain: ndarray
    laws: list[MixtureScores] | None = None

    @classmethod
    def of(cls, numbers, weight, limits=None) -> Marginals:
        """The columns of `numbers` (n, p), of rows of this `weight`, within `limits`, not stretched."""
        inner = numbers if limits is None else limits.forward(numbers)
        location, scale = np.array([_centre(x, weight) for x in inner.T]).reshape(-1, 2).T
        return cls(Coordinates(location, scale, None, limits), numbers, weight, np.zeros(len(numbers)))

    @property
    def Z(self) -> ndarray:
        """The numbers in these coordinates, shape (n, p), made anew."""
        return self.plain.forward(self.numbers)

    @cached_property
    def mixtures(self) -> list[MixtureScores]:
        """A mixture of Gaussians for each column."""
        if self.laws is not None:
            return self.laws
        return [_mixture(z[~np.isnan(z)], self.weight[~np.isnan(z)]) for z in self.Z.T]

    def stretched(self, cells) -> Marginals:
        """The columns, their numbers spread over their `cells`, stretched where they heap up; self if none does."""
        heaps = [self._heaps(j, cell) for j, cell in enumerate(cells)]
        if not any(len(each.knots) for each in heaps):
            return self
        stretch = Stretch([each.knots for each in heaps], [each.values for each in heaps])
        laws = [
            smoothed(mixture) if len(each.knots) else mixture
            for mixture, each in zip(self.mixtures, heaps, strict=True)
        ]
        gain = sum(each.gain for each in heaps)
        return replace(self, plain=replace(self.plain, stretch=stretch), gain=gain, laws=laws)

    def _heaps(self, j, cell):
        """The heaps of column j on its cells, none if it has no cells or no numbers."""
        numbers = self.numbers
        there = ~np.isnan(numbers[:, j])
        if cell is None or not self.weight[there].any():
            return Heaps(np.empty(0), np.empty(0), np.zeros(len(numbers)))
        index, place = np.unique(cell.cell_of(numbers[there, j]), return_inverse=True)
        ends = np.full((2 * len(index), numbers.shape[1]), np.nan)
        ends[:, j] = cell.ends(index).ravel()
        ends = self.plain.forward(ends)[:, j].reshape(-1, 2)
        heaps = Heaps.of(ends, place, self.weight[there], self.mixtures[j])
        gain = np.zeros(len(numbers))
        gain[there] = heaps.gain
        return heaps._replace(gain=gain)

    def coordinates(self, kind) -> Coordinates:
        """Coordinates in which the columns are nearer to a Gaussian, of this kind."""
        return replace(self.plain, shape=SHAPES[kind](self) if self.numbers.shape[1] else None)


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


def _as_they_are(columns):
    return None


def _powers(columns):
    """The likeliest power of each column."""
    Z, there = columns.Z, ~np.isnan(columns.numbers)
    powers = [_power(z[on], columns.weight[on]) for z, on in zip(Z.T, there.T, strict=True)]
    return YeoJohnson(np.array(powers))


def _normal_scores(columns):
    """Those of the mixture of each column, which after the stretch is its law."""
    parts = ([part for mixture in columns.mixtures for part in getattr(mixture, name)] for name in PARTS)
    return MixtureScores(*parts)


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


def _mixture(z, weight):
    """The mixture of one column, a wide Gaussian among its parts.

    The weight of this one is the likeliest, and at least that of one row more: draws of it are far from all rows.
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
    scales = np.append(np.sqrt(best.covariances[:, 0, 0]), WIDE_SCALE)
    return MixtureScores([weights], [np.append(best.means[:, 0], 0.0)], [scales])


SHAPES = {"none": _as_they_are, "power": _powers, "mixture": _normal_scores}
MARGINALS = tuple(SHAPES)
