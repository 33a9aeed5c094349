"""A table as a noise-conditional model meets it, and the way back to its units: cells, bounds and coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..domains import Box
from ..maps.dequantize import Lattice, find_lattices
from ..maps.eigenbasis import Eigenbasis
from ..maps.scaled_basis import ScaledBasis
from .checks import warn_user

__all__ = ["Preprocessing", "read_preprocessing"]

COLLINEAR = 0.98
MAX_REDRAWS = 1000


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What was learnt of a table before any density.

    Parameters
    ----------
    basis : Eigenbasis or ScaledBasis
    lattice : Lattice or None
        Cells of columns with atoms.
    bounds : Box or None
        Where rows may lie.
    """

    basis: Any
    lattice: Lattice | None
    bounds: Box | None

    def spread(self, X, rng):
        """Rows with their atoms moved uniformly over their cells."""
        return X if self.lattice is None else self.lattice.spread(X, rng)

    def with_scales(self, X, weight, coordinates):
        """The table in coordinates in which columns set the scale of others, where its spread rows X ask for that."""
        basis = ScaledBasis.of_rows(X, weight, coordinates)
        return self if basis is None else replace(self, basis=basis)

    def inside(self, X):
        """Which rows lie within the bounds; None where there are none."""
        return None if self.bounds is None else self.bounds.contains(X)

    def to_rows(self, Z):
        """Rows in the units of the table, atoms at their values."""
        X = self.basis.to_rows(Z)
        return X if self.lattice is None else self.lattice.round(X)

    def draw(self, sample, n_samples):
        """`n_samples` rows of ``sample(n)``, which draws in coordinates, all within the bounds."""
        X = self.to_rows(sample(n_samples))
        if self.bounds is None:
            return X
        for _ in range(MAX_REDRAWS):
            outside = np.flatnonzero(~self.bounds.contains(X))
            if not len(outside):
                return X
            X[outside] = self.to_rows(sample(len(outside)))
        raise ValueError(
            f"bounds={self.bounds}: {len(outside)} of {n_samples} draws stayed outside after {MAX_REDRAWS} attempts. "
            "Widen the bounds."
        )


def read_preprocessing(X, weight, coordinates, dequantize, bounds):
    """Learn the cells and coordinates of the rows X, and warn of what makes log-densities hard to compare.

    Raises a ValueError where rows lie outside `bounds`, a pair (lower, upper), each a number or one for each column.
    """
    box = None if bounds is None else _box(bounds, X.shape[1])
    if box is not None and not (inside := box.contains(X)).all():
        raise ValueError(
            f"bounds={bounds!r}: {np.sum(~inside)} rows of X lie outside, the first at row {np.argmin(inside)}. Widen "
            "the bounds, or drop these rows."
        )
    lattice = find_lattices(X) if dequantize else None
    basis = Eigenbasis.of_rows(X, weight, coordinates)
    _warn_if_singular(basis.moments)
    return Preprocessing(basis, lattice if lattice is not None and lattice.columns.any() else None, box)


def _box(bounds, d):
    """Domain between the limits, which belong to it."""
    try:
        lower, upper = (np.broadcast_to(np.asarray(limit, dtype=np.float64), d) for limit in bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bounds={bounds!r}: give (lower, upper), each a number or {d} of them.") from error
    if not (lower < upper).all():
        raise ValueError(f"bounds={bounds!r}: every lower limit has to lie below its upper one.")
    return Box(np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf))


def _warn_if_singular(moments):
    constant = moments.constant
    correlation = np.abs(moments.correlation)
    pairs = np.argwhere(np.triu(correlation > COLLINEAR, 1)).tolist()
    found = [f"columns {np.flatnonzero(constant).tolist()} are constant"] if constant.any() else []
    found += [f"columns {pairs[0]} are correlated beyond {COLLINEAR}"] if pairs else []
    rank = np.linalg.matrix_rank(correlation, hermitian=True) if not found else len(correlation)
    found += [f"{len(correlation) - rank} directions have no variance"] if rank < len(correlation) else []
    if found:
        warn_user(
            f"{'; '.join(found)}: along such directions the density is as narrow as sigma_min, and log-likelihoods "
            "compare only between fits with the same sigma_min. Drop such columns to compare freely."
        )
