r"""Room for values that heap up: round amounts, popular years, numbers that recur without a reason one could name.

A column on cells has :math:`n_k` rows in cell k and in all n, and a smooth distribution function F, a mixture of
Gaussians of which none is narrower than a quarter of the column's standard deviation. Between them lies

.. math:: G = (1 - \varepsilon)\,H + \varepsilon\,F,

with H the distribution function of the rows, spread evenly over their cells. The column is stretched so that G becomes
F, by the map through the ends e of its cells,

.. math:: y(e) = F^{-1}\bigl(G(e)\bigr).

A value of many rows thereby gets a wide cell, and the stretched column is as smooth as F: the densities of
:mod:`skscore.models.mixed` hold for it, and numbers drawn from them fall on a value as often as rows do. Any such map
is one-to-one, so that the mass of all values stays one.

What counts is how well rows are predicted that are not there. With one row left out (Stone, 1974),

.. math:: \varepsilon = \arg\max \sum_k n_k \log\Bigl[(1 - \varepsilon) \frac{n_k - 1}{n - 1}
          + \varepsilon \int_{E_k} F'\Bigr],

a sum in which values of a single row speak for F. The column stays as it is unless that gains ½ log n nats (Schwarz,
1978), the price of a parameter, over a mixture as narrow as it likes.

References
----------
Schwarz, G. (1978). Estimating the dimension of a model. Annals of Statistics, 6(2), 461-464.
Stone, M. (1974). Cross-validatory choice and assessment of statistical predictions. Journal of the Royal Statistical
Society B, 36(2), 111-147.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri

from ..maps.mixture_scores import MixtureScores

__all__ = ["Heaps", "smoothed"]

NARROWEST = 0.25  # standard deviation in F of a standardised column: its density varies little within a cell
ROUNDING = 1e-6  # of a cell, by which the end of one may miss the beginning of the next


class Heaps(NamedTuple):
    """How a column is stretched.

    Attributes
    ----------
    knots, values : ndarray of shape (m,)
        e and y; empty if it stays as it is.
    gain : ndarray of shape (n,)
        Nats that each row gains by having been counted itself: its log-density in G less that with the row left out.
    """

    knots: ndarray
    values: ndarray
    gain: ndarray

    @classmethod
    def of(cls, ends: ndarray, place: ndarray, weight: ndarray, mixture: MixtureScores) -> Heaps:
        """Return the heaps of a column.

        Parameters
        ----------
        ends : ndarray of shape (K, 2)
            Of the cells that hold rows, in order.
        place : ndarray of int, shape (n,)
            Which of them each row lies in.
        weight : ndarray of shape (n,)
            How many rows each stands for.
        mixture : MixtureScores
            Of one standardised column.

        Examples
        --------
        >>> import numpy as np
        >>> from skscore.maps.mixture_scores import MixtureScores
        >>> from skscore.tabular.heaps import Heaps
        >>> normal = MixtureScores([np.ones(1)], [np.zeros(1)], [np.ones(1)])
        >>> ends = np.array([[-1.0, 0.0], [0.0, 1.0]])  # of as much mass each
        >>> heaps = Heaps.of(ends, np.repeat([0, 1], [90, 10]), np.ones(100), normal)
        >>> heaps.knots, heaps.values.round(1)
        (array([-1.,  0.,  1.]), array([-3. ,  1.3,  3. ]))
        """
        smooth, rows = smoothed(mixture), np.bincount(place, weight, len(ends))
        scores, total = _scores(smooth, ends), rows.sum()
        mass = _mass(scores)
        others = np.maximum(rows - 1.0, 0.0) / max(total - 1.0, 1.0)
        share, reached = _share_of_smooth(rows, others, mass)
        if reached - rows @ np.log(_mass(_scores(mixture, ends))) <= 0.5 * np.log(total):
            return cls(np.empty(0), np.empty(0), np.zeros(len(place)))
        counted, left_out = ((1.0 - share) * part + share * mass for part in (rows / total, others))
        e, y = _knots(ends, scores, rows / total, share, smooth)
        return cls(e, y, np.log(counted / left_out)[place])


def smoothed(mixture: MixtureScores) -> MixtureScores:
    """Return Φ⁻¹(F): the mixture of a standardised column with no Gaussian that is narrow."""
    return replace(mixture, scales=[np.maximum(scale, NARROWEST) for scale in mixture.scales])


def _scores(mixture, ends):
    return mixture.forward(ends.reshape(-1, 1)).reshape(ends.shape)


def _mass(scores):
    """Mass of F in each cell, from the nearer tail."""
    nearer = np.where(scores[:, :1] < -scores[:, 1:], scores, -scores[:, ::-1])
    return np.maximum(np.diff(ndtr(nearer), axis=1)[:, 0], np.finfo(float).tiny)


def _share_of_smooth(rows, others, mass):
    """ε, and the nats that it reaches."""

    def minus_log_likelihood(share):
        return -rows @ np.log((1.0 - share) * others + share * mass)

    best = minimize_scalar(minus_log_likelihood, bounds=(1.0 / (rows.sum() + 1.0), 1.0), method="bounded")
    return best.x, -best.fun


def _knots(ends, scores, frequency, share, smooth):
    """e and y, where G and 1 − G can be told from each other."""
    above = np.cumsum(frequency[::-1])[::-1]
    H = np.stack([np.cumsum(frequency) - frequency, np.cumsum(frequency)], axis=1)
    rest = np.stack([above, above - frequency], axis=1)
    low, high = ((1.0 - share) * part + share * ndtr(side) for part, side in ((H, scores), (rest, -scores)))
    y = smooth.inverse(np.where(low < high, ndtri(low), -ndtri(high)).reshape(-1, 1))[:, 0]
    told = np.isfinite(ends.ravel()) & np.isfinite(y)
    e, y = ends.ravel()[told], np.maximum.accumulate(y[told])
    apart = np.diff(e, prepend=-np.inf) > ROUNDING * np.diff(ends, axis=1).min()
    rising = apart & (np.diff(y, prepend=-np.inf) > 0.0)
    return e[rising], y[rising]
