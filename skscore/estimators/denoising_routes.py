"""From rows in the coordinates of the noise to a fitted density, by one of two routes: closed form or network.

The estimator is read here as a holder of parameters `p`, and never written. `rows` is a ``Sample`` of rows Z (n, d),
their weights and the moments of all rows seen; `variance` holds λ (d,) of the reference Gaussian.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..formulas.schedules import geometric_ladder
from ..levels.flow_density import FlowDensity
from ..levels.ladder import LadderSummary, fit_ladder, gather
from ..levels.level_density import LevelDensity, PotentialFamily
from ..models.family import Choice, Sample
from ..models.fitted_density import FittedDensity
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


def fit_closed_form(p, model, rows: Sample, variance, seed, previous=None) -> Fitted:
    """Fit an exponential family at each level; `previous` are summary and ridge of rows seen before."""
    sigma_min, sigma_max, levels = noise_range(p, variance)
    levels = geometric_ladder(sigma_min, sigma_max, CLOSED_FORM_LEVELS) if levels is None else levels
    if previous is None:
        choice = model.without_noise().choose(rows, Implicit(), p.alpha, "log_likelihood")
    else:
        choice = Choice(previous[0].family, previous[1])
    summary = gather(choice.family, rows.X, rows.weight, levels)
    if summary.moments_suffice:
        summary = replace(summary, table=rows.moments)
    elif previous is not None:
        summary = previous[0] + summary
    ladder = fit_ladder(summary, variance, choice.alpha)
    remarks = (*choice.remarks, *ladder.remarks)
    if len(levels) == 1:
        normalised = FittedDensity(ladder.families[0], ladder.thetas[0], summary.table, seed, repr(p.model))
        return Fitted(LevelDensity(ladder, sigma_min, normalised), levels, summary, choice.alpha, remarks=remarks)
    flow = FlowDensity(ladder, sigma_min, sigma_max, p.n_likelihood_steps, seed)
    density, report = _validated(p, flow, rows, None)
    return Fitted(density, levels, summary, choice.alpha, report, remarks=remarks)


# ---- network -------------------------------------------------------------------------------------


def fit_network(p, network: ScoreNetwork, rows: Sample, variance, seed, watch, start=None) -> Fitted:
    """Train networks.

    ``watch(state, interim)`` is called after each validation: with the TrainingState, and a function that returns what
    a training interrupted now would leave, without a tail. It ends the training by returning True. `start` is the
    noise-conditional score of an earlier fit, whose weights training begins with if they are those of networks.
    """
    begun = time.monotonic()
    from ..neural.checkpoint import Checkpoint, fingerprint  # torch is loaded here, and only for networks
    from ..neural.denoiser import Architecture, Denoiser
    from ..neural.devices import resolve_device
    from ..neural.noise_schedule import noise_schedule
    from ..neural.training import Ensemble

    (n, d), device = rows.X.shape, resolve_device(network.device)
    sigma_min, sigma_max, levels = noise_range(p, variance)
    start = start if isinstance(start, Denoiser) else None
    chosen = network.for_table(n, d, start)
    ensemble = Ensemble(
        rows.X,
        rows.weight,
        Architecture(variance, chosen.parametrization, chosen.network, chosen.layers(d)),
        noise_schedule(sigma_min, sigma_max, levels, p.noise_distribution, device),
        chosen.training_config(n, p.weighting),
        _folds(chosen, n, seed),
        chosen.n_networks,
        seed,
        device,
    )
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
        step = replace(interim(state).density, n_steps=1)
        return seconds_of_validation(
            lambda n: step.flow_log_density(rows.X[:n]), p.n_likelihood_steps, len(ensemble.folds)
        )

    many_levels, max_time = sigma_min < sigma_max, network.max_time
    if max_time is None:
        state, folds = train(), ensemble.folds
    else:
        share = 1.0 - len(ensemble.folds[0]) / n if network.refit else None
        seconds_of = seconds_of if many_levels else lambda state: lambda n: 0.0
        state, folds = trained_in_time(train, seconds_of, ensemble.folds, SCORED_ROWS, begun, max_time, share)
    density, report, remarks = interim(state).density, None, ()
    if many_levels and folds is None:
        remarks = (_no_time(max_time),)
    elif many_levels:
        density, report = _validated(p, density, rows, folds)
    if network.refit:
        deadline = np.inf if max_time is None else begun + max_time
        density = replace(density, noisy_score=ensemble.refitted(state, deadline))
    curves = state.train_curve, state.validation_curve
    return Fitted(density, named, None, None, report, *curves, state.step, state.best.step, remarks)


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


def _validated(p, density, rows, folds):
    """The density with its number of steps, its tail, its windows and the level of its score, and the report on them.

    Rows of a fold are scored by the networks that have not seen them. Closed-form models have so few parameters that
    the training rows serve; their score errs at no level, and nothing outside their family is mixed in.
    """
    validation = [(density, _evenly(len(rows.X), SCORED_ROWS))]
    held_out = folds is not None and len(folds[0]) > 0
    if held_out:
        most = -(-SCORED_ROWS // len(folds))
        unseeing = [replace(density, noisy_score=density.noisy_score.part(k)) for k in range(len(folds))]
        validation = [(part, fold[_evenly(len(fold), most)]) for part, fold in zip(unseeing, folds, strict=True)]
        density = density.with_score_level([(part.noisy_score, rows.X[index]) for part, index in validation])
    held = np.concatenate([index for _, index in validation])
    density, report = density.with_steps(rows.X[held[_evenly(len(held), REPORT_ROWS)]])
    windows = p.parzen is not None and held_out
    if p.tail is None and not windows:
        return density, report
    log_p = np.concatenate(
        [replace(part, n_steps=density.n_steps).flow_log_density(rows.X[index]) for part, index in validation]
    )
    density = density if p.tail is None else density.with_tail(rows.X[held], log_p)
    return density.with_windows(log_p, held, rows.X, rows.weight) if windows else density, report


def _evenly(n, most):
    """Indices of at most `most` of n rows, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)
