"""A ladder of closed forms is the noise-conditional score of what it fits, at and between its levels."""

import numpy as np
import pytest
from scipy import stats

from skscore.formulas.moments import Summary, moments
from skscore.formulas.schedules import geometric_ladder
from skscore.levels.ladder import fit_ladder as fit_statistics
from skscore.levels.ladder import gather, interpolation_weights
from skscore.likelihood import flow_log_density
from skscore.models import ExponentialFamily, Gaussian, GaussianBase, Polynomial
from skscore.models.objectives import Denoising
from skscore.samplers import DESCENT_SAMPLERS, Flow, descend

SIGMA_MIN, SIGMA_MAX = 0.01, 20.0
VARIANCE = np.array([3.0, 1.0, 0.05])  # of the reference Gaussian


def fit_ladder(model, X, weight, levels, variance, alpha):
    return fit_statistics(gather(model.family(moments(X, weight)), X, weight, levels), variance, alpha)


def ladder(n_levels):
    return geometric_ladder(SIGMA_MIN, SIGMA_MAX, n_levels)


LEVELS = ladder(40)


def quadratic(base=None, curvature=True):
    """The full Gaussian as a user would write it."""

    def statistics(X):
        return np.hstack([X, 0.5 * X**2, X * np.roll(X, 1, axis=1)])

    def jacobian(X):
        n, d = X.shape
        eye, J = np.eye(d), np.zeros((n, 3 * d, d))
        J[:, :d] = eye
        J[:, d : 2 * d] = X[:, :, None] * eye
        J[:, 2 * d :] = np.roll(X, 1, axis=1)[:, :, None] * eye + X[:, :, None] * np.roll(eye, 1, axis=0)
        return J

    def laplacian(X):
        return np.hstack([0 * X, 1 + 0 * X, 0 * X])

    def along(X, V):
        V = np.broadcast_to(V, X.shape)
        return np.hstack([0 * V, V**2, 2 * V * np.roll(V, 1, axis=1)])

    return ExponentialFamily(statistics, jacobian, laplacian, along if curvature else None, base=base)


def tilt(base):
    """Summary T(x) = x: a base measure, moved."""
    return ExponentialFamily(
        statistics=lambda X: X,
        jacobian=lambda X: np.broadcast_to(np.eye(X.shape[1]), (len(X), X.shape[1], X.shape[1])),
        laplacian=np.zeros_like,
        base=base,
    )


