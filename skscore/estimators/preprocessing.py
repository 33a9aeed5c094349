"""What a noise-conditional model needs of a table before its density: cells, bounds, and a map to isotropic noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray

from ..domains import Box
from ..formulas.moments import Moments, moments
from ..maps.affine import Affine, isotropic
from ..maps.algebra import Map, compose
from ..maps.autoregressive import fit_autoregressive
from ..maps.dequantize import Cells, dequantize, find_cells, round_to_cells
from .checks import warn_user

__all__ = ["Preprocessing", "read_preprocessing"]

COLLINEAR = 0.98
MAX_REDRAWS = 1000
HELD_OUT = 0.1  # of the rows, which decide whether scales of their own are worth having
SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What was learned of a table before any density.

    Parameters
    ----------
    map : Map
        From rows x to z, in which noise is isotropic.
    variance : ndarray of shape (d,)
        λ, the variances of the reference Gaussian in z.
    moments : Moments
        Of the rows x.
    scale_slopes : ndarray of shape (d, d)
        Slope along column i of the logarithm of the scale of column j, which the map divides by.
    cells : sequence of d EvenCells, OwnCells or None
        Of each column, None if it is continuous.
    bounds : Box or None
        Where rows may lie.
    """

    map: Map
    variance: ndarray
    moments: Moments
    scale_slopes: ndarray
    cells: Sequence[Cells]
    bounds: Box | None

    def dequantized(self, X, rng):
        """Rows with the values that recur moved uniformly over their cells."""
        return dequantize(X, self.cells, rng)

    def inside(self, X):
        """Which rows lie within the bounds; None if there are none."""
        return None if self.bounds is None else self.bounds.contains(X)

    # ---- other maps of the same table ------------------------------------------------------------

    def standardizing(self, moments: Moments) -> Preprocessing:
        """The same with the map that standardises rows with these moments."""
        return replace(self, map=Affine.standardizing(moments), variance=np.ones_like(self.variance), moments=moments)

    def with_scales(self, X, weight, preconditioning: str) -> Preprocessing:
        """The same with a scale for each row, if the dequantised rows X ask for that, and no column repeats others."""
        order = np.random.default_rng(SPLIT_SEED).permutation(len(X))
        held_out, rest = np.split(order, [round(HELD_OUT * len(X))])
        scaled = fit_autoregressive(X, weight, rest, held_out)
        if scaled is None:
            return self
        Y = scaled.forward(X)
        affine, variance = isotropic(Y, moments(Y, weight), preconditioning)
        slopes = scaled.log_scale.matrix
        return replace(
            self, map=compose([scaled, affine]), variance=variance, moments=moments(X, weight), scale_slopes=slopes
        )

    # ---- from rows to z and back -----------------------------------------------------------------

    def mapped_moments(self, seen: Moments, Z, weight) -> Moments:
        """Moments in z of all rows seen, whose moments in x are `seen`; those of Z alone if the map is not affine."""
        return self.map.push_moments(seen) if isinstance(self.map, Affine) else moments(Z, weight)

    def restored(self, Z):
        """Rows in the units of the table, values that recur at the centres of their cells."""
        return round_to_cells(self.map.inverse(Z), self.cells)

    def draw(self, sample, n_samples):
        """`n_samples` rows of ``sample(n)``, which draws z, all within the bounds."""
        X = self.restored(sample(n_samples))
        if self.bounds is None:
            return X
        for _ in range(MAX_REDRAWS):
            outside = np.flatnonzero(~self.bounds.contains(X))
            if not len(outside):
                return X
            X[outside] = self.restored(sample(len(outside)))
        raise ValueError(
            f"bounds={self.bounds}: {len(outside)} of {n_samples} draws stayed outside after {MAX_REDRAWS} attempts. "
            "Widen the bounds."
        )


def read_preprocessing(X, weight, preconditioning, dequantize, bounds) -> Preprocessing:
    """Learn the cells and the map of the rows X, and warn of what makes log-densities hard to compare.

    Raises a ValueError if rows lie outside `bounds`, a pair (lower, upper), each a number or one for each column.
    """
    d = X.shape[1]
    box = None if bounds is None else _box(bounds, d)
    if box is not None and not (inside := box.contains(X)).all():
        raise ValueError(
            f"bounds={bounds!r}: {np.sum(~inside)} rows of X lie outside, the first at row {np.argmin(inside)}. Widen "
            "the bounds, or drop these rows."
        )
    summary = moments(X, weight)
    affine, variance = isotropic(X, summary, preconditioning)
    if remark := _singular(summary):
        warn_user(remark)
    return Preprocessing(affine, variance, summary, np.zeros((d, d)), find_cells(X) if dequantize else (None,) * d, box)


def _box(bounds, d):
    """Domain between the limits, which belong to it."""
    try:
        lower, upper = (np.broadcast_to(np.asarray(limit, dtype=np.float64), d) for limit in bounds)
    except (TypeError, ValueError):
        raise ValueError(f"bounds={bounds!r}: give (lower, upper), each a number or {d} of them.") from None
    if not (lower < upper).all():
        raise ValueError(f"bounds={bounds!r}: every lower limit has to lie below its upper one.")
    return Box(np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf))


def _singular(moments: Moments) -> str | None:
    """What to warn of when rows hardly vary in some direction, or None."""
    constant = moments.constant
    correlation = np.abs(moments.correlation)
    pairs = np.argwhere(np.triu(correlation > COLLINEAR, 1)).tolist()
    found = [f"columns {np.flatnonzero(constant).tolist()} are constant"] if constant.any() else []
    found += [f"columns {pairs[0]} are correlated beyond {COLLINEAR}"] if pairs else []
    rank = np.linalg.matrix_rank(correlation, hermitian=True) if not found else len(correlation)
    found += [f"{len(correlation) - rank} directions have no variance"] if rank < len(correlation) else []
    if not found:
        return None
    return (
        f"{'; '.join(found)}: along such directions the density is as narrow as sigma_min, and log-likelihoods "
        "compare only between fits with the same sigma_min. Drop such columns to compare freely."
    )
