"""What a noise-conditional model needs of a table before its density: cells, bounds, and a map to isotropic noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np
from numpy import ndarray

from ..domains import Box
from ..formulas.moments import Moments, moments
from ..maps.affine import Affine, isotropic
from ..maps.algebra import Map, compose
from ..maps.autoregressive import fit_autoregressive
from ..maps.cell_points import CellPoints, cell_points
from ..maps.cells import Atoms, Cells, dequantize, round_to_cells
from ..maps.dequantize import find_cells
from .all_rows import AllRows
from .checks import warn_user

__all__ = ["Preprocessing", "preprocessing_of", "read_preprocessing"]

COLLINEAR = 0.98
MAX_REDRAWS = 1000
HELD_OUT = 0.1  # of the rows, which decide whether scales of their own are worth having
SPLIT_SEED = 0
SPREAD_SEED = 0x5C0DE5EED  # where in its cell a value falls is the same in every fit; a table may be drawn from seed 0
SPREADS, SPREAD_ROWS = 16, 100_000  # of rows with atoms: as many, unless they make more rows than the latter
WITH_ATOMS = 4  # points of cells at least: a Student tail is not flat in those that reach to infinity


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What was learned of a table before any density.

    Parameters
    ----------
    map : Map
        From rows spread over their cells to z, in which noise is isotropic.
    variance : ndarray of shape (d,)
        λ, the variances of the reference Gaussian in z.
    moments, spread : Moments
        Of the rows x as they are in the table, and spread over their cells.
    scale_slopes : ndarray of shape (d, d)
        Slope along column i of the logarithm of the scale of column j, which the map divides by.
    cells : sequence of d EvenCells, OwnCells, Atoms or None
        Of each column, None if it is continuous.
    bounds : Box or None
        Where rows may lie.
    n_points : int
        Of the cells of a row, behind its density.
    sigma_min : float
        Smallest noise level, which is in this density.
    """

    map: Map
    variance: ndarray
    moments: Moments
    spread: Moments
    scale_slopes: ndarray
    cells: Sequence[Cells]
    bounds: Box | None
    n_points: int = 1
    sigma_min: float = 0.0

    @property
    def is_continuous(self):
        """Whether no column has cells."""
        return all(cell is None for cell in self.cells)

    # ---- where rows may lie ----------------------------------------------------------------------

    def inside(self, X):
        """Which rows lie within the bounds and have cells, shape (n,); None if all rows do."""
        if self.is_continuous:
            return None if self.bounds is None else self.bounds.contains(X)
        return self.holds(X).all(axis=1) & (True if self.bounds is None else self.bounds.contains(X))

    def holds(self, X):
        """Which values may occur, shape (n, d): all in a column without atoms, as others may yet come."""
        held = np.ones(X.shape, dtype=bool)
        for j, cell in enumerate(self.cells):
            if isinstance(cell, Atoms):
                held[:, j] = cell.holds(X[:, j])
        return held

    def check_values(self, X):
        """Raise a ValueError if a row has a value that its column did not have when the cells were found."""
        lost = np.argwhere(~self.holds(X))
        if len(lost):
            i, j = lost[0]
            raise ValueError(
                f"X holds {X[i, j]:g} in column {j}, a value that this discrete column did not have in the first fit. "
                "Fit anew on all rows, or set dequantize=False."
            )

    # ---- other maps of the same table ------------------------------------------------------------

    def isotropic(self, X, summary: Moments, preconditioning: str) -> Preprocessing:
        """The same with the map to isotropic noise of spread rows X, which have these moments.

        It warns if they leave directions flat.
        """
        if remark := _singular(summary):
            warn_user(remark)
        affine, variance = isotropic(X, summary, preconditioning)
        return replace(self, map=affine, variance=variance, spread=summary)

    def standardizing(self, moments: Moments) -> Preprocessing:
        """The same with the map that standardises spread rows with these moments."""
        return replace(self, map=Affine.standardizing(moments), variance=np.ones_like(self.variance), spread=moments)

    def with_scales(self, X, weight, preconditioning: str) -> Preprocessing:
        """The same with a scale for each row, if the spread rows X ask for that, and no column repeats others."""
        order = np.random.default_rng(SPLIT_SEED).permutation(len(X))
        held_out, rest = np.split(order, [round(HELD_OUT * len(X))])
        scaled = fit_autoregressive(X, weight, rest, held_out)
        if scaled is None:
            return self
        Y = scaled.forward(X)
        affine, variance = isotropic(Y, moments(Y, weight), preconditioning)
        slopes = scaled.log_scale.matrix
        return replace(self, map=compose([scaled, affine]), variance=variance, scale_slopes=slopes)

    # ---- from rows to z and back -----------------------------------------------------------------

    @property
    def has_atoms(self):
        """Whether columns have values that hold much of their rows."""
        return any(isinstance(cell, Atoms) for cell in self.cells)

    def n_spreads(self, n_rows):
        """How often rows are spread over their cells: several times if they have atoms."""
        return max(1, min(SPREADS, SPREAD_ROWS // n_rows)) if self.has_atoms else 1

    def spreads(self, X) -> Iterator[ndarray]:
        """Yield the rows spread over their cells, `n_spreads` times, before the map.

        What a density learns of the places within wide cells is chance, the less of it the more often they are drawn.
        """
        if self.is_continuous:
            yield X
            return
        rng = np.random.default_rng(SPREAD_SEED)
        for _ in range(self.n_spreads(len(X))):
            yield dequantize(X, self.cells, rng)

    def spread_moments(self, X, weight) -> Moments:
        """Moments of the rows spread over their cells."""
        found = [moments(Y, weight) for Y in self.spreads(X)]
        return replace(reduce(add, found), n=found[0].n)

    def moments_of_all(self, rows: AllRows) -> Moments:
        """The same of all rows; those that are not here are spread once."""
        if rows.are_here:
            return self.spread_moments(rows.X, rows.weight)
        rng = np.random.default_rng(SPREAD_SEED)
        return rows.moments(lambda X: dequantize(X, self.cells, rng))

    def spread_and_map(self, X, rng) -> ndarray:
        """Rows of z: X spread over its cells once, and mapped."""
        return self.map.forward(dequantize(X, self.cells, rng))

    def points(self, X, n_points=None) -> CellPoints:
        """Rows as `n_points` points of their cells; None is the number that was chosen."""
        noise = np.diag(self.sigma_min**2 * self.spread.variance)
        noisy = replace(self.spread, covariance=self.spread.covariance + noise)
        return cell_points(X, self.cells, noisy, self.n_points if n_points is None else n_points).mapped(self.map)

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


@dataclass(frozen=True, eq=False)
class SpreadRows:
    """Rows of a table as a density of their cells sees them.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    preprocessing : Preprocessing
    """

    X: ndarray
    preprocessing: Preprocessing

    def at(self, sigma_min) -> SpreadRows:
        """The same rows for a density of this smallest noise level."""
        return replace(self, preprocessing=replace(self.preprocessing, sigma_min=sigma_min))

    @property
    def fewest_points(self):
        """Points of the cells that the log-density of a row needs at least."""
        return WITH_ATOMS if self.has_atoms else 1

    @property
    def is_continuous(self):
        """Whether no column has cells."""
        return self.preprocessing.is_continuous

    @property
    def has_atoms(self):
        """Whether columns have values that hold much of their rows."""
        return self.preprocessing.has_atoms

    @property
    def none_is_far(self):
        """Whether every column has atoms alone, so that no row lies far from others."""
        return all(isinstance(cell, Atoms) and cell.alone for cell in self.preprocessing.cells)

    @property
    def n_spreads(self):
        """How often the rows are spread over their cells."""
        return self.preprocessing.n_spreads(len(self.X))

    def spreads(self) -> Iterator[ndarray]:
        """Yield z of the rows, spread over their cells `n_spreads` times."""
        return map(self.preprocessing.map.forward, self.preprocessing.spreads(self.X))

    def points(self, index, n_points) -> CellPoints:
        """The rows at the places `index` as `n_points` points of their cells."""
        return self.preprocessing.points(self.X[index], n_points)


def preprocessing_of(rows: AllRows, dequantize, bounds) -> tuple[AllRows, Preprocessing]:
    """What `read_preprocessing` learns of those rows that are here, and the moments of all.

    If one of the others has a value that is not among these, it joins them, and cells are found anew.
    """
    fitted = read_preprocessing(rows.X, rows.weight, dequantize, bounds)
    if rows.are_here:
        return rows, fitted
    rows.group.together(lambda: _check_inside(fitted.bounds, bounds, rows.part))
    while (more := rows.with_values_of(fitted.holds)) is not rows:
        rows, fitted = more, read_preprocessing(more.X, more.weight, dequantize, bounds)
    return rows, replace(fitted, moments=rows.moments(lambda X: X))


def read_preprocessing(X, weight, dequantize, bounds) -> Preprocessing:
    """Learn the cells of the rows X; the map is still the identity.

    Raises a ValueError if rows lie outside `bounds`, a pair (lower, upper), each a number or one for each column.
    """
    d = X.shape[1]
    box = None if bounds is None else _box(bounds, d)
    _check_inside(box, bounds, X)
    cells = find_cells(X, weight) if dequantize else (None,) * d
    summary = moments(X, weight)
    return Preprocessing(compose([]), np.ones(d), summary, summary, np.zeros((d, d)), cells, box)


def _check_inside(box, bounds, X):
    if box is not None and not (inside := box.contains(X)).all():
        raise ValueError(
            f"bounds={bounds!r}: {np.sum(~inside)} rows of X lie outside, the first at row {np.argmin(inside)}. Widen "
            "the bounds, or drop these rows."
        )


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
