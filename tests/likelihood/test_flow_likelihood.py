"""Log-density along the flow meets the exact one; the bound stays below it."""

import numpy as np
import pytest
from scipy import stats

from skscore.datasets import GaussianMixtureDistribution
from skscore.formulas.schedules import geometric_ladder
from skscore.likelihood import adaptive_steps, antithetic_noise, elbo, flow_log_density
from skscore.samplers import NoiseConditionalScore

SIGMA_MIN, SIGMA_MAX = 0.01, 20.0
VARIANCE = np.array([4.0, 1.0, 0.02])


def ladder(n_steps):
    return geometric_ladder(SIGMA_MIN, SIGMA_MAX, n_steps + 1)


def gaussian(variance, reference):
    """N(0, diag variance) with its exact score over a reference."""

    def score(x, sigma):
        return -x / (variance + sigma**2)

    def score_and_divergence(x, sigma):
        return score(x, sigma), np.full((len(x), 1), -(1 / (variance + sigma**2)).sum())

    return NoiseConditionalScore(score, score_and_divergence, reference)


def gaussian_log_density(X, variance):
    return -0.5 * (X**2 / variance + np.log(2 * np.pi * variance)).sum(axis=1)


def smoothed(distribution, sigma):
    return GaussianMixtureDistribution(
        distribution.weights, distribution.means, distribution.covariances + sigma**2 * np.eye(distribution.n_features)
    )


@pytest.mark.parametrize("n_steps", [0, 1, 2, 7, 40])
def test_the_reference_gaussian_is_exact_at_any_number_of_steps(n_steps, rng):
    X = 3 * rng.standard_normal((100, 3))
    log_density, stderr = flow_log_density(X, gaussian(VARIANCE, VARIANCE), ladder(n_steps))
    exact = gaussian_log_density(X, VARIANCE + SIGMA_MIN**2)
    np.testing.assert_allclose(log_density, exact, rtol=1e-12, atol=1e-10)
    assert np.array_equal(stderr, np.zeros(100))


@pytest.mark.parametrize("n_steps", [20, 40])
def test_another_gaussian_than_the_reference(n_steps, rng):
    """What is left is that p at σ_max is not quite the reference: half of 3/σ_max² for variance 4 over 1."""
    X = np.sqrt(VARIANCE) * rng.standard_normal((200, 3))
    log_density, _ = flow_log_density(X, gaussian(VARIANCE, np.ones(3)), ladder(n_steps))
    error = log_density - gaussian_log_density(X, VARIANCE + SIGMA_MIN**2)
    assert np.abs(error).mean() < 0.005 + {20: 0.005, 40: 0.0}[n_steps]


@pytest.mark.parametrize("sigma_min", [0.1, 1.0])
def test_few_steps_will_do_from_a_large_smallest_level(sigma_min, rng):
    """The flow is in full motion there; without a correction at that end the errors are five times as large."""
    X = np.sqrt(VARIANCE + sigma_min**2) * rng.standard_normal((200, 3))
    log_density, _ = flow_log_density(X, gaussian(VARIANCE, np.ones(3)), geometric_ladder(sigma_min, 1e3, 17))
    error = log_density - gaussian_log_density(X, VARIANCE + sigma_min**2)
    assert np.abs(error).mean() < 0.0025


def test_mixtures_reproduce_their_density(mixture, noisy_target):
    X = smoothed(mixture, SIGMA_MIN).sample(300, random_state=0)
    exact = smoothed(mixture, SIGMA_MIN).score_samples(X)
    errors = [np.abs(flow_log_density(X, noisy_target(mixture), ladder(n))[0] - exact) for n in (20, 40)]
    assert errors[1].mean() < 0.005
    assert errors[1].max() < 0.1
    assert errors[1].mean() < errors[0].mean() / 4


def test_blocks_of_rows_change_nothing(mixture, noisy_target, rng):
    X = mixture.sample(50, random_state=rng)
    together, _ = flow_log_density(X, noisy_target(mixture), ladder(10))
    apart, _ = flow_log_density(X, noisy_target(mixture), ladder(10), block_rows=7)
    np.testing.assert_allclose(apart, together, rtol=1e-9, atol=1e-9)


def test_probes_agree_with_the_exact_divergence_within_their_errors(mixture, noisy_target, rng):
    """Exact divergences plus noise of unit variance stand for probes: stated errors cover the truth."""
    target, n_probes = noisy_target(mixture), 16
    offsets = rng.standard_normal((40, n_probes))

    def probed(x, sigma):
        score, divergence = target.score_and_divergence(x, sigma)
        return score, divergence + offsets / (1 + sigma**2)

    X = mixture.sample(40, random_state=rng)
    exact, none = flow_log_density(X, target, ladder(20), tolerance=np.inf)  # offsets belong to all 40 rows
    estimate, stderr = flow_log_density(X, target._replace(score_and_divergence=probed), ladder(20), tolerance=np.inf)
    assert np.array_equal(none, np.zeros(40))
    deviation = (estimate - exact) / stderr  # Student's t with 15 degrees of freedom
    assert np.sqrt(np.mean(deviation**2)) == pytest.approx(np.sqrt(15 / 13), abs=0.4)


