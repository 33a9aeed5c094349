"""From rows in the coordinates of the noise to a fitted density, by one of two routes: closed form or network.

The estimator is read here as a holder of parameters `p`, and never written. `rows` is a ``Sample`` of rows Z (n, d),
their weights and the moments of all rows seen; `table` holds them as ``SpreadRows``, and with its preprocessing the
variances λ (d,) of the reference Gaussian. `source` are all rows, of which these may be some.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..formulas.moments import evenly
from ..levels.cell_accuracy import MAX_POINTS, choose_number_of_points
from ..levels.flow_density import FlowDensity
from ..levels.ladder import fit_ladder
from ..levels.level_density import LevelDensity, PotentialFamily
from ..models.family import Sample
from ..models.fitted_density import FittedDensity
from ..neural import ScoreNetwork
from .fit_time import seconds_of_validation, trained_in_time
from .ladder_statistics import LadderStatistics
from .noise_path import noise_path, noise_range, usual_level
from .validation_rows import REPORT_ROWS, SCORED_ROWS, best_level, choose_all, mix_along, validation_rows

__all__ = ["Fitted", "fit_closed_form", "fit_network", "read_best", "read_path"]

MAX_VALIDATION_ROWS, VALIDATION_ROWS_OF_MANY = 20_000, 1000  # the latter of rows that are not all here
PATH_SHARE = 0.4  # of the steps of a log-density at each of these levels, in the mean


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind.

    Parameters
    ----------
    density : FlowDensity or LevelDensity
    levels : ndarray of shape (L,)
        Noise levels of the training, decreasing, or their two ends.
    alpha : float, ndarray or None
        Ridge of a closed-form model.
    report : LikelihoodReport or None
    train_curve, validation_curve : list of float
    n_iter, best_iter : int
    n_points : int
        Of the cells of a row, behind its log-density.
    sigma_min : float
        Noise level of the density.
    remarks : tuple of str
        What a user should know of the fit, in sentences.
    """

    density: Any
    levels: np.ndarray
    sigma_min: float
    alpha: Any = None
    report: Any = None
    train_curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)
    n_iter: int = 0
    best_iter: int = 0
    n_points: int = 1
    remarks: tuple[str, ...] = ()


# ---- closed form ---------------------------------------------------------------------------------


def fit_closed_form(p, statistics: LadderStatistics, rows: Sample, table, seed, read) -> list[Fitted]:
    """Fit an exponential family at each level.

    `rows`, in the coordinates of the noise, choose what else the density has; `read` is `read_best` or `read_path`.
    """
    plan, summary, variance, path = statistics.plan, statistics.summary, table.preprocessing.variance, noise_path(p)
    (_, sigma_max, _), choice, levels = noise_range(p, variance), plan.choice, plan.levels
    if summary.moments_suffice:
        summary = replace(summary, table=rows.moments)
    ladder = fit_ladder(summary, variance, choice.alpha, normalised=len(levels) == 1)
    remarks = (*choice.remarks, *ladder.remarks)
    if len(levels) == 1:
        normalised = FittedDensity(ladder.families[0], ladder.thetas[0], summary.table, seed, repr(p.model))
        density: Any = LevelDensity(ladder, sigma_max, normalised)
    else:
        density = FlowDensity(ladder, usual_level(path), sigma_max, p.n_likelihood_steps, seed)
    fitted = Fitted(density, levels, usual_level(path), choice.alpha, remarks=remarks)
    return read(p, fitted, rows, table, [])


# ---- network -------------------------------------------------------------------------------------


def fit_network(p, network: ScoreNetwork, source, rows: Sample, table, seed, watch, read, start=None) -> list[Fitted]:
    """Train networks.

    ``watch(state, interim)`` is called after each validation: with the TrainingState, and a function that returns what
    a training interrupted now would leave, without a tail. It ends the training by returning True. `start` is the
    noise-conditional score of an earlier fit, whose weights training begins with if they are those of networks. `read`
    is `read_best` or `read_path`.
    """
    begun = time.monotonic()
    from ..neural.checkpoint import checkpoint_of  # torch is loaded here, and only for networks
    from ..neural.denoiser import Denoiser

    n, d, variance = source.n, rows.X.shape[1], table.preprocessing.variance
    sigma_min, sigma_max, levels = noise_range(p, variance)
    start = start if isinstance(start, Denoiser) else None
    chosen = network.for_table(n, d, start, source.group.size)
    folds = _folds(chosen, source, seed)
    ensemble = _ensemble(p, chosen, source, rows, table, folds, seed)
    named = np.array([sigma_max, sigma_min]) if levels is None else levels

    def interim(state):
        density = _density(p, chosen, ensemble.denoiser(state), rows, variance, seed)
        return Fitted(density, named, usual_level(noise_path(p)))

    begun_with = None if start is None else (start.weights, start.shrinkage)
    checkpoint = checkpoint_of(network, p, rows.X, rows.weight, seed, begun_with, *source.beyond)

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
    trained = replace(
        interim(state),
        train_curve=state.train_curve,
        validation_curve=state.validation_curve,
        n_iter=state.step,
        best_iter=state.best.step,
        remarks=remarks,
    )
    readings = source.group.of_first(lambda: read(p, trained, rows, table, validating))
    if not network.refit:
        return readings
    refitted = ensemble.refitted(state, np.inf if max_time is None else begun + max_time, checkpoint)
    return [replace(fitted, density=replace(fitted.density, noisy_score=refitted)) for fitted in readings]


