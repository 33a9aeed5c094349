"""Choose the bandwidth of kernels, the scale of the base measure and the ridge by rows held out.

The ridge and the scale are chosen among all on their grids for each bandwidth, which costs little; the bandwidth is
looked for by steps of a factor of √2 from the best of a few, for as long as that leads to a better score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...fitting.ridge_path import RidgePath, leave_one_out, without
from ...fitting.statistics import row_blocks
from .held_out import log_likelihoods

__all__ = ["FoldJudge", "LeaveOneOutJudge", "Trial", "explore", "tabulate"]

SMALLEST_ESS = 0.02  # of importance draws, below which their log Z is not to be trusted
TIE = 1e-9  # relative, or in nats: below it scores are equal
ROUNDING = 32 * np.finfo(np.float64).eps  # of a sum θᵀT, per unit of ‖θ‖, where ‖T‖ is at most one
STEP = np.sqrt(2.0)
BLOCK_BYTES = 1 << 22


class Trial(NamedTuple):
    """Scores (s, L) of all scales and ridges at one bandwidth, larger is better; the ESS and the noise of each."""

    bandwidth: Any
    scales: np.ndarray
    alphas: np.ndarray
    scores: np.ndarray
    ess: np.ndarray
    noise: Any = 0.0

    @property
    def place(self):
        """Of the best score, among scales and ridges: of equal ones that with the greatest ridge and least scale."""
        bar = (self.scores - self.noise).max()
        best = self.scores + self.noise >= bar - TIE * max(1.0, abs(bar))
        ridge = np.flatnonzero(best.any(axis=0))[-1]
        return int(np.argmax(best[:, ridge])), int(ridge)

    @property
    def score(self):
        """The best score."""
        return self.scores[self.place]

    @property
    def choice(self):
        """Bandwidth, scale and ridge of the best score."""
        scale, ridge = self.place
        return self.bandwidth, float(self.scales[scale]), float(self.alphas[ridge])


@dataclass(frozen=True)
class FoldJudge:
    """Judges a bandwidth by rows held out: their mean log-likelihood, or minus the objective.

    Parameters
    ----------
    build : callable
        Maps a bandwidth and a scale of the base measure to a KernelFamily.
    folds : list of Sample
    objective : Implicit, Explicit, Sliced or Denoising
    scales, alphas : ndarrays of shape (s,) and (L,)
    draws : Draws or None
        For the log-likelihood; with None the objective judges.
    """

    build: Any
    folds: list
    objective: Any
    scales: np.ndarray
    alphas: np.ndarray
    draws: Any = None

    def __call__(self, bandwidth):
        """Trial of one bandwidth."""
        families = [self.build(bandwidth, scale) for scale in self.scales]
        forms = [[family.assemble(*fold[:3], self.objective) for fold in self.folds] for family in families]
        thetas = np.stack([self._paths(part) for part in forms])
        scores, ess = self._objectives(forms, thetas) if self.draws is None else self._likelihoods(families, thetas)
        share = [form.n for form in forms[0]]
        scores, ess = np.average(scores, axis=1, weights=share), ess.min(axis=1)
        noise = ROUNDING * np.linalg.norm(thetas, axis=-1).max(axis=1)
        return Trial(bandwidth, self.scales, self.alphas, np.where(ess < SMALLEST_ESS, -np.inf, scores), ess, noise)

    def _paths(self, forms):
        """θ of the other folds for each fold and ridge, shape (k, L, r)."""
        return np.stack([RidgePath(without(forms, k)).thetas(self.alphas) for k in range(len(forms))])

    @staticmethod
    def _objectives(forms, thetas):
        values = [
            [[form.value(theta) for theta in path] for form, path in zip(*pair, strict=True)]
            for pair in zip(forms, thetas, strict=True)
        ]
        return -np.array(values), np.ones(thetas.shape[:-1])

    def _likelihoods(self, families, thetas):
        inner, coordinates = families[0].inner, families[0].coordinates
        rows = [(coordinates(fold.X), fold.weight) for fold in self.folds]
        bases = [family.inner.base for family in families]
        scores, ess = log_likelihoods(inner, bases, thetas, rows, self.draws)
        return scores + coordinates.log_volume, ess


@dataclass(frozen=True)
class LeaveOneOutJudge:
    """Judges a bandwidth by the objective of each row where it is left out, in closed form; see FoldJudge.

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

    def __call__(self, bandwidth):
        """Trial of one bandwidth."""
        scores = np.stack([self._scores(self.build(bandwidth, scale)) for scale in self.scales])
        return Trial(bandwidth, self.scales, self.alphas, scores, np.ones_like(scores))

    def _scores(self, family):
        X, Y = family.own_coordinates(*self.sample[:2])
        weight = np.ones(len(X)) if self.sample.weight is None else self.sample.weight
        form = family.inner.assemble(X, Y, weight, self.objective)

        def blocks():
            for rows in row_blocks(len(X), 8 * X.shape[1] * family.n_parameters, BLOCK_BYTES):
                parts = self.objective.rows(family.inner, X[rows], None if Y is None else Y[rows])
                yield from ((*part, weight[rows]) for part in parts)

        return -np.average(leave_one_out(form, blocks(), self.alphas), axis=0, weights=weight)


def explore(judge, start, coarse, limits):
    """Trials of bandwidths `start` × powers of √2, until the best has two worse neighbours or lies at a limit.

    Parameters
    ----------
    judge : callable
        Maps a bandwidth to a Trial.
    start : float
    coarse : sequence of int
        Powers tried first.
    limits : (int, int)
        Least and greatest power.

    Returns
    -------
    list of Trial
        By bandwidth.
    """
    trials = {power: judge(start * STEP**power) for power in coarse}
    while True:
        best = max(trials, key=lambda power: trials[power].score)
        untried = [power for power in (best - 1, best + 1) if limits[0] <= power <= limits[1] and power not in trials]
        if not untried:
            return [trials[power] for power in sorted(trials)]
        trials |= {power: judge(start * STEP**power) for power in untried}


def tabulate(trials):
    """What was tried, by column, as the searches of scikit-learn report it."""
    shape = np.broadcast_shapes(*(np.shape(trial.bandwidth) for trial in trials))
    rows = [
        (np.broadcast_to(trial.bandwidth, shape), scale, alpha, trial.scores[i, j], trial.ess[i, j])
        for trial in trials
        for i, scale in enumerate(trial.scales)
        for j, alpha in enumerate(trial.alphas)
    ]
    names = ("param_bandwidth", "param_base_scale", "param_alpha", "mean_test_score", "effective_sample_size")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
