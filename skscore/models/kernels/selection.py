"""Choose the bandwidth of kernels, the scale of the base measure, the ridge and the smoothing by rows held out.

For each bandwidth the ridge and the scale are chosen from their grids, which costs little; the bandwidth is
searched by steps of a factor of √2 from the best of a few, for as long as that leads to a better score, and so is the
noise that rows are seen through, in turn with it.

The log-likelihood comes from draws near the rows and of the base measure, and a fit may have its mass where neither
falls. So in the end the best stands only if quadrature or annealed chains find the same log Z for the fit to all rows,
and if this explains the rows no worse than the fits to a part of them explained the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from ...fitting.ridge_path import RidgePath, leave_one_out, without
from ...formulas.moments import row_blocks
from ...likelihood import annealed_importance_sampling, quadrature
from ..fitted_density import FittedDensity
from .family import assemble_over_bases
from .held_out import log_likelihoods

__all__ = ["CandidateScores", "FoldScorer", "LeaveOneOutScorer", "choose", "explore", "tabulate"]

SMALLEST_ESS = 0.02  # of importance draws, below which their log Z is not to be trusted
MISSED = 0.1  # nats, beyond three standard errors, from which on a candidate is in doubt
FEWEST_NODES, NODES = 1 << 6, (1 << 12, 1 << 8)  # of quadrature, along each axis of one column and of two
PARTICLES, TEMPERATURES = 256, 50  # of annealing
MAX_CHECKED = 6  # candidates that are checked, at most
TIE = 1e-9  # relative, or in nats: below it scores are equal
MAX_ROUNDING = 1e-6  # nats, by which threads or the order of rows may move a log-density
STEP = np.sqrt(2.0)
COARSE_NOISE, FAINT_NOISES, LIMITS_OF_NOISE = -4, (-6, -8), (-8, 0)  # powers of √2, from the bandwidth
BLOCK_BYTES = 1 << 22


class CandidateScores(NamedTuple):
    """Scores (s, L) of all scales and ridges at one bandwidth and smoothing, larger is better; the ESS of each.

    Scores that differ by `rounding` do not differ.
    """

    bandwidth: Any
    smoothing: float
    scales: np.ndarray
    alphas: np.ndarray
    scores: np.ndarray
    ess: np.ndarray
    rounding: Any = 0.0

    @property
    def best(self):
        """(scale, ridge) indices of the best score; ties go to the greatest ridge, then to the smallest scale."""
        bar = (self.scores - self.rounding).max()
        best = self.scores + self.rounding >= bar - TIE * max(1.0, abs(bar))
        ridge = np.flatnonzero(best.any(axis=0))[-1]
        return int(np.argmax(best[:, ridge])), int(ridge)

    @property
    def score(self):
        """The best score."""
        return self.scores[self.best]

    def without_best(self, more=0):
        """The candidate without its best score, those of smaller ridges at the same scale, and `more` greater ones.

        The greatest ridge goes only if it is the best.
        """
        scale, ridge = self.best
        scores = self.scores.copy()
        scores[scale, : max(ridge + 1, min(ridge + 1 + more, scores.shape[1] - 1))] = -np.inf
        return self._replace(scores=scores)

    @property
    def choice(self):
        """Bandwidth, scale, smoothing and ridge of the best score."""
        scale, ridge = self.best
        return self.bandwidth, float(self.scales[scale]), self.smoothing, float(self.alphas[ridge])


class Doubt(NamedTuple):
    """What speaks against a candidate, in nats: what draws miss of its log Z, and what its score promises too much.

    If a mode at a landmark alone speaks against it, nothing else was `asked`.
    """

    missed: float
    shortfall: float
    error: float
    asked: bool = True

    @property
    def is_serious(self):
        """Whether the candidate should not stand."""
        return max(abs(self.missed), self.shortfall) > self.error


NO_DOUBT = Doubt(0.0, 0.0, MISSED)


def _apart_from_draws(target, d):
    """log Z by quadrature, which no mode escapes, or by chains from a Gaussian to the density."""
    if d <= 2:
        return quadrature(
            target.required_log_density, d, tolerance=0.01, min_intervals=FEWEST_NODES, max_intervals=NODES
        )
    rng = np.random.default_rng(0)
    return annealed_importance_sampling(target, d, n_particles=PARTICLES, n_temperatures=TEMPERATURES, rng=rng)


@dataclass(frozen=True)
class FoldScorer:
    """Scores a bandwidth on rows held out: by their mean log-likelihood, or minus the objective.

    Parameters
    ----------
    build : callable
        Maps a bandwidth, scales of the base measure and a smoothing to a KernelFamily for each scale.
    folds : list of Sample
    objective : Implicit, Explicit, Sliced or Denoising
    scales, alphas : ndarrays of shape (s,) and (L,)
    draws : (position, log_density) or None
        For the log-likelihood; None compares by the objective.
    reference : Moments or None
        Of the rows.
    """

    build: Any
    folds: list
    objective: Any
    scales: np.ndarray
    alphas: np.ndarray
    draws: Any = None
    reference: Any = None

    def __call__(self, bandwidth, smoothing=0.0):
        """CandidateScores of one bandwidth and smoothing."""
        families = self.build(bandwidth, self.scales, smoothing)
        forms = self._forms(families)
        W = families[0].inner.basis if smoothing else None
        thetas, rounding = map(np.array, zip(*(self._path(forms, k, W) for k in range(len(self.folds))), strict=True))
        thetas, rounding = np.swapaxes(thetas, 0, 1), rounding.max(axis=0)
        is_ill_posed = _is_ill_posed(rounding)
        ridges = ~is_ill_posed.all(axis=0)  # the others are not looked at
        if self.draws is not None:
            found = self._likelihoods(families, thetas[:, :, ridges])
        else:  # by the rows themselves, without noise
            plain = self._forms(self.build(bandwidth, self.scales, 0.0)) if smoothing else forms
            found = self._objectives(plain, thetas[:, :, ridges])
        scores, ess = np.zeros((2, *rounding.shape))
        scores[:, ridges], ess[:, ridges] = np.average(found[0], axis=1, weights=self._shares), found[1].min(axis=1)
        scores = np.where((ess < SMALLEST_ESS) | is_ill_posed, -np.inf, scores)
        return CandidateScores(bandwidth, smoothing, self.scales, self.alphas, scores, ess, rounding)

    def doubt(self, candidate):
        """Doubt of a candidate, by its fit to all rows, whose log Z owes nothing to the draws."""
        if self.draws is None:
            return NO_DOUBT
        bandwidth, scale, smoothing, alpha = candidate.choice
        families = self.build(bandwidth, [scale], smoothing)
        theta = RidgePath(reduce(add, self._forms(families)[0])).thetas([alpha])
        by_draws, _ = self._likelihoods(families, np.broadcast_to(theta, (1, len(self.folds), *theta.shape)))
        density = FittedDensity(families[0], theta[0], self.reference, 0, "Kernel")
        values = [np.average(families[0].log_density(theta[0], X), weights=w) for X, _, w, _ in self.folds]
        spike = families[0].log_mass_of_a_mode(theta[0]) + by_draws.item(0) - values[0]
        if spike > 1.0 + density.d:  # nats, within which Laplace's method may be off
            return Doubt(spike, 0.0, MISSED, asked=False)
        log_z, stderr, _ = _apart_from_draws(density.target(), density.d)
        missed = by_draws.item(0) - values[0] + log_z
        mean = np.average(values, weights=self._shares) - log_z - min(missed, 0.0)  # by the greater of two log Z
        return Doubt(missed, candidate.score - mean, MISSED + 3.0 * stderr)

    @property
    def _shares(self):
        return [len(fold.X) if fold.weight is None else fold.weight.sum() for fold in self.folds]

    def _forms(self, families):
        """Quadratic form of each fold, for each scale."""
        by_fold = (assemble_over_bases(families, f.X, f.Y, f.weight, self.objective) for f in self.folds)
        return list(zip(*by_fold, strict=True))

    def _path(self, forms, k, W):
        """θ of the folds but the k-th for each scale and ridge (s, L, r), and their rounding; the scales share Γ.

        If Γ comes of products of kernels, W magnifies their rounding.
        """
        g = np.stack([[form.g for form in part] for part in forms], axis=1)  # of each fold, for all scales
        path = RidgePath(without([replace(form, g=own) for form, own in zip(forms[0], g, strict=True)], k))
        thetas = path.thetas(self.alphas)
        moved = thetas if W is None else thetas @ (W / np.linalg.norm(W, axis=0).min()).T
        return thetas, path.rounding(moved, self.alphas)

    @staticmethod
    def _objectives(forms, thetas):
        values = [
            [[form.value(theta) for theta in path] for form, path in zip(*pair, strict=True)]
            for pair in zip(forms, thetas, strict=True)
        ]
        return -np.array(values), np.ones(thetas.shape[:-1])

    def _likelihoods(self, families, thetas):
        inner, coordinates = families[0].inner, families[0].coordinates
        rows = [(coordinates.forward(fold.X), fold.weight) for fold in self.folds]
        bases = [family.inner.base for family in families]
        scores, ess = log_likelihoods(inner, bases, thetas, rows, self.draws)
        return scores + coordinates.log_abs_det, ess


@dataclass(frozen=True)
class LeaveOneOutScorer:
    """Scores a bandwidth by the objective of each row when it is left out, in closed form; see FoldScorer.

    Parameters
    ----------
    build : callable
    sample : Sample
        Rows that are all different.
    objective : Implicit, Explicit or Sliced
    scales, alphas : ndarrays of shape (s,) and (L,)
    """

    build: Any
    sample: Any
    objective: Any
    scales: np.ndarray
    alphas: np.ndarray

    @staticmethod
    def doubt(candidate):
        """None: there is no log Z behind the objective."""
        return NO_DOUBT

    def __call__(self, bandwidth):
        """CandidateScores of one bandwidth."""
        scores, rounding = map(np.stack, zip(*map(self._scores, self.build(bandwidth, self.scales)), strict=True))
        scores = np.where(_is_ill_posed(rounding), -np.inf, scores)
        return CandidateScores(bandwidth, 0.0, self.scales, self.alphas, scores, np.ones_like(scores), rounding)

    def _scores(self, family):
        """Scores of the ridges, and their rounding."""
        X, Y = family.own_coordinates(*self.sample[:2])
        weight = np.ones(len(X)) if self.sample.weight is None else self.sample.weight
        form = family.inner.assemble(X, Y, weight, self.objective)

        def blocks():
            for rows in row_blocks(len(X), 8 * X.shape[1] * family.n_parameters, BLOCK_BYTES):
                parts = self.objective.rows(family.inner, X[rows], None if Y is None else Y[rows])
                yield from ((*part, weight[rows]) for part in parts)

        path = RidgePath(form)
        scores = -np.average(leave_one_out(form, blocks(), self.alphas), axis=0, weights=weight)
        return scores, path.rounding(path.thetas(self.alphas), self.alphas)


def _is_ill_posed(rounding):
    """Where rounding (s, L) would show in log-densities; the greatest ridge always stands."""
    return np.column_stack([rounding[:, :-1] > MAX_ROUNDING, np.zeros(len(rounding), dtype=bool)])


def explore(scorer, start, coarse, limits, smooth=False):
    """Trials of bandwidths `start` × powers of √2, until the best has worse neighbours or lies at a limit.

    With noise the coarse bandwidths are tried with some; without, only the best of these and those beside it.

    Parameters
    ----------
    scorer : callable
        Maps a bandwidth, and a smoothing if it is not 0, to a CandidateScores.
    start : float
    coarse : sequence of int
        Powers tried first, in order.
    limits : (int, int)
        Least and greatest power.
    smooth : bool, default=False
        Whether noise that rows are seen through is tried too, in steps of √2 as well.

    Returns
    -------
    list of CandidateScores
        By bandwidth and smoothing.
    """
    candidates = {}  # at (i, k): bandwidth `start` × √2ⁱ, and noise `start` × √2ᵏ or none

    def score(pair):
        if pair not in candidates:
            i, k = pair
            candidates[pair] = scorer(start * STEP**i, *(() if k is None else (STEP ** (k - i),)))
        return candidates[pair].score

    def allowed(pairs):
        return [pair for pair in pairs if _is_allowed(pair, limits)]

    best = max(allowed([(power, power + COARSE_NOISE if smooth else None) for power in coarse]), key=score)
    if smooth:
        place = coarse.index(best[0])
        beside = coarse[max(place - 1, 0) : place + 2]
        best = max([best, *allowed([(power, None) for power in beside])], key=score)
    while (better := max([best, *allowed(_neighbours(best, smooth))], key=score)) != best:
        best = better
    return sorted(candidates.values(), key=lambda candidate: (candidate.bandwidth, candidate.smoothing))


def _neighbours(pair, smooth):
    """One step away: a bandwidth beside, and noise beside; the faintest noise is beside none."""
    i, k = pair
    bandwidths = [(i - 1, k), (i + 1, k)]
    if k is None:
        return bandwidths + [(i, i + noise) for noise in FAINT_NOISES if smooth]
    return [*bandwidths, (i, k - 1 if k - i > LIMITS_OF_NOISE[0] else None), (i, k + 1)]


def _is_allowed(pair, limits):
    i, k = pair
    return limits[0] <= i <= limits[1] and (k is None or LIMITS_OF_NOISE[0] <= k - i <= LIMITS_OF_NOISE[1])


def choose(scorer, candidates):
    """The best candidate that is not in doubt, and remarks; others are struck out of the list `candidates` for good.

    Of one candidate twice as many ridges are struck out each time. If all that are checked are in doubt, it is the next
    one; the normaliser of the fit will warn.
    """
    fallen, n_doubts = [], np.zeros(len(candidates), dtype=int)
    n_left = MAX_CHECKED
    while n_left:
        k = max(range(len(candidates)), key=lambda i: candidates[i].score)
        doubt = scorer.doubt(candidates[k])
        if not doubt.is_serious or not np.isfinite(candidates[k].without_best().score):
            break
        if doubt.shortfall > doubt.error:
            fallen.append((candidates[k].score, doubt.shortfall))
        candidates[k] = candidates[k].without_best(2 ** n_doubts[k] - 1)
        n_doubts[k] += 1
        n_left -= doubt.asked
    best = max(candidates, key=lambda candidate: candidate.score)
    return best, tuple(_broken_promises(fallen, best))


def _broken_promises(fallen, best):
    if fallen:
        score, shortfall = fallen[0]
        yield (
            f"Kernel: the fit to all rows has {score - shortfall:.3g} nats a row where its score on rows held out is "
            f"{score:.3g}: it has mass far from them. The best of {len(fallen)} such candidates was passed over for "
            f"one of score {best.score:.3g}. Give more rows, or a greater alpha."
        )


def tabulate(candidates):
    """What was tried, by column, as the searches of scikit-learn report it."""
    shape = np.broadcast_shapes(*(np.shape(candidate.bandwidth) for candidate in candidates))
    rows = [
        (np.broadcast_to(c.bandwidth, shape), scale, c.smoothing, alpha, c.scores[i, j], c.ess[i, j])
        for c in candidates
        for i, scale in enumerate(c.scales)
        for j, alpha in enumerate(c.alphas)
    ]
    parameters = ("param_bandwidth", "param_base_scale", "param_smoothing", "param_alpha")
    names = (*parameters, "mean_test_score", "effective_sample_size")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