def test_rows_beyond_all_reach_have_density_zero(mixture, noisy_target):
    X = np.zeros((3, mixture.n_features))
    X[1], X[2, 0] = 1e200, np.inf
    target = noisy_target(mixture)
    near, _ = flow_log_density(X[:1], target, ladder(10))
    log_density, stderr = flow_log_density(X, gaussian(np.ones(X.shape[1]), np.ones(X.shape[1])), ladder(10))
    assert np.isfinite(near).all()
    assert log_density[1:].tolist() == [-np.inf, -np.inf]
    assert np.isfinite(log_density[0])
    assert np.array_equal(stderr, np.zeros(3))


CUBIC = 0.3


def cubic():
    """The score -x/r² - cx³/r⁶ over N(0, 1): the flow dy/dt = cσ²y³/r⁴ reaches infinity from beyond 1/√c or so."""

    def score_and_divergence(x, sigma):
        r2 = 1 + sigma**2
        return -x / r2 - CUBIC * x**3 / r2**3, -1 / r2 - 3 * CUBIC * x**2 / r2**3

    return NoiseConditionalScore(lambda x, sigma: score_and_divergence(x, sigma)[0], score_and_divergence, np.ones(1))


def cubic_log_density(x):
    """By y_T = y/√u with u = 1 - 2cWy², where W = ∫σ²/r⁴ dt, and its derivative u^(-3/2)."""
    r2 = 1 + SIGMA_MIN**2
    u = 1 - CUBIC * (1 / r2 - 1 / (1 + SIGMA_MAX**2)) * x**2 / r2
    with np.errstate(invalid="ignore", divide="ignore"):
        log_density = stats.norm.logpdf(np.sqrt(x**2 / r2 / u)) - 1.5 * np.log(u) - np.log(r2) / 2
    return np.where(u > 0, log_density, -np.inf)


BRINK = np.linspace(1.5, 2.5, 2001)  # of infinity, which is at 1.83


def test_rows_at_the_brink_of_infinity_have_the_density_of_the_exact_flow():
    exact = cubic_log_density(BRINK)
    log_density, _ = flow_log_density(BRINK[:, None], cubic(), ladder(32))
    likely = exact > -20.0
    np.testing.assert_allclose(log_density[likely], exact[likely], atol=0.1)
    assert log_density[~likely].max() < -15.0
    assert np.trapezoid(np.exp(log_density), BRINK) == pytest.approx(np.trapezoid(np.exp(exact), BRINK), rel=1e-2)


SPREAD = 0.05


def two_clusters():
    """Two narrow normal laws at -1 and 1, with their exact score."""

    def score_and_divergence(x, sigma):
        variance = SPREAD**2 + sigma**2
        side = np.tanh(x / variance)
        return (side - x) / variance, (1 - side**2) / variance**2 - 1 / variance

    return NoiseConditionalScore(
        lambda x, sigma: score_and_divergence(x, sigma)[0], score_and_divergence, np.array([1 + SPREAD**2])
    )


def test_rows_between_clusters_are_not_made_up():
    """The flow is stiff there: with 32 steps for all rows some are 164 nats above the truth."""
    X, sd = np.linspace(-1.5, 1.5, 61)[:, None], np.hypot(SPREAD, SIGMA_MIN)
    exact = np.logaddexp(*(stats.norm.logpdf(X[:, 0], centre, sd) for centre in (-1.0, 1.0))) - np.log(2)
    log_density, _ = flow_log_density(X, two_clusters(), ladder(32))
    as_given, _ = flow_log_density(X, two_clusters(), ladder(32), tolerance=np.inf)
    assert (as_given - exact).max() > 10.0
    np.testing.assert_allclose(log_density, exact, atol=0.2)


def test_rows_are_refined_one_by_one():
    """The others keep their steps, and a row does not depend on its batch."""
    X, target = np.linspace(-1.5, 1.5, 31)[:, None], two_clusters()
    log_density, _ = flow_log_density(X, target, ladder(32))
    as_given, _ = flow_log_density(X, target, ladder(32), tolerance=np.inf)
    apart = [flow_log_density(x[None], target, ladder(32))[0][0] for x in X[::5]]
    np.testing.assert_allclose(apart, log_density[::5], rtol=1e-9)
    in_a_cluster = np.abs(np.abs(X[:, 0]) - 1.0) < 2 * SPREAD
    np.testing.assert_array_equal(log_density[in_a_cluster], as_given[in_a_cluster])
    assert (log_density != as_given).any()


