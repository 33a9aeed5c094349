"""The law at the bottom of a flow, from the exact score of a mixture."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skscore.formulas.moments import moments
from skscore.levels.flow_density import SAMPLERS, FlowDensity
from skscore.levels.mixture import StackedMixture, choose_mixture
from skscore.levels.parzen import ParzenWindows, offer_windows
from skscore.levels.student_tail import offer_tail
from skscore.maps.cell_points import cell_points
from skscore.metrics import energy_distance
from skscore.models.base import StudentT


@dataclass(frozen=True)
class Exact:
    """An exact noisy score, with derivatives by differences of it."""

    target: object

    @property
    def variance(self):
        return self.target.variance

    def score(self, X, sigma):
        return self.target.score(X, sigma)

    def score_and_divergence(self, X, sigma):
        return self.target.score_and_divergence(X, sigma)

    def curvature(self, X, sigma, V):
        h = 1e-5
        return ((self.score(X + h * V, sigma) - self.score(X - h * V, sigma)) * V).sum(axis=1) / (2 * h)

    def traces(self, X, sigma, directions):
        return sum(self.curvature(X, sigma, np.broadcast_to(v, X.shape)) for v in directions)


@pytest.fixture
def law(mixture, noisy_target):
    return FlowDensity(Exact(noisy_target(mixture)), 0.01, 20.0, n_steps=64)


@pytest.fixture
def rows(mixture):
    return mixture.sample(300, np.random.default_rng(0))


def test_exact_scores_give_the_exact_density(law, mixture, rows):
    difference = law.log_density(rows) - mixture.score_samples(rows)
    assert abs(difference.mean()) < 0.01
    assert_allclose(law.score(rows), mixture.grad_log_density(rows), atol=0.1 * np.abs(law.score(rows)).max())


def test_the_bound_lies_below_in_the_mean(law, rows):
    bound, exact = law.elbo(rows), law.log_density(rows)
    assert bound.mean() < exact.mean() + 4 * (bound - exact).std() / np.sqrt(len(rows))
    assert bound.mean() > exact.mean() - 0.5
    assert_allclose(law.elbo(rows), bound)


@pytest.fixture
def mixed(law, rows):
    """With a tail and windows over 200 rows."""
    windows = ParzenWindows(rows[:200], np.full(200, 1 / 200), 0.8, np.array([0.7, 0.3]))
    tail = StudentT(3.0, law.noisy_score.variance * np.ones(rows.shape[1]))
    return replace(law, mixture=StackedMixture(np.array([0.56, 0.14, 0.3]), {"tail": tail, "windows": windows}))


def test_what_is_mixed_in_adds_to_densities_scores_and_curvatures(law, mixed, rows):
    law, mixed = (replace(density, n_steps=8) for density in (law, mixed))  # an identity of any densities
    few, others = np.vstack([rows[:5], 4 * rows[5:8]]), mixed.mixture.parts.values()
    parts = [0.56, 0.14, 0.3] * np.exp(
        np.column_stack([law.log_density(few), *(part.log_density(few) for part in others)])
    )
    assert_allclose(np.exp(mixed.log_density(few)), parts.sum(axis=1), rtol=1e-10)
    scores = np.stack([law.score(few), *(part.score(few) for part in others)])
    expected = np.einsum("nk,knd->nd", parts / parts.sum(axis=1, keepdims=True), scores)
    assert_allclose(mixed.score(few), expected, rtol=1e-8, atol=1e-10)
    axes = np.diag(np.linspace(0.5, 1.5, few.shape[1]))[:3]
    score, trace = mixed.score_and_trace(few, axes[:, None])
    assert_allclose(score, expected, rtol=1e-8, atol=1e-10)
    assert_allclose(trace, sum(mixed.curvature(few, np.broadcast_to(v, few.shape)) for v in axes), rtol=1e-6)


def points_of(rows):
    """Rows of a table without cells, in which the density is known as it is."""
    return cell_points(rows, [None] * rows.shape[1], moments(rows), 1)


def test_rows_that_repeat_others_ask_for_windows_on_top_of_the_tail(law, rows):
    own = np.arange(0, len(rows), 2)
    Z = np.repeat(rows, 2, axis=0)[: len(rows)]
    log_p, variance = law.flow_log_density(Z[own]), law.noisy_score.variance * np.ones(Z.shape[1])
    tail = {"tail": offer_tail(log_p, Z[own], variance)}
    tailed, chosen = (
        replace(law, mixture=choose_mixture(log_p, offers))
        for offers in (tail, tail | {"windows": offer_windows(own, Z, points=points_of(Z[own]))})
    )
    assert chosen.mixture.parts["tail"].df == tailed.mixture.parts["tail"].df
    assert chosen.log_density(Z).mean() > tailed.log_density(Z).mean() + 1.0


def test_the_report_and_its_steps(law, rows):
    settled, report = law.with_steps(points_of(rows))
    assert settled.n_steps == report.n_steps
    assert report.halving_difference <= 0.05
    assert report.worst <= report.median
    assert report.above_gaussian > 0.1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_the_law(law, mixture, sampler):
    n = 1000
    draws = law.sample(n, sampler, None, np.random.default_rng(1)).rows
    a, b = (mixture.sample(n, np.random.default_rng(seed)) for seed in (2, 3))
    assert draws.shape == a.shape
    assert energy_distance(draws, a) < energy_distance(a, b) + 0.02


def test_draws_of_what_is_mixed_in(law, mixed):
    draws = mixed.sample(2000, "flow", 20, np.random.default_rng(0)).rows
    own = law.sample(2000, "flow", 20, np.random.default_rng(0)).rows
    assert abs((draws == own).all(axis=1).mean() - 0.7 * 0.8) < 0.05
    assert (np.abs(draws) > np.abs(own).max()).any(axis=1).mean() > 0.003


def test_a_flow_that_leads_nowhere_is_refused(law):
    away = replace(law, noisy_score=replace(law.noisy_score, target=Away(law.noisy_score.target)))
    with pytest.raises(ValueError, match="draws ran off to infinity and left no law"):
        away.sample(3, "flow", None, np.random.default_rng(0))


@dataclass(frozen=True)
class Away:
    """A score that pushes every row outwards."""

    target: object

    @property
    def variance(self):
        return self.target.variance

    def score(self, X, sigma):
        return 1e3 * X
