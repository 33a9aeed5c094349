"""From rows in the coordinates of the noise to a fitted density, by one of two routes: closed form or network.

The estimator is read here as a holder of parameters `p`, and never written. `rows` is a ``Sample`` of rows Z (n, d),
their weights and the moments of all rows seen; `table` holds them as ``SpreadRows``, and with its preprocessing the
variances λ (d,) of the reference Gaussian.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from ..formulas.schedules import geometric_ladder
from ..levels.cell_accuracy import MAX_POINTS, choose_number_of_points, choose_number_of_steps
from ..levels.flow_density import FlowDensity
from ..levels.gaussians import offer_gaussians
from ..levels.ladder import LadderSummary, fit_ladder, gather
from ..levels.level_density import LevelDensity, PotentialFamily
from ..levels.mixture import choose_mixture
from ..levels.parzen import offer_windows
from ..levels.student_tail import DEGREES_OF_FREEDOM, offer_tail
from ..models.family import Choice, Sample
from ..models.fitted_density import FittedDensity
from ..models.folds import distinct, group_rows
from ..models.objectives import Implicit
from ..neural import ScoreNetwork
from .fit_time import seconds_of_validation, trained_in_time

__all__ = ["Fitted", "coordinates", "fit_closed_form", "fit_network", "may_scale", "noise_range"]

CLOSED_FORM_LEVELS = 41  # θ's of a closed-form model if the user asked for no levels
MAX_VALIDATION_ROWS = 20_000
SCORED_ROWS, REPORT_ROWS = 1000, 256  # validation rows behind the tail and windows, and behind the report


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind.

    Parameters
    ----------
    density : FlowDensity or LevelDensity
    levels : ndarray of shape (L,)
        Noise levels of the training, decreasing, or their two ends.
    summary : LadderSummary or None
        What a closed-form model keeps of the rows.
    alpha : float or None
        Its ridge.
    report : LikelihoodReport or None
    train_curve, validation_curve : list of float
    n_iter, best_iter : int
    n_points : int
        Of the cells of a row, behind its log-density.
    remarks : tuple of str
        What a user should know of the fit, in sentences.
    """

    density: Any
    levels: np.ndarray
    summary: LadderSummary | None = None
    alpha: float | None = None
    report: Any = None
    train_curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)
    n_iter: int = 0
    best_iter: int = 0
    n_points: int = 1
    remarks: tuple[str, ...] = ()


# ---- what the parameters say ---------------------------------------------------------------------


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
    n_levels = p.n_levels if p.noise_levels is None else len(_explicit_levels(p.noise_levels))
    return p.preconditioning == "auto" and isinstance(model, ScoreNetwork) and n_levels != 1


def noise_range(p, variance):
    """(σ_min, σ_max, levels or None) of the parameters `p`, over a reference Gaussian of variances λ (d,)."""
    if p.noise_levels is not None:
        levels = _explicit_levels(p.noise_levels)
        return levels[-1], levels[0], levels
    sigma_max = 20.0 * max(1.0, np.sqrt(variance.max())) if p.sigma_max == "auto" else float(p.sigma_max)
    if p.n_levels == 1:
        return p.sigma_min, p.sigma_min, np.array([p.sigma_min])
    if sigma_max <= p.sigma_min:
        raise ValueError(
            f"sigma_max={p.sigma_max!r} is not above sigma_min={p.sigma_min}: raise it, or set n_levels=1."
        )
    levels = None if p.n_levels is None else geometric_ladder(p.sigma_min, sigma_max, p.n_levels)
    return p.sigma_min, sigma_max, levels


def _explicit_levels(noise_levels):
    try:
        levels = np.sort(np.asarray(noise_levels, dtype=np.float64).ravel())[::-1]
        good = len(levels) > 0 and np.isfinite(levels).all() and levels[-1] > 0.0 and len(set(levels)) == len(levels)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"noise_levels={noise_levels!r}: give different positive levels, at least one.")
    return levels


# ---- closed form ---------------------------------------------------------------------------------


