r"""Numbers given levels by networks that know a row's levels, and which of its numbers are given and which asked for.

In the white coordinates r of the conditional Gaussian of the cells B asked for, given the cells A and the levels c (see
``models.mixed.conditional_gaussian``), noise is isotropic and the reference Gaussian is N(0, I). The networks F correct
its flow on the cells of B; those of A, without noise, stand beside them:

.. math:: \frac{dy_j}{d\log\sigma} = -\frac{\sigma}{1+\sigma^2}\,
          F_j\bigl(y;\ \tfrac14\log\sigma,\ B, A, c\bigr),\quad j \in B,

.. math:: \log p(x_B \mid x_A, c) = \log N\bigl(y_B(\sigma_{\max}); 0, I\bigr)
          - \int \frac{\sigma}{1+\sigma^2} \sum_{j \in B} \frac{\partial F_j}{\partial y_j}\,d\log\sigma
          - \log|L_{BB \mid A}|, \qquad y_B(\sigma_{\min}) = r_B .

F = 0 is the conditional Gaussian at any number of steps. That the flow begins at r itself, and not at
:math:`r/\sqrt{1+\sigma_{\min}^2}`, keeps the variances of the smoothed rows those of the rows (Silverman, 1986, §6.4).

The divergence is exact whatever p, and each log-density is that of a density. But networks that err make a family of
them in which :math:`p(x_A \mid c)\,p(x_B \mid x_A, c)` is not :math:`p(x_{AB} \mid c)`; `ConditionalScore.consistency`
says by how much.

References
----------
Silverman, B. W. (1986). Density estimation for statistics and data analysis. Chapman & Hall.
Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based generative
models. NeurIPS.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..formulas.moments import evenly, row_blocks
from ..formulas.schedules import Preconditioning, geometric_ladder
from ..likelihood import adaptive_steps, flow_log_density
from ..models.mixed.conditional_student import ConditionalStudent
from ..samplers import Flow, descend
from .checkpoint import checkpoint_of
from .conditional_rows import ConditionalRows, random_split, what_is_known
from .denoiser import Denoiser
from .devices import resolve_device
from .ensemble import Ensemble
from .noise_schedule import noise_schedule
from .score_network import ScoreNetwork
from .stacks import Architecture

__all__ = ["ConditionalScore", "fit_conditional_score"]

OF_A_FOLD = {"hidden_layer_sizes": (192,) * 3, "learning_rate": 6e-3, "batch_size": 512, "max_iter": 2500}
OF_FOLDS = {"hidden_layer_sizes": (128,) * 3, "learning_rate": 4e-3, "batch_size": 128, "max_iter": 3000}
SIGMA_MINS = 0.02, 0.05, 0.1, 0.2  # to choose from, in units of the white coordinates
SIGMA_MAX = 20.0
N_STEPS, N_SAMPLING_STEPS = 16, 32  # of a log-density, to begin with, and of a draw, at least
TOLERANCE = 0.01  # nats by which half as many steps may change a row in the mean
CHOOSING_ROWS, STEP_ROWS = 384, 96  # held-out rows that choose σ_min, and the number of steps
TAIL_DF, TAIL_SHARE = 3.0, 0.01  # of the tail, meanwhile
BLOCK = 1 << 24  # bytes of what is known of a block of rows


@dataclass(frozen=True, eq=False)
class ScoreOfRows:
    """The ``NoiseConditionalScore`` of rows of which something is known, in white coordinates.

    Parameters
    ----------
    networks : Denoiser
    target : ndarray of bool, shape (n, p)
        Cells asked for.
    known : ndarray of float32, shape (n, k)
        See `what_is_known`.
    """

    networks: Denoiser
    target: np.ndarray
    known: np.ndarray

    @property
    def variance(self):
        """λ."""
        return self.networks.variance

    def at(self, index):
        """The score of some of the rows."""
        return replace(self, target=self.target[index], known=self.known[index])

    def _inputs(self, X, level):
        return np.hstack([(self.target * X / level.r).astype(np.float32), self.known])

    def score(self, X, sigma):
        """∇ log p_σ of the rows (n, p); that of the reference in all cells not asked for."""
        level = Preconditioning(sigma, self.variance)
        return level.score(self.networks.output(self._inputs(X, level), sigma), X)

    def score_and_divergence(self, X, sigma):
        """The same and its divergence (n, 1)."""
        level, p = Preconditioning(sigma, self.variance), len(self.variance)
        axes, k = np.eye(p) / level.r, self.known.shape[1]
        directions, covectors = np.hstack([axes, np.zeros((p, k))]), np.eye(p) * level.out / sigma**2
        inputs, rounded = self._inputs(X, level), self.networks.rounds
        F, traces = self.networks.output_and_traces(inputs, sigma, directions, covectors, rounded)
        return level.score(F, X), (traces - 1.0 / level.r**2).sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class ConditionalScore:
    """A density p(x | c) of numbers given levels, and its conditionals: a ``ConditionalNumbers``.

    Parameters
    ----------
    gaussian : ConditionalGaussian
    of_folds : list of ConditionalGaussian
        The same of the rows that the networks of each fold have seen.
    networks : Denoiser
    layout : Layout
    sigma_min : float
    n_steps : int
        Of the flow.
    report : LikelihoodReport or None
        On the accuracy of the steps.
    """

    gaussian: Any
    of_folds: list
    networks: Any
    layout: Any
    sigma_min: float = SIGMA_MINS[0]
    n_steps: int = N_STEPS
    report: Any = None

    def part(self, k):
        """The density by what has not seen fold k."""
        return replace(self, gaussian=self.of_folds[k], networks=self.networks.part(k))

    # ---- the density -----------------------------------------------------------------------------

    @property
    def is_gaussian(self):
        """Whether held-out rows trust the networks at no level."""
        return not any(self.networks.shrinkage.factors)

    def log_prob(self, numbers, codes, target, given):
        """log p(x_B | x_A, c), shape (n,), as ``ConditionalNumbers`` says."""
        if self.is_gaussian:
            return self.gaussian.log_prob(numbers, codes, target, given)
        log_p, asked = np.zeros(len(codes)), np.flatnonzero(target.any(axis=1))
        for block in self._blocks(len(asked)):
            rows = asked[block]
            log_p[rows] = self._log_prob(numbers[rows], codes[rows], target[rows], given[rows])
        return log_p

    def _log_prob(self, numbers, codes, target, given):
        X, score, constant = self._whitened(numbers, codes, target, given)
        return flow_log_density(X, score.at, self._levels(self.n_steps))[0] + constant

    def _whitened(self, numbers, codes, target, given):
        """Rows (n, p) at σ_min, their score, and what their log-density in it lacks to the log-density, (n,).

        Cells not asked for stand at zero, which no flow moves.
        """
        R, log_det = self.gaussian.whiten(numbers, codes, target, given)
        scale = np.sqrt(1.0 + self.sigma_min**2)
        others = R.shape[1] - target.sum(axis=1)
        constant = R.shape[1] * np.log(scale) + 0.5 * np.log(2.0 * np.pi) * others - log_det
        return scale * np.where(target, R, 0.0), self._score(R, codes, target, given), constant

    def _score(self, R, codes, target, given):
        return ScoreOfRows(self.networks, target, what_is_known(R, self.gaussian.features(codes), target, given))

    def _levels(self, n_steps):
        return geometric_ladder(self.sigma_min, SIGMA_MAX, n_steps + 1)

    def _blocks(self, n):
        return row_blocks(n, 4 * (4 * len(self.layout.state) + sum(self.layout.n_levels)), BLOCK)

    # ---- draws -----------------------------------------------------------------------------------

    def sample(self, numbers, codes, given, rng):
        """`numbers` with every cell that is not given drawn, shape (n, p); NaN if it holds no number by its state."""
        target = self.layout.holds_number(codes) & ~given
        drawn, asked = np.where(given, numbers, np.nan), np.flatnonzero(target.any(axis=1))
        for block in self._blocks(len(asked)):
            rows = asked[block]
            drawn[rows] = self._sample(drawn[rows], codes[rows], target[rows], given[rows], rng)
        return drawn

    def _sample(self, numbers, codes, target, given, rng):
        R, _ = self.gaussian.whiten(numbers, codes, np.zeros_like(given), given)
        flow = Flow(self._levels(max(self.n_steps, N_SAMPLING_STEPS)))
        X = descend(flow, self._score(R, codes, target, given), len(R), rng)
        drawn = np.where(given, R, X / np.sqrt(1.0 + self.sigma_min**2))
        return self.gaussian.unwhiten(drawn, numbers, codes, target, given)

    # ---- what held-out rows say ------------------------------------------------------------------

    def consistency(self, rows, rng):
        """Mean of log p(x_A | c) + log p(x_B | x_A, c) − log p(x_AB | c) over random splits of rows not seen.

        Both parts have a number; rows with fewer than two are left out.
        """
        rows = rows.at((~np.isnan(rows.numbers)).sum(axis=1) > 1)
        holds = ~np.isnan(rows.numbers)
        target, _ = random_split(holds, rng, joint=0.0)
        given, none = holds & ~target, np.zeros_like(target)
        parts = (given, none), (target, given), (holds, none)
        of_A, of_B, of_both = (self.log_prob(rows.numbers, rows.codes, *cells) for cells in parts)
        return float(np.mean(of_A + of_B - of_both))


# ---- the fit -------------------------------------------------------------------------------------


def fit_conditional_score(
    gaussian,
    of_folds,
    rows,
    layout,
    folds,
    spread: Callable | None = None,
    weight=None,
    seed=0,
    network: ScoreNetwork | None = None,
    watch: Callable = lambda state: False,
) -> ConditionalScore:
    """Train networks on `Rows`.

    Parameters
    ----------
    gaussian : ConditionalGaussian
        Fitted to all rows: its white coordinates are those of the training.
    of_folds : list of ConditionalGaussian
        Fitted to the rows that are not in each fold.
    rows : Rows
    layout : Layout
    folds : list of ndarray of int
        Rows that the networks of each fold do not see, at least one fold.
    spread : callable, optional
        From a source of randomness to numbers (n, p), spread anew over the cells of their lattice.
    weight : ndarray of shape (n,), optional
        How many rows each stands for.
    seed : int
    network : ScoreNetwork, optional
    watch : callable
        Called with the TrainingState after each validation; ends the training by returning True.

    Examples
    --------
    The width of x depends on the level, which no Gaussian with one covariance knows:

    >>> import numpy as np
    >>> from skscore.models.mixed.conditional_gaussian import fit_conditional_gaussian
    >>> from skscore.models.mixed.rows import ALWAYS, Layout, Rows
    >>> from skscore.neural import ScoreNetwork
    >>> from skscore.neural.conditional_score import fit_conditional_score
    >>> rng, layout = np.random.default_rng(0), Layout((2,), (ALWAYS,))
    >>> codes = rng.integers(0, 2, (600, 1))
    >>> rows = Rows(codes, np.array([0.2, 2.0])[codes] * rng.standard_normal((600, 1)))
    >>> start = fit_conditional_gaussian(rows, layout)
    >>> part = fit_conditional_gaussian(rows.at(slice(100, None)), layout)
    >>> network = ScoreNetwork(hidden_layer_sizes=(16, 16), max_iter=100, device="cpu")
    >>> density = fit_conditional_score(start, [part], rows, layout, [np.arange(100)], network=network)
    >>> x, yes = np.zeros((2, 1)), np.ones((2, 1), dtype=bool)
    >>> gain = density.log_prob(x, np.array([[0], [1]]), yes, ~yes) - start.log_prob(x, np.array([[0], [1]]), yes, ~yes)
    >>> gain > 0.0
    array([ True, False])
    """
    begun, n, p = time.monotonic(), rows.n, len(layout.state)
    chosen = _of_table(network or ScoreNetwork(), n, p, len(folds))
    spread = spread or (lambda rng: rows.numbers)
    device = resolve_device(chosen.device)
    schedule = noise_schedule(SIGMA_MINS[0], SIGMA_MAX, device=device)
    build = Architecture(np.ones(p), options={**chosen.layers(p), "n_waves": 0}, n_known=3 * p + sum(layout.n_levels))
    source = ConditionalRows(gaussian, rows.codes, spread, weight, schedule, seed, device)
    config = chosen.training_config(n, "balanced", device)
    ensemble = Ensemble(source, build, config, folds, n, chosen.n_networks, seed, device)
    checkpoint = checkpoint_of(chosen, rows.codes, rows.numbers, weight, seed)
    state = ensemble.train(watch, None, checkpoint, begun + (chosen.max_time or np.inf))
    density = ConditionalScore(gaussian, of_folds, ensemble.denoiser(state), layout)
    return _chosen(density, rows._replace(numbers=spread(source.rng)), folds, weight)


def _of_table(network, n, p, n_folds):
    """The network with a number for every "auto"; a ValueError if it can know nothing beside columns with noise."""
    for name, plain in (("parametrization", "score"), ("network", None), ("refit", False)):
        if getattr(network, name) != plain:
            raise ValueError(f"{name}={getattr(network, name)!r}: numbers given levels need {name}={plain!r}.")
    given = network.get_params(deep=False)
    auto = OF_A_FOLD if n_folds == 1 else OF_FOLDS
    own = {name: value for name, value in auto.items() if isinstance(given[name], str)}
    return ScoreNetwork(**{**given, **own}).for_table(n, p)


def _chosen(density, rows, folds, weight):
    """The density with the σ_min and the number of steps that held-out rows choose.

    A tail takes the votes of rows that are far from all others.
    """
    if density.is_gaussian:
        return density
    each = -(-CHOOSING_ROWS // len(folds))
    few = [fold[evenly(len(fold), each)] for fold in folds]
    share = np.ones(rows.n) if weight is None else weight
    parts = [(density.part(k), rows.at(index)) for k, index in enumerate(few)]
    tails = [_joint(ConditionalStudent(part.gaussian, TAIL_DF), held_out) for part, held_out in parts]

    def log_likelihood(sigma_min):
        log_p = [_joint(replace(part, sigma_min=sigma_min), held_out) for part, held_out in parts]
        mixed = np.logaddexp(np.concatenate(log_p), np.concatenate(tails) + np.log(TAIL_SHARE))
        return np.average(mixed, weights=share[np.concatenate(few)])

    density = replace(density, sigma_min=max(SIGMA_MINS, key=log_likelihood))
    some = rows.at(evenly(rows.n, STEP_ROWS))
    target = ~np.isnan(some.numbers)
    X, score, _ = density._whitened(some.numbers, some.codes, target, np.zeros_like(target))
    report = adaptive_steps(X, score, density.sigma_min, SIGMA_MAX, n_steps=N_STEPS, tolerance=TOLERANCE)
    return replace(density, n_steps=report.n_steps, report=report)


def _joint(density, rows):
    """log p(x | c) of all numbers of the rows."""
    target = ~np.isnan(rows.numbers)
    return density.log_prob(rows.numbers, rows.codes, target, np.zeros_like(target))
