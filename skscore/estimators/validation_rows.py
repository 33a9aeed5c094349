"""What validation rows choose for a density, at one noise level or along a path of them.

Rows of a fold are scored by the networks that have not seen them. Closed-form models have so few parameters that the
training rows serve, with their weights, and their score errs at no level.

At a noise level the log-densities of the rows, along the flow and by all that may be mixed into it, choose a mixture.
Its log-likelihood is what noise levels are compared by: no part of it has seen the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..formulas.moments import evenly
from ..levels.cell_accuracy import MAX_POINTS, choose_number_of_points, choose_number_of_steps
from ..levels.gaussians import gaussians_to_offer
from ..levels.mixture import choose_mixture, choose_weights
from ..levels.parzen import offer_windows
from ..levels.student_tail import DEGREES_OF_FREEDOM, offer_tail
from ..models.family import Sample
from ..models.folds import distinct, group_rows
from .noise_path import choose_level
from .preprocessing import SpreadRows

__all__ = ["SCORED_ROWS", "ValidationRows", "best_level", "choose_all", "mix_along", "validation_rows"]

SCORED_ROWS, REPORT_ROWS = 1000, 256  # rows behind all choices, and of them behind the points of cells and the steps
FEWEST_REPORTED = 64  # the latter where networks of many folds score each of them
PATH_ROWS, STEP_ROWS = 512, 64  # the same where noise levels are compared
# Change of a row, in nats in the mean, by half as many steps: it is some ten times the error of the mean over rows.
PATH_TOLERANCE = 0.15


@dataclass(frozen=True, eq=False)
class ValidationRows:
    """Rows that choose, each with a score that has not seen it.

    Parameters
    ----------
    rows : Sample
        All rows z and their weights.
    table : SpreadRows
        The same rows as they are in the table.
    scores : list of NoiseConditionalScore
    places : list of ndarray of int
        Of the rows that each score has not seen.
    share : ndarray of shape (n,)
        Weights of all rows.
    are_held_out : bool
        Whether the scores have really not seen them.
    gaussians : callable or None
        Offer of mixtures of Gaussians fitted to what each score has seen, as of `gaussians_to_offer`.
    """

    rows: Sample
    table: SpreadRows
    scores: list
    places: list
    share: np.ndarray
    are_held_out: bool
    gaussians: Callable | None

    @property
    def all_places(self):
        """Places of all validation rows, shape (k,)."""
        return np.concatenate(self.places)

    @property
    def weight(self):
        """Weights as numbers of rows, shape (k,): in all, as many equal ones as would say as much (Kish, 1965)."""
        share = self.share[self.all_places]
        share = share / share.max()  # so that no square of it overflows
        return share * share.sum() / np.square(share).sum()

    def at(self, sigma_min):
        """The same rows for a density of this smallest noise level."""
        return replace(self, table=self.table.at(sigma_min))

    def fewer(self, most):
        """At most so many of them."""
        each = -(-most // len(self.places))
        return replace(self, places=[index[evenly(len(index), each)] for index in self.places])

    def few(self, most):
        """Places of at most so many of them."""
        places = self.all_places
        return places[evenly(len(places), most)]

    def points_of_each(self, n_points):
        """Rows of each score as so many points of their cells, a list of CellPoints."""
        return [self.table.points(index, n_points) for index in self.places]


def validation_rows(p, score, rows, table, folds) -> ValidationRows:
    """The rows that choose for densities of a noise-conditional score, by the parameters `p`.

    Those of the folds, or some of all rows if there are none.
    """
    held_out = len(folds) > 0 and len(folds[0]) > 0
    if held_out:
        places, scores = folds, [score.part(k) for k in range(len(folds))]
        share = np.ones(len(rows.X)) if rows.weight is None else rows.weight
    else:
        first, share = _distinct(table.X, rows.weight)
        places, scores = [first], [score]
    gaussians = None
    if held_out and not table.has_atoms and not _is_alone(p):
        gaussians = gaussians_to_offer(rows.X, score.variance, folds, _mean_one(rows.weight))
    return ValidationRows(rows, table, scores, places, share, held_out, gaussians).fewer(SCORED_ROWS)


# ---- at one noise level --------------------------------------------------------------------------


def choose_all(p, density, validation):
    """The density with all that validation rows choose for it at its noise level, and the report on them.

    They choose the points of cells, the level of the score, the steps, and what is mixed in.
    """
    validation = validation.at(density.sigma_min)
    few = validation.few(max(FEWEST_REPORTED, REPORT_ROWS // len(validation.scores)))
    density, n_points, difference = _with_cells(density, validation.table, few)
    if validation.are_held_out:
        Z = [points.Z for points in validation.points_of_each(n_points)]
        density = density.with_score_level(list(zip(validation.scores, Z, strict=True)))
    density, report = density.with_steps(validation.table.points(few, n_points))
    report = report._replace(n_cell_points=n_points, cell_difference=difference)
    if _is_alone(p):
        return density, report
    return replace(density, mixture=choose_mixture(*_log_densities(p, density, validation, n_points))), report


def _is_alone(p):
    """Whether by the parameters `p` nothing may be mixed in."""
    return p.tail is None and p.parzen is None


def _log_densities(p, density, validation, n_points):
    """Log-densities of the rows along the flow, (k,), offers of what may be mixed in, by name, and weights of the rows.

    Columns with atoms are made of rows that repeat others, and windows are too narrow for their cells: such tables have
    the tail alone, which is nearly Gaussian if no row can be far.
    """
    of_each, weight = validation.points_of_each(n_points), validation.weight
    by_score = zip(validation.scores, of_each, strict=True)
    log_p = np.concatenate(
        [seen.log_mean(replace(density, noisy_score=score).flow_log_density(seen.Z)) for score, seen in by_score]
    )
    offers, points = {}, validation.table.points(validation.all_places, n_points)
    if p.tail is not None:
        degrees = DEGREES_OF_FREEDOM[-1:] if validation.table.none_is_far else DEGREES_OF_FREEDOM
        offers["tail"] = offer_tail(log_p, points.Z, density.noisy_score.variance, points.log_mean, degrees, weight)
    if validation.gaussians is not None:
        offers["gaussians"] = validation.gaussians(of_each, density.sigma_min)
    if validation.gaussians is not None and p.parzen is not None:
        X, of_rows = validation.rows.X, _mean_one(validation.rows.weight)
        windows = offer_windows(validation.all_places, X, of_rows, density.sigma_min, points)
        offers |= {} if windows is None else {"windows": windows}
    return log_p, offers, weight


# ---- along a path --------------------------------------------------------------------------------


def mix_along(p, density, path, validation):
    """The density at each level of the path with what is mixed in there, and how many points of cells these take."""
    compared, n_points = _along(p, density, path, validation)
    return [replace(each, mixture=choose_mixture(*found)) for each, found in compared], n_points


def best_level(p, density, path, validation):
    """The level of the path at which the mixture has the largest log-likelihood."""
    compared, _ = _along(p, density, path, validation)
    log_mixed = np.stack([choose_weights(*found)[1] for _, found in compared])
    return path[choose_level(log_mixed, validation.fewer(PATH_ROWS).weight)]


def _along(p, density, path, validation):
    """The density at each level of the path, each with the `_log_densities` of fewer rows, and the number of points.

    Steps of the flow are of one size, as many as the smallest level needs, and points of cells as many. Means over rows
    are wanted, for which fewer steps will do than for each row.
    """
    validation = validation.fewer(PATH_ROWS)
    few, table = validation.few(STEP_ROWS), validation.table.at(path[0])
    smallest = replace(density, sigma_min=path[0])
    smallest, n_points, _ = _with_cells(smallest, table, few)
    smallest, _ = smallest.with_steps(table.points(few, n_points), tolerance=PATH_TOLERANCE)
    length = np.log(density.sigma_max / path)
    n_steps = np.ceil(smallest.n_steps * length / length[0]).astype(int)
    densities = [replace(smallest, sigma_min=sigma, n_steps=int(n)) for sigma, n in zip(path, n_steps, strict=True)]
    return [(each, _log_densities(p, each, validation.at(each.sigma_min), n_points)) for each in densities], n_points


# ---- rows and their cells ------------------------------------------------------------------------


def _distinct(X, weight):
    """Places of the distinct rows, and the weight of all that equal each, (n,), at its place: twins are one row."""
    first, total = distinct(group_rows(X), weight)
    share = np.zeros(len(X))
    share[first] = total
    return first, share


def _mean_one(weight):
    return None if weight is None else weight / weight.mean()


def _with_cells(density, table, index):
    """The density with fewer steps of the flow if cells allow it, and how many points of these they leave time for."""
    n_steps, points = density.n_steps, table.points(index, table.fewest_points)
    if table.has_atoms:

        def log_density(n):
            return points.log_mean(replace(density, n_steps=n).flow_log_density(points.Z))

        density = replace(density, n_steps=choose_number_of_steps(log_density, n_steps))
    most = MAX_POINTS * n_steps // density.n_steps
    return density, *choose_number_of_points(density.flow_log_density, table, index, most)
