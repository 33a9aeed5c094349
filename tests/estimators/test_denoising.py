"""What DenoisingScoreEstimator must be on laws whose score is known, and what it must leave alone."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV, ScoreMatchingDensity
from skscore.datasets import Funnel
from skscore.neural import ScoreNetwork

needs_torch = pytest.mark.torch
TINY = {
    "hidden_layer_sizes": (16, 16),
    "max_iter": 50,
    "n_folds": 1,
    "n_networks": 1,
    "parzen": None,
    "n_likelihood_steps": 12,
    "device": "cpu",
    "random_state": 0,
}
ROUTES = {
    "gaussian": {"model": "gaussian"},
    "polynomial": {"model": "polynomial"},
    "score": {},
    "energy": {"parametrization": "energy"},
}
SAMPLERS = ["flow", "annealed_langevin", "reverse_sde", "predictor_corrector"]
MIXING = np.array([[1.0, 0.6], [0.0, 0.7]])
MEAN = np.array([3.0, -2.0])


def density(model="network", **parameters):
    """An estimator that is soon fitted; what concerns networks goes to its ScoreNetwork."""
    parameters = {**TINY, **parameters}
    own = {name: parameters.pop(name) for name in ScoreNetwork().get_params() if name in parameters}
    return DenoisingScoreEstimator(ScoreNetwork(**own) if model == "network" else model, **parameters)


def gaussian_rows(n=400, seed=0):
    return MEAN + np.random.default_rng(seed).standard_normal((n, 2)) @ MIXING


def two_moons(n=600):
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, n)
    upper = rng.integers(0, 2, n)
    X = np.column_stack([np.cos(angle) + upper, np.sin(angle) * (1 - 2 * upper)])
    return X + 0.1 * rng.standard_normal((n, 2))


@pytest.fixture(
    params=[pytest.param(name, marks=needs_torch if name in {"score", "energy"} else ()) for name in ROUTES]
)
def route(request):
    return ROUTES[request.param]


# ---- sign and scale ------------------------------------------------------------------------------


def gaussian_of(X, noise):
    """Mean and covariance of the rows with noise of this level in every standardised column."""
    return X.mean(axis=0), np.cov(X.T, ddof=0) + np.diag((noise * X.std(axis=0)) ** 2)


@pytest.mark.parametrize("levels", [{}, {"n_levels": 20}, {"noise_levels": [0.01]}], ids=["all", "ladder", "one"])
def test_the_gaussian_closed_form_is_the_gaussian(levels):
    X = gaussian_rows()
    mean, covariance = gaussian_of(X, 0.01)
    fitted = density(model="gaussian", tail=None, **levels).fit(X)
    assert_allclose(fitted.grad_log_density(X), -np.linalg.solve(covariance, (X - mean).T).T, rtol=1e-7, atol=1e-7)
    expected = multivariate_normal(mean, covariance).logpdf(X)
    assert_allclose(fitted.score_samples(X), expected, atol=1e-6 if "noise_levels" in levels else 0.05)


@pytest.mark.parametrize("estimator", [DenoisingScoreEstimator, DenoisingScoreEstimatorCV])
def test_rows_are_denoised_as_under_a_gaussian(estimator):
    X, sigma = gaussian_rows(seed=5), 0.7
    fitted = estimator("gaussian", dequantize=False, tail=None).fit(X)
    noisy = X + sigma * X.std(axis=0) * np.random.default_rng(6).standard_normal(X.shape)
    (mean, clean), (_, covariance) = gaussian_of(X, 0.0), gaussian_of(X, sigma)
    expected = mean + (noisy - mean) @ np.linalg.solve(covariance, clean)
    assert_allclose(fitted.denoise(noisy, sigma), expected, atol=1e-4)  # the ladder is read between its levels


def test_noisy_rows_lie_between_the_values_of_discrete_columns_and_beyond_bounds():
    X = np.column_stack([gaussian_rows(seed=7)[:, 0], np.random.default_rng(8).integers(0, 2, 400)])
    fitted = density(model="gaussian", tail=None, bounds=([-np.inf, -0.5], [np.inf, 1.5])).fit(X)
    denoised = fitted.denoise([[3.0, 0.4], [3.0, 9.0]], 0.5)
    assert np.isfinite(denoised).all()
    assert (denoised[1] < [3.3, 9.0]).all()


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.inf, "low"])
def test_a_noise_level_is_a_positive_number(sigma):
    with pytest.raises(ValueError, match="a noise level is a positive number"):
        density(model="gaussian").fit(gaussian_rows()).denoise(gaussian_rows(), sigma)


def test_a_small_noise_level_is_the_implicit_objective():
    X = gaussian_rows()
    X = X / X.std(axis=0)  # the objective weighs the columns by their scale
    implicit = ScoreMatchingDensity("polynomial").fit(X).grad_log_density(X)
    denoising = density(model="polynomial", noise_levels=[1e-4], tail=None).fit(X).grad_log_density(X)
    assert_allclose(denoising, implicit, rtol=1e-3, atol=1e-3)


@needs_torch
@pytest.mark.parametrize("parametrization", ["score", "energy"])
@pytest.mark.parametrize("weighting", ["edm", "sigma2", lambda sigma: sigma**2])
def test_a_trained_network_finds_the_score_of_a_gaussian(parametrization, weighting):
    """Started far from the truth: the reference has no correlation, so the network has to find it."""
    X = gaussian_rows(2000)
    fitted = density(
        preconditioning="standardize",
        parametrization=parametrization,
        weighting=weighting,
        noise_levels=[0.5],
        max_iter=200,
        tail=None,
        parzen=None,
    ).fit(X)
    mean, covariance = gaussian_of(X, 0.5)
    expected = -np.linalg.solve(covariance, (X - mean).T).T
    error = ((fitted.grad_log_density(X) - expected) ** 2).mean() / (expected**2).mean()
    start = ((-(X - mean) / np.diagonal(covariance) - expected) ** 2).mean() / (expected**2).mean()
    assert error < 0.05 < start


@needs_torch
@pytest.mark.parametrize("n_likelihood_steps", [2, 5, 32])
@pytest.mark.parametrize("preconditioning", ["per_direction", "whiten", "standardize"])
def test_a_network_that_learns_nothing_is_the_shrunk_gaussian_at_any_step_count(n_likelihood_steps, preconditioning):
    X = gaussian_rows()
    fitted = density(
        learning_rate=1e-30,
        tail=None,
        parzen=None,
        n_likelihood_steps=n_likelihood_steps,
        preconditioning=preconditioning,
    ).fit(X)
    back = fitted._preprocessing.map.inverted.matrix
    covariance = back.T @ np.diag(fitted._preprocessing.variance + 0.01**2) @ back
    expected = multivariate_normal(X.mean(axis=0), covariance)
    assert_allclose(fitted.score_samples(X), expected.logpdf(X), rtol=0, atol=1e-6)
    assert_allclose(fitted.grad_log_density(X), -np.linalg.solve(covariance, (X - X.mean(axis=0)).T).T, atol=1e-6)


@needs_torch
@pytest.mark.parametrize("learning_rate", [1e6, 1e30])
def test_a_training_that_explodes_leaves_the_gaussian(learning_rate):
    X = gaussian_rows()
    fitted = density(learning_rate=learning_rate, tail=None).fit(X)
    still = density(learning_rate=1e-30, tail=None).fit(X)
    assert fitted.best_iter_ == 0
    assert_allclose(fitted.grad_log_density(X), still.grad_log_density(X), atol=1e-6)
    assert_allclose(fitted.score_samples(X), still.score_samples(X), atol=1e-6)


@needs_torch
def test_score_and_energy_agree():
    X, options = two_moons(), {"hidden_layer_sizes": (32, 32), "max_iter": 600, "preconditioning": "standardize"}
    s, e = (density(parametrization=p, **options).fit(X) for p in ("score", "energy"))
    a, b = s.grad_log_density(X, sigma=0.5), e.grad_log_density(X, sigma=0.5)
    assert ((a - b) ** 2).mean() < 0.25 * (a**2).mean()
    assert s.score(X) == pytest.approx(e.score(X), abs=0.3)


@needs_torch
def test_an_energy_has_no_curl():
    X = two_moons()[:20]
    fitted = density(parametrization="energy", sigma_min=0.2, tail=None, max_iter=200).fit(two_moons())
    h = 1e-2
    J = np.stack([fitted.grad_log_density(X + h * e) - fitted.grad_log_density(X - h * e) for e in np.eye(2)], axis=2)
    assert_allclose(J[:, 0, 1], J[:, 1, 0], atol=2e-3 * np.abs(J).max())


@needs_torch
def test_training_beats_the_gaussian_where_it_can():
    X = two_moons()
    fitted = density(max_iter=600).fit(X)
    assert min(fitted.validation_loss_curve_) < -0.2
    assert 0 < fitted.best_iter_ <= fitted.n_iter_ <= 600
    assert fitted.likelihood_report_.above_gaussian > 0.1
    assert fitted.score(X) > density(model="gaussian").fit(X).score(X) + 0.1


# ---- scales of their own -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def necked():
    law = Funnel()
    return law, law.sample(30, random_state=1), density(tail="auto", parzen="auto").fit(law.sample(1500, 0))


@needs_torch
def test_a_funnel_is_seen_in_its_own_scale(necked):
    law, _, fitted = necked
    X = law.sample(2000, random_state=2)
    assert_allclose(fitted.scale_slopes_, [[0.0, 0.5], [0.0, 0.0]], atol=0.05)
    assert fitted.score(X) > law.score_samples(X).mean() - 0.03
    slope = law.grad_log_density(X)
    assert ((fitted.grad_log_density(X) - slope) ** 2).sum() < 0.05 * (slope**2).sum()
    draws = fitted.sample(4000, random_state=0)
    neck = draws[:, 0] < -2.0
    assert_allclose(draws[neck, 1].std(), X[X[:, 0] < -2.0, 1].std(), rtol=0.2)


@needs_torch
def test_derivatives_go_through_curved_coordinates(necked):
    _, X, fitted = necked
    fitted = deepcopy(fitted)
    fitted._density = replace(fitted._density, mixture=None)  # else scores are not those of the flow
    V, h = np.random.default_rng(0).standard_normal(X.shape), 1e-4
    ahead, behind = (fitted.grad_log_density(X + s * h * V) for s in (1.0, -1.0))
    curvature = ((ahead - behind) * V).sum(axis=1) / (2 * h)
    assert_allclose(fitted.curvature(X, V), curvature, rtol=2e-2, atol=2e-2)
    axes = np.eye(2)
    divergence = sum(fitted.curvature(X, e) for e in axes)
    score = fitted.grad_log_density(X)
    assert_allclose(fitted.hyvarinen_score(X), 0.5 * (score**2).sum(axis=1) + divergence, rtol=1e-4, atol=1e-4)


@needs_torch
def test_far_rows_of_a_funnel_have_densities_and_slopes(necked):
    _, _, fitted = necked
    far = np.array([[-1e3, 0.0], [1e3, 0.0], [0.0, 1e6], [1e6, -1e6]])
    assert np.isfinite(fitted.score_samples(far)).all()
    assert np.isfinite(fitted.grad_log_density(far)).all()


@needs_torch
@pytest.mark.parametrize("chosen", [{"preconditioning": "whiten"}, {"noise_levels": [0.1]}, {"model": "gaussian"}])
def test_scales_are_common_where_the_user_chose_the_coordinates(chosen):
    fitted = density(**chosen).fit(Funnel().sample(300, 0))
    assert_array_equal(fitted.scale_slopes_, 0.0)


# ---- one density: log p, its gradient, its Hyvärinen score, its draws ----------------------------


@pytest.mark.parametrize("tail", [None, "auto"])
def test_the_gradient_is_that_of_the_log_density_of_a_closed_form(tail):
    X = gaussian_rows()
    fitted = density(model="gaussian", tail=tail, n_likelihood_steps=64).fit(X)
    h, rows = 1e-4, X[:50]
    differences = [
        (fitted.score_samples(rows + h * e) - fitted.score_samples(rows - h * e)) / (2 * h) for e in np.eye(2)
    ]
    assert_allclose(np.transpose(differences), fitted.grad_log_density(rows), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("tail", [None, "auto"])
def test_hyvarinen_score_by_finite_differences(route, tail):
    X = two_moons()
    fitted = density(**{**route, "tail": tail, "sigma_min": 0.2}).fit(X)
    rows, h = np.vstack([X[:10], [[3.0, 3.0]]]), 1e-2
    s = fitted.grad_log_density(rows)
    bends = [
        (fitted.grad_log_density(rows + h * e) - fitted.grad_log_density(rows - h * e))[:, j] / (2 * h)
        for j, e in enumerate(np.eye(2))
    ]
    for standardize, scale in ((False, np.ones(2)), (True, X.std(axis=0))):
        expected = (scale**2 * (0.5 * s**2 + np.transpose(bends))).sum(axis=1)
        found = fitted.hyvarinen_score(rows, standardize=standardize)
        assert_allclose(found, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


def test_curvature_is_the_derivative_of_the_score_along_a_direction(route):
    X = two_moons()
    fitted = density(**{**route, "sigma_min": 0.2}).fit(X)
    rows, v, h = X[:10], np.array([0.6, -0.8]), 1e-2
    expected = (fitted.grad_log_density(rows + h * v) - fitted.grad_log_density(rows - h * v)) @ v / (2 * h)
    assert_allclose(fitted.curvature(rows, v), expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize("bounds", [None, (-0.5, [1.5, 2.0])])
def test_the_density_integrates_to_one(route, bounds):
    X = two_moons(300)
    X = X if bounds is None else X[((X > bounds[0]) & (X < bounds[1])).all(axis=1)]
    fitted = density(**{**route, "bounds": bounds, "sigma_min": 0.2}).fit(X)
    axis = np.linspace(-5, 5, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mass = np.exp(fitted.score_samples(grid)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1.0, abs=0.01 if bounds is None else 0.08)  # the edges of the box fall between points


def test_bounds_hold(route):
    X = np.abs(gaussian_rows(150) - MEAN)
    fitted = density(**{**route, "bounds": (0.0, [np.inf, 4.0])}).fit(X)
    draws = fitted.sample(200, random_state=0)
    assert (draws >= 0).all()
    assert (draws[:, 1] <= 4).all()
    outside = np.array([[-0.1, 1.0], [1.0, 4.1]])
    assert_array_equal(fitted.score_samples(outside), -np.inf)
    assert np.isnan(fitted.grad_log_density(outside)).all()
    assert np.isfinite(fitted.score_samples(X)).all()
    assert 0.1 < fitted.inside_mass_ < 1.0
    f = fitted._preprocessing.map
    unbounded = fitted._density.log_density(f.forward(X)) + f.log_det(X)
    assert_allclose(fitted.score_samples(X) - unbounded, -np.log(fitted.inside_mass_), rtol=1e-6)


def test_criteria_are_finite_and_skip_rows_of_no_weight(route):
    X = gaussian_rows(150)
    fitted = density(**{**route, "bounds": (-20, 20)}).fit(X)
    score = {name: fitted.set_params(criterion=name).score(X) for name in ("log_likelihood", "elbo", "hyvarinen")}
    assert np.isfinite(list(score.values())).all()
    assert score["elbo"] <= score["log_likelihood"] + 0.1
    far, weight = np.vstack([X, [[99.0, 99.0]]]), np.append(np.ones(len(X)), 0.0)
    for name in ("log_likelihood", "elbo"):
        value = fitted.set_params(criterion=name).score(far, sample_weight=weight)
        assert value == pytest.approx(score[name], abs=0.02)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_the_closed_form(sampler):
    X, n = gaussian_rows(), 4000
    fitted = density(model="gaussian", tail=None, sampler=sampler).fit(X)
    draws = fitted.sample(n, random_state=0)
    spread = X.std(axis=0)
    assert_allclose((draws.mean(axis=0) - X.mean(axis=0)) / spread, 0, atol=5 / np.sqrt(n))
    correlation = np.cov(draws.T) / np.outer(spread, spread)
    assert_allclose(correlation, np.cov(X.T) / np.outer(spread, spread), atol=6 * np.sqrt(2 / n))


@needs_torch
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_a_network(sampler):
    X, n = gaussian_rows(), 1000
    fitted = density(sampler=sampler, n_sampling_levels=40).fit(X)
    draws = fitted.sample(n, random_state=0)
    assert_allclose((draws.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0), 0, atol=6 / np.sqrt(n) + 0.05)
    assert_allclose(draws.std(axis=0) / X.std(axis=0), 1, atol=0.15)


def test_streams_of_draws(route):
    X = gaussian_rows(100)
    fitted = density(**route).fit(X)
    first, second = fitted.sample(3), fitted.sample(3)
    assert not np.array_equal(first, second)
    assert_array_equal(density(**route).fit(X).sample(3), first)
    assert_array_equal(fitted.sample(3, random_state=7), fitted.sample(3, random_state=7))


# ---- rows that nearly repeat others --------------------------------------------------------------


def repeated_rows(n=300):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3))
    return rng.permutation(np.concatenate([X, X[: n // 2] + 0.05 * rng.standard_normal((n // 2, 3))]))


@needs_torch
def test_windows_take_the_rows_that_nearly_repeat_others():
    X = repeated_rows()
    train, test = X[:400], X[400:]
    smooth, stacked = (density(parzen=parzen).fit(train) for parzen in (None, "auto"))
    assert smooth.parzen_weight_ == 0.0
    assert smooth.parzen_widths_ == {}
    assert 0.4 < stacked.parzen_weight_ < 0.8  # half of the rows have a partner
    assert sum(stacked.parzen_widths_.values()) == pytest.approx(1.0)
    assert stacked.score(test) > smooth.score(test) + 0.3
    draws = stacked.sample(500, random_state=0)
    near = np.linalg.norm(draws[:, None] - train, axis=2).min(axis=1) < 0.1
    assert abs(near.mean() - stacked.parzen_weight_) < 0.15


@needs_torch
def test_the_gradient_is_that_of_the_log_density_with_windows():
    fitted = density(sigma_min=0.1, activation="tanh", parzen="auto").fit(repeated_rows())
    fitted._density = replace(fitted._density, n_steps=128)
    x, h = repeated_rows()[:6] + 0.03, 1e-4
    assert fitted.parzen_weight_ > 0.1
    around = x + h * np.concatenate([np.eye(3), -np.eye(3)])[:, None]  # of shape (6, 6, 3), and in one pass
    ahead, behind = fitted.score_samples(around.reshape(-1, 3)).reshape(2, 3, -1)
    score = fitted.grad_log_density(x)
    assert_allclose(score, (ahead - behind).T / (2 * h), atol=0.05 * np.abs(score).max())


@needs_torch
def test_exact_repetitions_are_doubtful():
    X = np.repeat(np.random.default_rng(0).standard_normal((100, 3)), 2, axis=0)
    with pytest.warns(ConvergenceWarning, match="of the density lies in windows of width 0.0125"):
        density(dequantize=False, parzen="auto").fit(X)
    assert density(dequantize=False).fit(X).parzen_weight_ == 0.0


def test_a_closed_form_keeps_no_rows():
    assert density(model="gaussian", parzen="auto").fit(repeated_rows()).parzen_weight_ == 0.0


# ---- a row's value is its own --------------------------------------------------------------------


def test_batch_invariance(route):
    X = two_moons(100)
    fitted = density(**{**route, "n_likelihood_steps": 12}).fit(X)
    expected = fitted.score_samples(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(fitted.score_samples(X[order]), expected[order], rtol=0, atol=1e-7)
    for cut in (1, 37):
        parts = np.concatenate([fitted.score_samples(X[:cut]), fitted.score_samples(X[cut:])])
        assert_allclose(parts, expected, rtol=0, atol=1e-7)
    single = np.concatenate([fitted.score_samples(row[None]) for row in X[:10]])
    assert_allclose(single, expected[:10], rtol=0, atol=1e-7)


# ---- one level alone -----------------------------------------------------------------------------


@needs_torch
def test_one_level_of_a_score_network_has_a_score_and_no_density():
    X = gaussian_rows()
    fitted = density(noise_levels=[0.3], criterion="hyvarinen").fit(X)
    assert np.isfinite(fitted.score(X))
    assert fitted.sample(5).shape == (5, 2)
    with pytest.raises(ValueError, match=r'parametrization="energy".*noise_levels'):
        fitted.score_samples(X)


@needs_torch
def test_one_level_of_an_energy_network_is_normalised():
    X = two_moons()
    fitted = density(noise_levels=[0.4], parametrization="energy").fit(X)
    axis = np.linspace(-5, 5, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    assert np.exp(fitted.score_samples(grid)).sum() * 0.0625 == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("levels", [{"n_levels": 1, "sigma_min": 0.3}, {"noise_levels": [0.3]}])
def test_one_level_two_ways(levels):
    fitted = density(model="gaussian", **levels).fit(gaussian_rows())
    assert_array_equal(fitted.noise_levels_, [0.3])


@pytest.mark.parametrize("n", [3, 10])
def test_draws_that_run_off_to_infinity_are_drawn_again_and_told_of(n):
    X = np.random.default_rng(3).standard_normal((n, 2))
    fitted = DenoisingScoreEstimator("polynomial", random_state=0).fit(X)
    with pytest.warns(ConvergenceWarning, match="draws ran off to infinity and were drawn again: .*Fit more rows"):
        draws = fitted.sample(1000, random_state=0)
    assert np.abs(draws).max() < 1e3 * np.hypot(X.std(), 1.0)