def fit_closed_form(p, model, rows: Sample, table, seed, previous=None) -> Fitted:
    """Fit an exponential family at each level; `previous` are summary and ridge of rows seen before."""
    variance = table.preprocessing.variance
    sigma_min, sigma_max, levels = noise_range(p, variance)
    levels = geometric_ladder(sigma_min, sigma_max, CLOSED_FORM_LEVELS) if levels is None else levels
    if previous is None:
        choice = model.without_noise().choose(rows, Implicit(), p.alpha, "log_likelihood")
    else:
        choice = Choice(previous[0].family, previous[1])
    summary = _gathered(choice.family, rows, table, levels)
    if summary.moments_suffice:
        summary = replace(summary, table=rows.moments)
    elif previous is not None:
        summary = previous[0] + summary
    ladder = fit_ladder(summary, variance, choice.alpha, normalised=len(levels) == 1)
    remarks = (*choice.remarks, *ladder.remarks)
    if len(levels) == 1:
        normalised = FittedDensity(ladder.families[0], ladder.thetas[0], summary.table, seed, repr(p.model))
        fitted: Any = LevelDensity(ladder, sigma_min, normalised)
    else:
        fitted = FlowDensity(ladder, sigma_min, sigma_max, p.n_likelihood_steps, seed)
    density, report, n_points = _chosen(p, fitted, rows, table, [])
    return Fitted(density, levels, summary, choice.alpha, report, n_points=n_points, remarks=remarks)


def _gathered(family, rows, table, levels):
    """What the ladder of a family knows of the rows, in the mean over their spreads."""
    weight = np.ones(len(rows.X)) if rows.weight is None else rows.weight
    share = rows.weight if table.n_spreads == 1 else weight / table.n_spreads
    return reduce(add, (gather(family, Z, share, levels) for Z in table.spreads()))


# ---- network -------------------------------------------------------------------------------------


def fit_network(p, network: ScoreNetwork, rows: Sample, table, seed, watch, start=None) -> Fitted:
    """Train networks.

    ``watch(state, interim)`` is called after each validation: with the TrainingState, and a function that returns what
    a training interrupted now would leave, without a tail. It ends the training by returning True. `start` is the
    noise-conditional score of an earlier fit, whose weights training begins with if they are those of networks.
    """
    begun = time.monotonic()
    from ..neural.checkpoint import Checkpoint, fingerprint  # torch is loaded here, and only for networks
    from ..neural.denoiser import Denoiser

    (n, d), variance = rows.X.shape, table.preprocessing.variance
    sigma_min, sigma_max, levels = noise_range(p, variance)
    start = start if isinstance(start, Denoiser) else None
    chosen = network.for_table(n, d, start)
    folds = _folds(chosen, n, seed)
    ensemble = _ensemble(p, chosen, rows, table, variance, folds, seed)
    named = np.array([sigma_max, sigma_min]) if levels is None else levels

    def interim(state):
        return Fitted(_density(p, chosen, ensemble.denoiser(state), rows, variance, seed), named)

    checkpoint = None
    if network.checkpoint is not None:
        own = fingerprint(p, rows.X, rows.weight, seed)
        checkpoint = Checkpoint(network.checkpoint, network.checkpoint_every, own)

    def train(deadline=np.inf, keep_time=lambda state: None):
        def watched(state):
            keep_time(state)
            return watch(state, lambda: interim(state))

        return ensemble.train(watched, start, checkpoint, deadline)

    def seconds_of(state):
        return _seconds_of_validation(p, interim(state).density, rows, table, len(folds))

    many_levels, max_time, validating = sigma_min < sigma_max, network.max_time, folds
    if max_time is None:
        state = train()
    else:
        share = 1.0 - len(folds[0]) / n if network.refit else None
        seconds_of = seconds_of if many_levels else lambda state: lambda n: 0.0
        state, validating = trained_in_time(train, seconds_of, folds, SCORED_ROWS, begun, max_time, share)
    remarks = (_no_time(max_time),) if many_levels and validating is None else ()
    density, report, n_points = _chosen(p, interim(state).density, rows, table, validating)
    if network.refit:
        deadline = np.inf if max_time is None else begun + max_time
        density = replace(density, noisy_score=ensemble.refitted(state, deadline))
    curves = state.train_curve, state.validation_curve
    return Fitted(density, named, None, None, report, *curves, state.step, state.best.step, n_points, remarks)