MODELS = {
    "gaussian": Gaussian(),
    "gaussian diag": Gaussian("diag"),
    "polynomial 4": Polynomial(4),
    "polynomial 3 all": Polynomial(3, interaction_degree=3, base=GaussianBase(0.5, 2.0)),
    "user": quadratic(),
    "user gaussian base": quadratic("gaussian"),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.fixture
def X(rng):
    """Skew, slightly correlated rows about the origin, of variances near those of the reference."""
    mixing = np.array([[1.0, 0.1, 0.05], [0.0, 1.0, 0.0], [0.0, 0.2, 1.0]])
    X = rng.gamma(4.0, 0.5, size=(600, 3)) @ mixing * np.sqrt(VARIANCE)
    return X - X.mean(axis=0)


def smoothed_precision(X, sigma, weight=None):
    return np.linalg.inv(np.cov(X.T, ddof=0, aweights=weight) + sigma**2 * np.eye(X.shape[1]))


def relative_error(score, exact):
    return np.sqrt(((score - exact) ** 2).sum() / (exact**2).sum())


# ---- at the levels -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gaussian", "user", "user gaussian base"])
def test_gaussian_ladder_is_the_analytic_score_at_its_levels(name, X):
    ladder = fit_ladder(MODELS[name], X, None, LEVELS[::5], VARIANCE, 0.0)
    for sigma in ladder.levels:
        K = smoothed_precision(X, sigma)
        score, divergence = ladder.score_and_divergence(X, sigma)
        np.testing.assert_allclose(score, -X @ K, rtol=1e-9, atol=1e-10 * np.abs(X @ K).max())
        np.testing.assert_allclose(divergence, np.full((len(X), 1), -np.trace(K)), rtol=1e-9)


def test_a_level_is_the_denoising_fit_of_the_family(model, X):
    """Without ridge; a base measure that lies in the family does not matter then."""
    ladder = fit_ladder(model, X, None, ladder_of_three := np.array([5.0, 1.0, 0.2]), VARIANCE, 0.0)
    for sigma in ladder_of_three:
        family, objective = model.family(moments(X)), Denoising(sigma)
        statistics = Summary(moments(X), family.assemble(X, None, None, objective))
        theta = family.solve(statistics, objective, 0.0).theta
        exact = family.score(theta, X)
        np.testing.assert_allclose(ladder.score(X, sigma), exact, atol=1e-8 * np.abs(exact).max())


def test_weights_are_repetition_of_rows(model, X, rng):
    weight = rng.integers(0, 4, size=len(X))
    weighted = fit_ladder(model, X, weight.astype(float), LEVELS[::8], VARIANCE, 0.01)
    repeated = fit_ladder(model, np.repeat(X, weight, axis=0), None, LEVELS[::8], VARIANCE, 0.01)
    for sigma in (0.05, 1.0, 7.0):
        exact = repeated.score(X, sigma)
        np.testing.assert_allclose(weighted.score(X, sigma), exact, atol=1e-8 * np.abs(exact).max())


@pytest.mark.parametrize("base", ["gaussian", GaussianBase(0.3, 1.5)])
def test_a_gaussian_base_takes_on_the_noise(base, X):
    """Its fit moves the mean alone, to that of the rows; the variances are the base's, plus σ²."""
    ladder = fit_ladder(tilt(base), X, None, np.array([20.0, 0.5]), VARIANCE, 0.0)
    variance = X.var(axis=0) if base == "gaussian" else base.scale**2
    for sigma in ladder.levels:
        np.testing.assert_allclose(ladder.score(X, sigma), -X / (variance + sigma**2), rtol=1e-9, atol=1e-12)


def test_the_ridge_of_a_polynomial_draws_towards_the_noisy_gaussian(X):
    heavy = fit_ladder(Polynomial(4), X, None, np.array([20.0, 0.5]), VARIANCE, 1e9)
    for sigma in heavy.levels:
        np.testing.assert_allclose(heavy.score(X, sigma), -X / (X.var(axis=0) + sigma**2), rtol=1e-3, atol=1e-5)


def test_a_small_ridge_is_a_small_change_at_every_level(X):
    free, ridge = (fit_ladder(Polynomial(4), X, None, LEVELS[::4], VARIANCE, alpha) for alpha in (0.0, 1e-7))
    for sigma in free.levels:
        exact = free.score(X, sigma)
        np.testing.assert_allclose(ridge.score(X, sigma), exact, atol=1e-3 * np.abs(exact).max())


# ---- between the levels --------------------------------------------------------------------------


def test_the_reference_gaussian_is_exact_everywhere(rng):
    X = rng.standard_normal((50, 3))
    X = np.vstack([X, -X])
    X = X @ np.linalg.inv(np.linalg.cholesky(X.T @ X / len(X))).T * np.sqrt(VARIANCE)
    ladder = fit_ladder(Gaussian(), X, None, np.array([10.0, 1.0, 0.1]), VARIANCE, 0.0)
    for sigma in (1e-3, 0.04, 0.5, 2.0, 60.0):
        np.testing.assert_allclose(ladder.score(X, sigma), -X / (VARIANCE + sigma**2), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "polynomial 4"])
def test_the_error_between_levels_falls_with_the_fourth_power_of_the_spacing(name, X, rng):
    """Against a fit at that very level."""
    worst = []
    for n_levels in (20, 40):
        coarse, errors = fit_ladder(MODELS[name], X, None, ladder(n_levels), VARIANCE, 0.0), []
        for sigma in np.sqrt(coarse.levels[1:] * coarse.levels[:-1])[1:-1:3]:
            noisy = X + sigma * rng.standard_normal(X.shape)
            exact = fit_ladder(MODELS[name], X, None, np.array([sigma]), VARIANCE, 0.0)
            errors.append(relative_error(coarse.score(noisy, sigma), exact.score(noisy, sigma)))
        worst.append(max(errors))
    assert worst[0] < 0.01
    assert worst[1] < 0.001
    assert worst[1] < worst[0] / 8


