"""Coordinates of a table in which some columns set the scale of others: scaled ones, and an eigenbasis of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..formulas.moments import Moments, moments
from .eigenbasis import Eigenbasis
from .scale_regression import scaled_coordinates
from .scaled_coordinates import ScaledCoordinates

__all__ = ["ScaledBasis"]

HELD_OUT = 0.1  # of the rows, which judge whether scales of their own are worth having
MIN_VARIANCE = 0.1  # of a scaled column: by the regression it is 1
SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)
class ScaledBasis:
    """The map from rows x to z = basis(scaled(x)), by the methods of an Eigenbasis.

    Parameters
    ----------
    scaled : ScaledCoordinates
        From x to y.
    basis : Eigenbasis
        From y to z.
    moments : Moments
        Of the rows x.

    Examples
    --------
    >>> from skscore.datasets import Funnel
    >>> from skscore.maps.scaled_basis import ScaledBasis
    >>> X = Funnel().sample(1000, random_state=0)
    >>> Z = ScaledBasis.of_rows(X, None, "per_direction").to_basis(X)
    >>> Z[X[:, 0] < 0].std(axis=0).round(1), Z[X[:, 0] > 0].std(axis=0).round(1)
    (array([0.6, 1. ]), array([0.6, 1. ]))
    """

    scaled: ScaledCoordinates
    basis: Eigenbasis
    moments: Moments

    @classmethod
    def of_rows(cls, X, weight, coordinates):
        """Basis of the rows X (n, d) with weights (n,) or None.

        None where one scale for all rows does as well, or columns repeat others.
        """
        order = np.random.default_rng(SPLIT_SEED).permutation(len(X))
        held_out, rest = np.split(order, [round(HELD_OUT * len(X))])
        scaled = scaled_coordinates(X, weight, rest, held_out)
        if scaled is None:
            return None
        basis = Eigenbasis.of_rows(scaled.to_reals(X), weight, coordinates)
        if (basis.moments.variance < MIN_VARIANCE).any():  # what columns that repeat others leave is their rounding
            return None
        return cls(scaled, basis, moments(X, weight))

    @property
    def variance(self):
        """λ, the variances of the reference Gaussian in z, shape (d,)."""
        return self.basis.variance

    @property
    def scale_slopes(self):
        """Slope of the logarithm of the scale of column j along column i, shape (d, d)."""
        return self.scaled.log_scale.matrix

    def to_basis(self, X):
        """Coordinates z of rows x, shape (n, d)."""
        return self.basis.to_basis(self.scaled.to_reals(X))

    def to_rows(self, Z):
        """Rows x of coordinates z, shape (n, d)."""
        return self.scaled.from_reals(self.basis.to_rows(Z))

    def moments_in_basis(self, table):
        """Moments in coordinates z of the rows that the basis was learnt from."""
        return self.basis.moments_in_basis(self.basis.moments)

    def log_volume(self, X):
        """log |det ∂z/∂x| at each row, shape (n,)."""
        return self.basis.log_volume(X) + self.scaled.linear.log_volume - self.scaled.log_width(X)

    def pull_back(self, score, X):
        """Score at rows x of a law with this `score` in z, shape (n, d)."""
        return self.scaled.slope_in_x(X, self.basis.pull_back(score, X))

    def motion(self, X, V):
        """ż and z̈ of rows X (n, d) that move along V, of shape (n, d), or (K, 1, d) for K motions of each row."""
        return tuple(part @ self.basis.matrix for part in self.scaled.motion(X, V))