def _ensemble(p, network, rows, table, variance, folds, seed):
    """The networks, and the rows in all their spreads for these to be trained on."""
    from ..neural.devices import resolve_device
    from ..neural.ensemble import Ensemble
    from ..neural.noise_schedule import noise_schedule
    from ..neural.stacks import Architecture

    (n, d), device, spreads = rows.X.shape, resolve_device(network.device), list(table.spreads())
    sigma_min, sigma_max, levels = noise_range(p, variance)
    return Ensemble(
        np.concatenate(spreads),
        None if rows.weight is None else np.tile(rows.weight, len(spreads)),
        Architecture(variance, network.parametrization, network.network, network.layers(d)),
        noise_schedule(sigma_min, sigma_max, levels, p.noise_distribution, device),
        network.training_config(n, p.weighting, device),
        [np.concatenate([fold + n * k for k in range(len(spreads))]) for fold in folds],
        n,
        network.n_networks,
        seed,
        device,
    )


def _chosen(p, density, rows, table, folds):
    """The density with what validation rows choose, the report, the number of points; `folds` None leaves no time."""
    if isinstance(density, LevelDensity):
        few, n_points = _evenly(len(rows.X), REPORT_ROWS), 1
        if density.density is not None:
            n_points, _ = choose_number_of_points(density.log_potential, table, few)
        return density, None, n_points
    if folds is None:
        return density, None, table.fewest_points
    density, report = _validated(p, density, rows, table, folds)
    return density, report, report.n_cell_points


def _seconds_of_validation(p, density, rows, table, n_folds):
    """Function from a number of validation rows to the seconds that they will take, if the steps are doubled once."""
    step, n_points = replace(density, n_steps=1), MAX_POINTS if table.has_atoms else 1

    def take_step(n):
        step.flow_log_density(np.resize(rows.X, (n * n_points, rows.X.shape[1])))

    return seconds_of_validation(take_step, 2 * p.n_likelihood_steps, n_folds)


def _no_time(max_time):
    return (
        f"max_time={max_time} leaves no time for validation rows to choose the number of steps, the tail, the windows "
        "and the level of the score: a far row may cost hundreds of nats. Raise max_time, or take a smaller network or "
        "n_folds=1."
    )


def _density(p, network, denoiser, rows, variance, seed):
    sigma_min, sigma_max, _ = noise_range(p, variance)
    if sigma_min < sigma_max:
        return FlowDensity(denoiser, sigma_min, sigma_max, p.n_likelihood_steps, seed)
    if network.parametrization == "score":
        return LevelDensity(denoiser, sigma_min, None)
    noisy = replace(rows.moments, covariance=rows.moments.covariance + sigma_min**2 * np.eye(len(variance)))
    family = PotentialFamily(replace(denoiser, device="cpu"), sigma_min)
    return LevelDensity(denoiser, sigma_min, FittedDensity(family, None, noisy, seed, "network"))


def _folds(network, n, seed):
    """Rows held out by the networks of each fold, as index arrays; a single row is held out by none."""
    order = np.random.default_rng([seed, n]).permutation(n)
    if n == 1:
        return [order[:0]] * network.n_folds
    if network.n_folds > 1:
        return [np.sort(fold) for fold in np.array_split(order, network.n_folds)]
    number = min(MAX_VALIDATION_ROWS, max(1, round(network.validation_fraction * n)), n - 1)
    return [np.sort(order[:number])]


# ---- what validation rows choose -----------------------------------------------------------------