@pytest.mark.parametrize("sigma", [SIGMA_MIN, 0.013, 0.3, 1.7, SIGMA_MAX, 50.0])
def test_traces_curvatures_and_divergence_are_derivatives_of_the_score(model, sigma, X, rng):
    ladder, X, step = fit_ladder(model, X, None, LEVELS[::4], VARIANCE, 0.01), X[:30], 1e-5
    V, directions = rng.standard_normal(X.shape), rng.standard_normal((2, 3))

    def along(V):
        return (V * (ladder.score(X + step * V, sigma) - ladder.score(X - step * V, sigma))).sum(axis=1) / (2 * step)

    score, divergence = ladder.score_and_divergence(X, sigma)
    scale = np.abs(divergence).max()
    np.testing.assert_array_equal(score, ladder.score(X, sigma))
    np.testing.assert_allclose(divergence[:, 0], sum(along(e) for e in np.eye(3)), atol=1e-6 * scale)
    np.testing.assert_allclose(divergence[:, 0], ladder.traces(X, sigma, np.eye(3)), atol=1e-11 * scale)
    np.testing.assert_allclose(ladder.curvature(X, sigma, V), along(V), atol=1e-5 * scale)
    np.testing.assert_allclose(ladder.traces(X, sigma, directions), sum(map(along, directions)), atol=1e-5 * scale)


def test_the_score_is_a_gradient(X, rng):
    """vᵀ(∇s)w = wᵀ(∇s)v between the levels."""
    ladder = fit_ladder(Polynomial(4), X, None, LEVELS[::4], VARIANCE, 0.0)
    v, w = rng.standard_normal((2, 3))

    def slope(v, w):
        return (ladder.score(X + 1e-5 * v, 0.37) - ladder.score(X - 1e-5 * v, 0.37)) @ w / 2e-5

    np.testing.assert_allclose(slope(v, w), slope(w, v), atol=1e-6 * np.abs(slope(v, w)).max())


