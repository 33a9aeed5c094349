"""From parameters and the coordinates of rows to a fitted law: what "auto" means, and the two routes.

The estimator is read here as a holder of parameters, and never written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np

from ..formulas.moments import Moments
from ..formulas.schedules import geometric_ladder
from ..levels.flow_density import FlowDensity
from ..levels.ladder import fit_ladder, gather
from ..levels.level_density import LevelDensity, PotentialFamily
from ..models.catalog import resolve_model
from ..models.family import Choice, Sample
from ..models.fitted_density import FittedDensity
from ..models.objectives import Implicit

__all__ = ["Fitted", "Rows", "coordinates", "fit_closed_form", "fit_network", "may_scale", "noise_range", "so_far"]

CLOSED_FORM_LEVELS = 41  # θ's of a closed-form model where no ladder was asked for
SMALL_TABLE, SMALL_TABLE_FOLDS = 500, 10
MAX_JUDGES = 20_000  # held-out rows, at most
JUDGED_ROWS, REPORT_ROWS = 1000, 256
FEW_COLUMNS, N_WAVES = 3, 2  # tables so narrow that sines and cosines of their columns help
NARROW_TABLE_FOLDS = 3  # of which three narrow networks cost less than a wide one, and are better


@dataclass(frozen=True)
class Rows:
    """Rows in the coordinates of the noise.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
    weight : ndarray of shape (n,) or None
    variance : ndarray of shape (d,)
        λ of the reference Gaussian.
    moments : Moments
        Of all rows seen, Z and those before.
    """

    Z: np.ndarray
    weight: np.ndarray | None
    variance: np.ndarray
    moments: Moments


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves on the estimator."""

    law: Any
    source: Any
    levels: np.ndarray
    device: str
    statistics: Any = None
    report: Any = None
    train_curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)
    n_iter: int = 0
    best_iter: int = 0
    alpha: float | None = None
    remarks: tuple[str, ...] = ()

    def attributes(self):
        """Fitted attributes by name."""
        names = {"noise_levels_": self.levels, "device_": self.device, "statistics_": self.statistics}
        names |= {"_law": self.law, "_source": self.source}
        names |= {"train_loss_curve_": self.train_curve, "validation_loss_curve_": self.validation_curve}
        names |= {
            "alpha_": self.alpha,
            "n_iter_": self.n_iter,
            "best_iter_": self.best_iter,
            "likelihood_report_": self.report,
        }
        tail, windows = getattr(self.law, "tail", None), getattr(self.law, "windows", None)
        names |= {"tail_weight_": 0.0 if tail is None else tail.weight}
        names |= {"tail_df_": np.inf if tail is None else tail.part.df}
        names |= {"parzen_weight_": 0.0 if windows is None else windows.weight}
        names |= {"parzen_widths_": {} if windows is None else windows.part.weights_by_width()}
        names |= {"score_level_": getattr(self.law, "score_level", None) or self.levels[-1]}
        return names


def coordinates(p):
    """Kind of coordinates that the parameters `p` ask for.

    The columns of a closed-form model are its user's, so they are not rotated; an energy needs one scale in all
    directions to have all its gradients of one size.
    """
    if p.preconditioning != "auto":
        return p.preconditioning
    if p.model != "network":
        return "standardize"
    return "whiten" if p.parametrization == "energy" else "per_direction"


def may_scale(p):
    """Whether rows may have scales of their own: where the user chose no coordinates, and no single noise level."""
    n_levels = p.n_levels if p.noise_levels is None else len(_explicit_levels(p.noise_levels))
    return p.preconditioning == "auto" and p.model == "network" and n_levels != 1


def noise_range(p, variance):
    """(σ_min, σ_max, ladder or None) of the parameters `p`, over a reference Gaussian of variances λ (d,)."""
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
    ladder = None if p.n_levels is None else geometric_ladder(p.sigma_min, sigma_max, p.n_levels)
    return p.sigma_min, sigma_max, ladder


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