def test_a_row_that_does_not_settle_has_density_zero():
    """Its divergence is noise in the level, however close the levels are."""

    def noisy(x, sigma):
        return cubic().score(x, sigma), np.where(x > 1.0, 1e5 * np.sin(1e9 * sigma), -1 / (1 + sigma**2))

    target = cubic()._replace(score_and_divergence=noisy)
    log_density, stderr = flow_log_density(np.array([[0.0], [1.2]]), target, ladder(8))
    assert np.isfinite(log_density[0])
    assert log_density[1] == -np.inf
    assert np.array_equal(stderr, np.zeros(2))


def test_the_report_says_what_the_rows_say(mixture, noisy_target):
    X = mixture.sample(600, random_state=0)
    target = noisy_target(mixture)
    report = adaptive_steps(X, target, SIGMA_MIN, SIGMA_MAX)
    rows = X[np.linspace(0, 599, 256).astype(int)]
    log_density, _ = flow_log_density(rows, target, ladder(report.n_steps), tolerance=np.inf)
    half, _ = flow_log_density(rows, target, ladder(report.n_steps // 2), tolerance=np.inf)
    assert 16 < report.n_steps < 32  # eight and sixteen differ by more than .05, by less than four times that
    assert report.halving_difference == pytest.approx(np.abs(log_density - half).mean())
    assert report.halving_difference < 0.05
    assert report.worst == log_density.min()
    assert report.median == np.median(log_density)
    gaussian_mean = gaussian_log_density(rows, target.variance + SIGMA_MIN**2).mean()
    assert report.above_gaussian == pytest.approx(log_density.mean() - gaussian_mean)
    assert report.probe_stderr == 0.0


def test_steps_grow_until_halving_them_hardly_matters(mixture, noisy_target):
    X, target = mixture.sample(64, random_state=0), noisy_target(mixture)
    report, as_tried = (
        adaptive_steps(X, target, SIGMA_MIN, SIGMA_MAX, n_steps=8, tolerance=tolerance) for tolerance in (0.05, np.inf)
    )
    assert as_tried.n_steps == 8 < report.n_steps <= 32
    assert report.n_steps % 2 == 0
    assert report.halving_difference <= 0.05 < as_tried.halving_difference
    hopeless = adaptive_steps(X, target, SIGMA_MIN, SIGMA_MAX, n_steps=4, tolerance=1e-9)
    assert hopeless.n_steps == 32
    assert hopeless.halving_difference > 1e-9


def test_the_bound_of_the_reference_gaussian_is_its_density(rng):
    X = np.sqrt(VARIANCE) * rng.standard_normal((50, 3))
    noise = antithetic_noise(11, 2, (3,), rng)
    bound = elbo(X, gaussian(VARIANCE, VARIANCE), ladder(10), noise)
    np.testing.assert_allclose(bound, gaussian_log_density(X, VARIANCE), rtol=1e-10)


def test_the_bound_of_a_gaussian_with_its_score_is_tight(rng):
    """Over another reference, up to what lies outside the ladder and the scatter over 8 sets of draws."""
    X = np.sqrt(VARIANCE) * rng.standard_normal((500, 3))
    target, exact = gaussian(VARIANCE, np.ones(3)), gaussian_log_density(X, VARIANCE).mean()
    levels = geometric_ladder(0.001, 100.0, 61)
    gaps = [exact - elbo(X, target, levels, antithetic_noise(61, 1, X.shape, rng)).mean() for _ in range(8)]
    assert abs(np.mean(gaps)) < 4 * np.std(gaps, ddof=1) / np.sqrt(8) + 1e-3


def test_the_bound_lies_below_the_density_and_near_it(mixture, noisy_target, rng):
    X = mixture.sample(1000, random_state=rng)
    noises = [antithetic_noise(41, 1, X.shape, rng) for _ in range(4)]
    bounds = [elbo(X, noisy_target(mixture), ladder(40), noise) for noise in noises]
    gaps = mixture.score_samples(X) - np.stack(bounds)
    error = np.hypot(gaps.mean(axis=1).std(ddof=1) / 2, gaps.std() / np.sqrt(len(X)))
    assert -4 * error < gaps.mean() < 0.05 + 4 * error


def test_a_worse_score_has_a_lower_bound(mixture, noisy_target, rng):
    X, target = mixture.sample(300, random_state=rng), noisy_target(mixture)
    worse = target._replace(score=lambda x, sigma: 0.8 * target.score(x, sigma))
    noise = antithetic_noise(21, 1, X.shape, rng)
    assert elbo(X, worse, ladder(20), noise).mean() < elbo(X, target, ladder(20), noise).mean() - 0.1


def test_the_bound_of_a_row_does_not_depend_on_the_others(mixture, noisy_target, rng):
    X, noise = mixture.sample(20, random_state=rng), antithetic_noise(6, 2, (mixture.n_features,), rng)
    together = elbo(X, noisy_target(mixture), ladder(5), noise)
    np.testing.assert_allclose(elbo(X[:3], noisy_target(mixture), ladder(5), noise), together[:3], rtol=1e-9)