def test_beyond_the_ends_the_excess_fades_at_the_top_and_stays_at_the_bottom(X):
    ladder = fit_ladder(Polynomial(4), X, None, np.array([1.0]), VARIANCE, 0.0)
    far = 1e4 * X
    np.testing.assert_allclose(ladder.score(far, 1e4), -far / (VARIANCE + 1e8), atol=1e-7 * np.abs(X).max())
    np.testing.assert_allclose(ladder.score(X, 1e-8), ladder.score(X, 0.0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_levels", [1, 2, 3, 4, 9])
def test_weights_reproduce_cubics_or_what_the_levels_allow(n_levels):
    levels = geometric_ladder(0.1, 10.0, n_levels)
    for sigma in (0.1, 0.11, 0.7, 3.0, 9.9, 10.0):
        near = interpolation_weights(sigma, levels)
        for power in range(min(4, n_levels)):
            value = sum(weight * np.log(levels[i]) ** power for i, weight in near)
            assert value == pytest.approx(np.log(sigma) ** power if n_levels > 1 else 1.0, abs=1e-10)
        distance = np.sort(np.abs(np.log(levels / sigma)))
        if distance[0] < 1e-12:
            assert len(near) == 1


# ---- as a density and as a source of draws -------------------------------------------------------


@pytest.mark.parametrize("name", ["gaussian", "user"])
def test_flow_through_a_gaussian_ladder_is_the_smoothed_gaussian(name, X):
    """What is left is that p at σ_max is not quite the reference."""
    ladder = fit_ladder(MODELS[name], X, None, LEVELS, X.var(axis=0), 0.0)
    exact = stats.multivariate_normal(cov=np.cov(X.T, ddof=0) + SIGMA_MIN**2 * np.eye(3)).logpdf(X[:60])
    error = flow_log_density(X[:60], ladder, LEVELS)[0] - exact
    assert np.abs(error).mean() < 1e-3


def test_a_family_without_curvature_has_a_likelihood(X):
    with_it, without = (fit_ladder(quadratic(curvature=c), X, None, LEVELS[::4], VARIANCE, 0.0) for c in (True, False))
    rows = X[:20]
    np.testing.assert_array_equal(
        flow_log_density(rows, with_it, ladder(10))[0], flow_log_density(rows, without, ladder(10))[0]
    )


def gamma_rows(rng, n, d):
    return (rng.gamma(4.0, 0.5, size=(n, d)) - 2.0) @ np.array([[1.0, 0.3], [0.0, 1.0]])[:d, :d]


def bimodal_rows(rng, n, d):
    """Modes at -1 and 1 in the first column."""
    X = 0.5 * rng.standard_normal((n, d))
    X[:, 0] += np.where(rng.random(n) < 0.5, -1.0, 1.0)
    return X


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("rows", [gamma_rows, bimodal_rows])
def test_a_quartic_ladder_is_a_density(rows, d, rng):
    X = rows(rng, 4000, d)
    quartic = fit_ladder(Polynomial(4), X, None, LEVELS, X.var(axis=0), 0.0)
    axis = np.linspace(-5.0, 7.0, {1: 401, 2: 49}[d])
    grid = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    density = np.exp(flow_log_density(grid, quartic, ladder(33))[0])
    assert density.sum() * (axis[1] - axis[0]) ** d == pytest.approx(1.0, abs=2e-3)


SKEWED = {
    "exponential": lambda rng: rng.standard_exponential((800, 1)),
    "pareto": lambda rng: rng.pareto(3.0, size=(800, 1)),
}


@pytest.mark.parametrize("rows", SKEWED.values(), ids=SKEWED)
def test_a_quartic_ladder_of_a_skewed_column_makes_up_no_mass_beside_the_rows(rows):
    """There its flow reaches infinity within a step: mass 1.02 and 9.2 if all rows took the same steps."""
    X = rows(np.random.RandomState(0))
    X = (X - X.mean()) / X.std()
    quartic = fit_ladder(Polynomial(4), X, None, ladder(41), np.ones(1), 0.0)
    grid = np.unique(np.r_[np.linspace(X.min() - 1.5, X.min(), 300), np.linspace(X.min(), X.max() + 1.0, 100)])
    density = np.exp(flow_log_density(grid[:, None], quartic, ladder(33))[0])
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize("d", [1, 2])
def test_a_quartic_ladder_beats_the_gaussian_on_new_skew_rows(d, rng):
    X, held_out = gamma_rows(rng, 4000, d), gamma_rows(rng, 500, d)
    quartic, gaussian = (
        flow_log_density(held_out, fit_ladder(model, X, None, LEVELS, X.var(axis=0), 0.0), ladder(33))[0]
        for model in (Polynomial(4), Gaussian())
    )
    gain = quartic - gaussian
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))


SAMPLERS = {
    f"{cls.__name__} {k}": sampler for cls in DESCENT_SAMPLERS for k, sampler in enumerate(cls.examples(ladder))
}


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_samplers_draw_from_the_gaussian_that_the_ladder_fits(sampler, X):
    """Along each principal axis, by Kolmogorov and Smirnov."""
    ladder = fit_ladder(Gaussian(), X, None, LEVELS[::2], X.var(axis=0), 0.0)
    draws = descend(sampler, ladder, 2000, np.random.default_rng(0))
    values, axes = np.linalg.eigh(np.cov(X.T, ddof=0))
    for variance, axis in zip(values, axes.T, strict=True):
        law = stats.norm(scale=np.sqrt(variance + SIGMA_MIN**2))
        assert stats.kstest(draws @ axis, law.cdf).pvalue > 1e-3


def test_draws_of_a_quartic_ladder_are_skew_as_the_rows_are(rng):
    X = gamma_rows(rng, 4000, 1)
    X -= X.mean(axis=0)
    ladder = fit_ladder(Polynomial(4), X, None, LEVELS, X.var(axis=0), 0.0)
    draws = descend(Flow(LEVELS), ladder, 4000, rng)
    assert draws.std() == pytest.approx(X.std(), rel=0.05)
    assert stats.skew(draws).item() == pytest.approx(stats.skew(X).item(), abs=0.25)
