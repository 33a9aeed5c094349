"""Answers from draws against formulas: of Gaussians, of known mixtures, and of tables."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skscore import ScoreMatchingDensity, TabularDensity
from skscore.datasets import GaussianMixtureDistribution
from skscore.inspection import box_probability, highest_density_level, marginal_log_density, modes, quantiles

MEAN, COVARIANCE = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])
ONE = GaussianMixtureDistribution([1.0], MEAN[None], COVARIANCE[None])
TWO = GaussianMixtureDistribution([0.3, 0.7], [[-2.0, 0.0], [2.0, 1.0]], [0.4 * np.eye(2), np.eye(2)])


class Known:
    """The Gaussian, with the attributes by which it is known as one."""

    location_, covariance_ = MEAN, COVARIANCE
    score_samples, sample, grad_log_density = ONE.score_samples, ONE.sample, ONE.grad_log_density


ANSWERS = {
    "region": lambda density: highest_density_level(density, 0.8, random_state=1),
    "box": lambda density: box_probability(density, {0: (0.0, 2.0), 1: (None, -1.9)}, random_state=2),
    "side": lambda density: box_probability(density, {1: (-2.2, None)}, random_state=3),
    "marginal": lambda density: marginal_log_density(density, [[0.0], [2.0]], [0], random_state=4),
    "quantiles": lambda density: quantiles(density, [0.1, 0.5], random_state=5),
    "one column": lambda density: quantiles(density, 0.9, [1], random_state=6),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_draws_agree_with_the_formula(answer):
    exact, estimated = answer(Known()), answer(ONE)
    assert np.shape(exact.value) == np.shape(estimated.value) == np.shape(estimated.stderr)
    assert np.all(np.asarray(exact.stderr) <= 1e-5)
    assert np.all(np.asarray(estimated.stderr) > 0.0)
    assert np.all(np.abs(np.subtract(exact.value, estimated.value)) < 4 * np.asarray(estimated.stderr))


@pytest.mark.parametrize(
    "answer",
    [
        lambda k: highest_density_level(TWO, 0.9, n_draws=300, random_state=k),
        lambda k: box_probability(TWO, {0: (0.0, None)}, n_draws=300, random_state=k),
        lambda k: quantiles(TWO, 0.7, [1], n_draws=300, random_state=k),
    ],
    ids=["region", "box", "quantile"],
)
def test_the_standard_error_is_the_spread_of_the_answers(answer):
    answers = [answer(k) for k in range(200)]
    spread = np.std([np.squeeze(each.value) for each in answers])
    assert np.mean([np.squeeze(each.stderr) for each in answers]) == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("mass", [0.5, 0.9, 0.95])
def test_the_region_of_highest_density_holds_its_mass(mass):
    level = highest_density_level(TWO, mass, n_draws=40_000, random_state=0)
    held = TWO.score_samples(TWO.sample(200_000, random_state=1)) >= level.value
    assert held.mean() == pytest.approx(mass, abs=0.01)


def test_a_box_of_a_mixture():
    expected = 0.3 * norm(-2, 0.4**0.5).sf(0) + 0.7 * norm(2).sf(0)
    found = box_probability(TWO, {0: (0.0, None)}, random_state=0)
    assert abs(found.value - expected) < 4 * found.stderr
    assert box_probability(TWO, {0: (50.0, None)}, random_state=0).stderr > 0.0


def test_a_marginal_of_a_mixture():
    X = np.linspace(-3, 4, 9)
    exact = 0.3 * norm(-2, 0.4**0.5).pdf(X) + 0.7 * norm(2).pdf(X)
    found = marginal_log_density(TWO, X[:, None], [0], n_draws=50_000, random_state=0)
    assert_allclose(np.exp(found.value), exact, atol=0.02)


def test_modes_are_distinct_have_no_slope_and_hold_all_mass():
    far = GaussianMixtureDistribution([0.2, 0.5, 0.3], [[-6.0, 0], [0, 6.0], [6.0, 0]], np.tile(np.eye(2), (3, 1, 1)))
    found = modes(far, random_state=0)
    assert_allclose(found.points, [[0, 6], [6, 0], [-6, 0]], atol=1e-5)
    assert (np.diff(found.log_density) < 0).all()
    assert_allclose(found.log_density, far.score_samples(found.points))
    assert np.all(np.abs(found.mass - [0.5, 0.3, 0.2]) < 4 * found.stderr)
    assert_allclose(modes(Known()).points, [MEAN])
    assert_allclose(modes(ONE, random_state=0).points, [MEAN], atol=1e-5)


def test_densities_of_scikit_learn():
    X = TWO.sample(500, random_state=2)
    for density in (KernelDensity(bandwidth=0.3).fit(X), GaussianMixture(2, random_state=0).fit(X)):
        level = highest_density_level(density, 0.5, n_draws=2000)
        assert (density.score_samples(X) >= level.value).mean() == pytest.approx(0.5, abs=0.08)
    with pytest.raises(ValueError, match="KernelDensity has no method grad_log_density"):
        modes(KernelDensity().fit(X))


def test_columns_of_a_table_have_names():
    rng = np.random.default_rng(3)
    kind = rng.choice(["cat", "dog"], 200)
    weight = np.where(kind == "cat", 4.0, 20.0) + rng.standard_normal(200)
    frame = pd.DataFrame({"kind": kind, "weight": weight})
    density = TabularDensity("gaussian", "tree", marginals="none", tail=None, random_state=4).fit(frame)
    heavy = box_probability(density, {"weight": (12.0, None)}, n_draws=500, random_state=5)
    assert heavy.value == pytest.approx((kind == "dog").mean(), abs=0.1)
    marginal = marginal_log_density(density, frame, "weight")
    assert_allclose(marginal.value, density.marginal_score_samples(frame, ["weight"]))
    with pytest.raises(ValueError, match="Column 'kind' holds no numbers"):
        quantiles(density, 0.5, ["kind"], n_draws=10)


def test_a_gaussian_of_a_frame_is_asked_by_name():
    frame = pd.DataFrame(ONE.sample(50, random_state=6), columns=["a", "b"])
    density = ScoreMatchingDensity().fit(frame)
    assert quantiles(density, 0.5, ["b"]).value[0, 0] == pytest.approx(frame["b"].mean())
    with pytest.raises(ValueError, match="There is no column 'c'"):
        quantiles(density, 0.5, ["c"])


BAD = {
    "mass": (lambda: highest_density_level(TWO, 1.0), "mass=1.0: give a number between 0 and 1"),
    "q": (lambda: quantiles(TWO, [0.5, 2.0]), "q=.*2.0.*: give a number between 0 and 1"),
    "box": (lambda: box_probability(TWO, {}), "give a mapping from columns"),
    "limits": (lambda: box_probability(TWO, {0: 1.0}), r"box\[0\] is 1.0: give \(lower, upper\)"),
    "draws": (lambda: box_probability(TWO, {0: (0, 1)}, n_draws=1), "1 draws: give an integer"),
    "width": (lambda: marginal_log_density(TWO, [[0.0, 1.0]], [0]), r"X has shape \(1, 2\)"),
    "column": (lambda: quantiles(ScoreMatchingDensity().fit(np.eye(3)[:, :2]), 0.5, [2]), "There is no column 2"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_errors_say_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()