def _validated(p, density, rows, table, folds):
    """The density with what validation rows choose for it, and the report on them.

    They choose the points of cells, the level of the score, the steps, and what is mixed in. Rows of a fold are scored
    by the networks that have not seen them. Closed-form models have so few parameters that the training rows serve,
    with their weights, and their score errs at no level.
    """
    held_out = len(folds) > 0 and len(folds[0]) > 0
    if not held_out:
        first, share = _distinct(table.X, rows.weight)
        parts = [(density, first[_evenly(len(first), SCORED_ROWS)])]
    else:
        share = np.ones(len(rows.X)) if rows.weight is None else rows.weight
        most = -(-SCORED_ROWS // len(folds))
        unseeing = [replace(density, noisy_score=density.noisy_score.part(k)) for k in range(len(folds))]
        parts = [(part, fold[_evenly(len(fold), most)]) for part, fold in zip(unseeing, folds, strict=True)]
    held = np.concatenate([index for _, index in parts])
    few = held[_evenly(len(held), REPORT_ROWS)]
    density, n_points, difference = _with_cells(density, table, few)
    validation = [(part, table.points(index, n_points)) for part, index in parts]
    if held_out:
        density = density.with_score_level([(part.noisy_score, seen.Z) for part, seen in validation])
    density, report = density.with_steps(table.points(few, n_points))
    report = report._replace(n_cell_points=n_points, cell_difference=difference)
    if p.tail is None and p.parzen is None:
        return density, report
    log_p = np.concatenate(
        [seen.log_mean(replace(part, n_steps=density.n_steps).flow_log_density(seen.Z)) for part, seen in validation]
    )
    scored, weight, offers = table.points(held, n_points), _as_many_rows(share[held]), {}
    if p.tail is not None:
        offers["tail"] = _tail(density, table, log_p, scored, weight)
    if held_out and not table.has_atoms:
        left_out = [(fold, seen) for fold, (_, seen) in zip(folds, validation, strict=True)]
        offers |= _smooth_and_rough(p, density, rows, left_out, held, scored)
    return replace(density, mixture=choose_mixture(log_p, offers, weight)), report


def _as_many_rows(share):
    """Weights of rows as numbers of rows: in all, as many equal ones as would say as much (Kish, 1965)."""
    return share * share.sum() / np.square(share).sum()


def _tail(density, table, log_p, scored, weight):
    """The tail that rows ask for, nearly Gaussian if no row can be far."""
    degrees = DEGREES_OF_FREEDOM[-1:] if table.none_is_far else DEGREES_OF_FREEDOM
    return offer_tail(log_p, scored.Z, density.noisy_score.variance, scored.log_mean, degrees, weight)


def _smooth_and_rough(p, density, rows, left_out, held, scored):
    """Mixtures of Gaussians and windows over the rows, as offers by their names.

    Tables that have columns with atoms have none of them: such columns are made of rows that repeat others, and windows
    are too narrow for their cells.
    """
    weight = None if rows.weight is None else rows.weight / rows.weight.mean()
    offers = {"gaussians": offer_gaussians(rows.X, density.noisy_score.variance, left_out, density.sigma_min, weight)}
    windows = None if p.parzen is None else offer_windows(held, rows.X, weight, density.sigma_min, scored)
    return offers if windows is None else offers | {"windows": windows}


def _distinct(X, weight):
    """Places of the distinct rows, and the weight of all that equal each, (n,), at its place: twins are one row."""
    first, total = distinct(group_rows(X), weight)
    share = np.zeros(len(X))
    share[first] = total
    return first, share


def _with_cells(density, table, index):
    """The density with fewer steps of the flow if cells allow it, and how many points of these they leave time for."""
    n_steps, points = density.n_steps, table.points(index, table.fewest_points)
    if table.has_atoms:

        def log_density(n):
            return points.log_mean(replace(density, n_steps=n).flow_log_density(points.Z))

        density = replace(density, n_steps=choose_number_of_steps(log_density, n_steps))
    most = MAX_POINTS * n_steps // density.n_steps
    return density, *choose_number_of_points(density.flow_log_density, table, index, most)


def _evenly(n, most):
    """Indices of at most `most` of n rows, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)