def _ensemble(p, network, source, rows, table, folds, seed):
    """The networks, and the rows for these to be trained on: in all their spreads, or taken from where they lie."""
    from ..neural.devices import resolve_device
    from ..neural.ensemble import Ensemble
    from ..neural.noise_schedule import noise_schedule
    from ..neural.noisy_rows import NoisyRows, TakenRows
    from ..neural.stacks import Architecture

    n, variance, device = source.n, table.preprocessing.variance, resolve_device(network.device)
    sigma_min, sigma_max, levels = noise_range(p, variance)
    schedule = noise_schedule(sigma_min, sigma_max, levels, p.noise_distribution, device)
    if source.are_here:
        spreads = list(table.spreads())
        weight = None if rows.weight is None else np.tile(rows.weight, len(spreads))
        noisy: Any = NoisyRows.on(device, np.concatenate(spreads), weight, variance, schedule)
        folds = [np.concatenate([fold + n * k for k in range(len(spreads))]) for fold in folds]
    else:
        noisy = TakenRows(device, partial(_spread, source, table), n, source.all_weights, variance, schedule, seed)
        folds = [source.places[fold] for fold in folds]
    return Ensemble(
        noisy,
        Architecture(variance, network.parametrization, network.network, network.layers(len(variance))),
        network.training_config(n, p.weighting, device),
        folds,
        n,
        network.n_networks,
        seed,
        device,
        source.group,
    )


def _spread(source, table, index, rng):
    """Rows z at some places of all."""
    return table.preprocessing.spread_and_map(source.take(index), rng)


# ---- the noise level of the density --------------------------------------------------------------


def read_best(p, fitted, rows, table, folds):
    """The fit at the noise level that validation rows choose, with all else that they choose for it there, in a list.

    `folds` None leaves no time to choose.
    """
    density, path, sigma_min = fitted.density, noise_path(p), fitted.sigma_min
    if isinstance(density, LevelDensity):
        few, n_points = evenly(len(rows.X), REPORT_ROWS), 1
        if density.density is not None:
            n_points, _ = choose_number_of_points(density.log_potential, table, few)
        return [replace(fitted, n_points=n_points)]
    if folds is None:
        return [replace(fitted, n_points=table.fewest_points)]
    validation = validation_rows(p, density.noisy_score, rows, table, folds)
    if len(path) > 1:
        sigma_min = best_level(p, density, path, validation)
    density, report = choose_all(p, replace(density, sigma_min=sigma_min), validation)
    return [replace(fitted, density=density, sigma_min=sigma_min, report=report, n_points=report.n_cell_points)]


def read_path(p, fitted, rows, table, folds):
    """The fit at every level of the path, each with what validation rows mix in there."""
    density, path, n_points = fitted.density, noise_path(p), table.fewest_points
    if folds is None:
        densities = [replace(density, sigma_min=sigma) for sigma in path]
    else:
        validation = validation_rows(p, density.noisy_score, rows, table, folds)
        densities, n_points = mix_along(p, density, path, validation)
    return [replace(fitted, density=each, sigma_min=each.sigma_min, n_points=n_points) for each in densities]


def _seconds_of_validation(p, density, rows, table, n_folds):
    """Function from a number of validation rows to the seconds of twice the steps, or of all points of their cells."""
    n_points, times = (MAX_POINTS, 1) if table.has_atoms else (1, 2)
    step = replace(density, n_steps=1)

    def take_step(n):
        step.flow_log_density(np.resize(rows.X, (n * n_points, rows.X.shape[1])))

    compared = PATH_SHARE * (len(noise_path(p)) - 1)
    return seconds_of_validation(take_step, round(times * p.n_likelihood_steps * (1.0 + compared)), n_folds)


def _no_time(max_time):
    return (
        f"max_time={max_time} leaves no time for validation rows to choose the number of steps, the mixture and "
        "levels of noise: a far row may cost hundreds of nats. Raise max_time, or take a smaller network or "
        "n_folds=1."
    )


def _density(p, network, denoiser, rows, variance, seed):
    sigma_min, sigma_max, _ = noise_range(p, variance)
    if sigma_min < sigma_max:
        return FlowDensity(denoiser, usual_level(noise_path(p)), sigma_max, p.n_likelihood_steps, seed)
    if network.parametrization == "score":
        return LevelDensity(denoiser, sigma_min, None)
    noisy = replace(rows.moments, covariance=rows.moments.covariance + sigma_min**2 * np.eye(len(variance)))
    family = PotentialFamily(replace(denoiser, device="cpu"), sigma_min)
    return LevelDensity(denoiser, sigma_min, FittedDensity(family, None, noisy, seed, "network"))


def _folds(network, source, seed):
    """Rows held out by the networks of each fold, as indices of those that are here; a single row is held out by none.

    Not all rows are dealt into folds if not all are here.
    """
    n = len(source.places)
    order = np.random.default_rng([seed, n]).permutation(n)
    if n == 1:
        return [order[:0]] * network.n_folds
    if network.n_folds > 1:
        dealt = order if source.are_here else order[:VALIDATION_ROWS_OF_MANY]
        return [np.sort(fold) for fold in np.array_split(dealt, network.n_folds)]
    most = MAX_VALIDATION_ROWS if source.are_here else VALIDATION_ROWS_OF_MANY
    number = min(most, max(1, round(network.validation_fraction * n)), n - 1)
    return [np.sort(order[:number])]
