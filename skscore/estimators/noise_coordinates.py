"""From a table to coordinates in which noise is isotropic: the preprocessing of a closed form, and that of a network.

The estimator is read here as a holder of parameters `p`, and never written.
"""

from __future__ import annotations

from dataclasses import replace

from ..formulas.moments import Moments, moments
from ..models.family import Sample
from ..neural import ScoreNetwork
from .all_rows import AllRows
from .ladder_statistics import LadderPlan, plan_ladder
from .noise_path import explicit_levels, noise_path, usual_level
from .preprocessing import Preprocessing, SpreadRows, preprocessing_of, read_preprocessing

__all__ = ["coordinates", "in_coordinates", "may_scale", "planned_ladder", "preprocessed"]


def coordinates(p, model):
    """Kind of coordinates that the parameters `p` ask for.

    The columns of a closed-form model are its user's, so they are not rotated; an energy needs one scale in all
    directions to have all its gradients of one size.
    """
    if p.preconditioning != "auto":
        return p.preconditioning
    if not isinstance(model, ScoreNetwork):
        return "standardize"
    return "whiten" if model.parametrization == "energy" else "per_direction"


def may_scale(p, model):
    """Whether rows may have scales of their own: if the user chose no coordinates, and not one single noise level."""
    n_levels = p.n_levels if p.noise_levels is None else len(explicit_levels(p.noise_levels))
    return p.preconditioning == "auto" and isinstance(model, ScoreNetwork) and n_levels != 1


def in_coordinates(p, preprocessing, seen, X, weight) -> tuple[Sample, SpreadRows]:
    """Rows in the coordinates of the noise, with the moments of all `seen`, and as they are spread over their cells."""
    table = SpreadRows(X, preprocessing).at(usual_level(noise_path(p)))
    Z = next(table.spreads())
    return Sample(Z, None, weight, preprocessing.mapped_moments(seen, Z, weight)), table


def planned_ladder(p, model, X, weight, columns, former=None) -> LadderPlan:
    """The plan of rows for a closed form, in coordinates of their own or in those of a former fit."""
    kind = coordinates(p, model)
    if former is None:
        fitted = read_preprocessing(X, weight, p.dequantize, p.bounds)
        spread, seen = next(fitted.spreads(X)), fitted.spread_moments(X, weight)
        fitted = fitted.isotropic(spread, seen, kind)
    else:
        former.check_values(X)
        fitted = replace(former, moments=moments(X, weight), spread=former.spread_moments(X, weight))
    return plan_ladder(p, model, X, weight, fitted, kind, columns)


def preprocessed(p, network, source: AllRows, former=None) -> tuple[AllRows, Preprocessing, Moments]:
    """All rows, with those here that the preprocessing needs; it, that of a former fit if there is one; their moments.

    The moments are those of all rows, spread over their cells.
    """
    if former is not None:
        source.group.together(lambda: [former.check_values(X) for _, X, _ in source.blocks()])
        return source, former, former.moments_of_all(source)
    (source, fitted), kind = preprocessing_of(source, p.dequantize, p.bounds), coordinates(p, network)
    spread, seen = next(fitted.spreads(source.X)), fitted.moments_of_all(source)
    fitted = fitted.isotropic(spread, seen, kind)
    fitted = fitted.with_scales(spread, source.weight, kind) if may_scale(p, network) else fitted
    return source, source.group.first(fitted), seen