def fit_closed_form(p, rows, seed, former=None):
    """Fit an exponential family at each level; `former` are statistics of rows seen before."""
    sigma_min, sigma_max, levels = noise_range(p, rows.variance)
    levels = geometric_ladder(sigma_min, sigma_max, CLOSED_FORM_LEVELS) if levels is None else levels
    if former is None:
        sample = Sample(rows.Z, None, rows.weight, rows.moments)
        choice = resolve_model(p.model).without_noise().choose(sample, Implicit(), p.alpha, "log_likelihood")
    else:
        choice = Choice(former.family, p.alpha_)
    family, alpha = choice.family, choice.alpha
    statistics = gather(family, rows.Z, rows.weight, levels)
    if statistics.moments_suffice:
        statistics = replace(statistics, table=rows.moments)
    elif former is not None:
        statistics = former + statistics
    ladder = fit_ladder(statistics, rows.variance, alpha)
    remarks = (*choice.remarks, *ladder.remarks)
    if len(levels) == 1:
        law = FittedDensity(ladder.families[0], ladder.thetas[0], statistics.table, seed, repr(p.model))
        level = LevelDensity(ladder, sigma_min, law)
        return Fitted(level, ladder, levels, "cpu", statistics, alpha=alpha, remarks=remarks)
    law = FlowDensity(ladder, sigma_min, sigma_max, p.n_likelihood_steps, seed)
    law, report = _choice(p, law, rows, None, "cpu")
    return Fitted(law, ladder, levels, "cpu", statistics, report, alpha=alpha, remarks=remarks)


# ---- network -------------------------------------------------------------------------------------


def fit_network(p, rows, seed, watch, former=None):
    """Train networks; `former` is the source of an earlier fit whose weights they begin with."""
    from ..neural import fit as neural  # torch is loaded here, and only for networks
    from ..neural.checkpoint import Checkpoint
    from ..neural.devices import resolve_device

    device = resolve_device(p.device)
    sigma_min, sigma_max, levels = noise_range(p, rows.variance)
    noise = neural.Noise(sigma_min, sigma_max, levels, p.noise_distribution)
    former = former if isinstance(former, neural.Denoiser) else None
    architecture = neural.Architecture(rows.variance, p.parametrization, p.network, _network_options(p, rows.Z, former))
    n_networks, folds = _networks_and_folds(p, *rows.Z.shape, seed, former)
    job = neural.TrainingJob(rows.Z, rows.weight, architecture, noise, _recipe(p, rows.Z), n_networks, seed, device)
    own = "" if p.checkpoint is None else _fingerprint(p, rows, seed)
    checkpoint = Checkpoint(p.checkpoint, p.checkpoint_every, own)
    trained = job.run(folds, checkpoint, lambda run: watch(run, partial(job.denoiser, run, len(folds))), former)
    source, report = trained.denoiser, None
    law = _law(p, source, rows, seed)
    if sigma_min < sigma_max:
        law, report = _choice(p, law, rows, folds, device)
    if p.refit:
        source = job.refitted(trained)
        law = replace(law, source=source)
    run, ends = trained.run, np.array([sigma_max, sigma_min])
    curves = run.train_curve, run.validation_curve
    levels = ends if levels is None else levels
    return Fitted(law, source, levels, device, None, report, *curves, run.step, run.best.step)


def so_far(p, source, rows, seed):
    """What a training interrupted now would leave, without a tail."""
    levels = np.array(noise_range(p, rows.variance)[1::-1])
    return Fitted(_law(p, source, rows, seed), source, levels, "cpu")


def _law(p, source, rows, seed):
    sigma_min, sigma_max, _ = noise_range(p, rows.variance)
    if sigma_min < sigma_max:
        return FlowDensity(source, sigma_min, sigma_max, p.n_likelihood_steps, seed)
    return LevelDensity(source, sigma_min, _one_level_density(p, source, sigma_min, rows, seed))


def _network_options(p, Z, former):
    """Options of the residual network; more dropout where rows are few."""
    n, d = Z.shape
    dropout = (0.2 if n < 400 * d else 0.1 if n < 4000 * d else 0.0) if p.dropout == "auto" else p.dropout
    sizes = p.hidden_layer_sizes
    if isinstance(sizes, str):
        width = 128 if n <= SMALL_TABLE or d <= FEW_COLUMNS else 256
        sizes = (width,) * 3 if former is None else former.build.options["hidden_layer_sizes"]
    sizes = tuple(sizes)
    if not sizes or not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes={p.hidden_layer_sizes!r}: give the width of each layer, at least one.")
    sizes = tuple(int(size) for size in sizes)
    n_waves = N_WAVES if d <= FEW_COLUMNS and p.parametrization == "score" else 0
    return {"hidden_layer_sizes": sizes, "activation": p.activation, "dropout": dropout, "n_waves": n_waves}


def _recipe(p, Z):
    from ..neural.training import Recipe

    n, d = Z.shape
    small = n <= SMALL_TABLE
    batch = (128 if small else 512) if p.batch_size == "auto" else p.batch_size
    steps = (1000 if small else 8000 if d <= FEW_COLUMNS else 4200) if p.max_iter == "auto" else p.max_iter
    if p.max_epochs is not None:
        steps = p.max_epochs * -(-n // batch)
    return Recipe(
        learning_rate=(2e-3 if small else 3e-3) if p.learning_rate == "auto" else p.learning_rate,
        weight_decay=p.weight_decay,
        batch_size=batch,
        max_steps=steps,
        check_every=50 if small else 100,
        max_time=np.inf if p.max_time is None else p.max_time,
        weighting=p.weighting,
        autocast=p.autocast,
        compile=p.torch_compile,
    )


def _networks_and_folds(p, n, d, seed, former):
    """Networks for each fold, and the rows that each fold holds out; as many as the `former` had, if it had any."""
    n_networks = 1 if p.n_networks == "auto" else p.n_networks
    k = SMALL_TABLE_FOLDS if n <= SMALL_TABLE else NARROW_TABLE_FOLDS if d <= FEW_COLUMNS else 1
    k = k if p.n_folds == "auto" else p.n_folds
    if former is not None:
        return len(former.weights) // former.n_folds, _folds(p, n, seed, former.n_folds)
    return n_networks, _folds(p, n, seed, min(k, n))


def _folds(p, n, seed, k):
    """Rows held out by the networks of each of k folds, as index arrays; a single row is held out by none."""
    order = np.random.default_rng([seed, n]).permutation(n)
    if n == 1:
        return [order[:0]] * k
    if k > 1:
        return [np.sort(fold) for fold in np.array_split(order, k)]
    return [np.sort(order[: min(MAX_JUDGES, max(1, round(p.validation_fraction * n)), n - 1)])]


def _fingerprint(p, rows, seed):
    """Of everything that a training depends on."""
    from ..neural.checkpoint import fingerprint

    return fingerprint(p, rows.Z, rows.weight, seed)


def _one_level_density(p, source, sigma, rows, seed):
    """Normalised law of an energy network at its only noise level; None for a plain score."""
    if p.parametrization == "score":
        return None
    noisy = replace(rows.moments, covariance=rows.moments.covariance + sigma**2 * np.eye(len(rows.variance)))
    return FittedDensity(PotentialFamily(source, sigma), None, noisy, seed, "network")


# ---- what validation rows settle -----------------------------------------------------------------


def _choice(p, law, rows, folds, device):
    """The law with its number of steps, its tail, its windows and the level of its score, and the report on them.

    Rows of a fold are judged by the networks that did not see them. Closed-form models have so few parameters that the
    training rows serve; their score errs at no level, and what has no place in their family is not mixed in.
    """
    judges = [(law, _evenly(len(rows.Z), JUDGED_ROWS))]
    held_out = folds is not None and len(folds[0]) > 0
    if held_out:
        most = -(-JUDGED_ROWS // len(folds))
        unseeing = [replace(law, source=law.source.part(k)) for k in range(len(folds))]
        judges = [(part, fold[_evenly(len(fold), most)]) for part, fold in zip(unseeing, folds, strict=True)]
        law = law.with_score_level([(part.source.field(device), rows.Z[places]) for part, places in judges])
    own = np.concatenate([places for _, places in judges])
    law, report = law.with_steps(rows.Z[own[_evenly(len(own), REPORT_ROWS)]], device)
    windows = p.parzen is not None and held_out
    if p.tail is None and not windows:
        return law, report
    log_p = np.concatenate([replace(m, n_steps=law.n_steps).flow_log_density(rows.Z[at], device) for m, at in judges])
    law = law if p.tail is None else law.with_tail(rows.Z[own], log_p)
    return law.with_windows(log_p, own, rows.Z, rows.weight) if windows else law, report


def _evenly(n, most):
    """Places of at most `most` of n rows, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)
