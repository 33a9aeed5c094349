"""The kernel Stein test: its kernel by differences, its size, its power, and what it must not depend on."""

import numpy as np
import pytest
from scipy.stats import binom

from skscore import ScoreMatchingDensity
from skscore.datasets import GaussianMixtureDistribution
from skscore.metrics import kernel_stein_test, stein_test

KERNELS = {"inverse_multiquadric": lambda r2: (1 + r2) ** -0.5, "gaussian": lambda r2: np.exp(-0.5 * r2)}
NORMAL = GaussianMixtureDistribution([1.0], np.zeros((1, 2)), np.eye(2)[None])
TWO = GaussianMixtureDistribution([0.4, 0.6], [[-1.5, 0.0], [1.5, 0.5]], np.tile(0.5 * np.eye(2), (2, 1, 1)))
DENSITIES = {"gaussian": NORMAL, "mixture": TWO}


def rejections(density, law, runs, n=100, **options):
    """How many of the tests at 5 % reject rows of `law`."""
    tests = (
        kernel_stein_test(density, law.sample(n, random_state=1000 + k), random_state=k, **options) for k in range(runs)
    )
    return sum(test.p_value <= 0.05 for test in tests)


def moved(law, shift):
    return GaussianMixtureDistribution(law.weights, np.asarray(law.means) + shift, law.covariances)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_stein_kernel_by_differences(kernel, rng):
    X, length, step = rng.standard_normal((2, 3)), 1.7, 1e-4
    scale = length * X.std(axis=0)  # of two rows
    s = np.sin(X)

    def k(x, y):
        return KERNELS[kernel]((((x - y) / scale) ** 2).sum())

    def along_x(x, y):
        return np.array([k(x + e, y) - k(x - e, y) for e in step * np.diag(scale)]) / (2 * step)

    def along_y(x, y):
        return np.array([k(x, y + e) - k(x, y - e) for e in step * np.diag(scale)]) / (2 * step)

    x, y = X
    rise = [along_x(x, y + e)[j] - along_x(x, y - e)[j] for j, e in enumerate(step * np.diag(scale))]
    (a, b), trace = s * scale, np.sum(rise) / (2 * step)
    expected = a @ b * k(x, y) + a @ along_y(x, y) + b @ along_x(x, y) + trace
    found = kernel_stein_test(np.sin, X, kernel=kernel, bandwidth=length, n_bootstrap=1)
    assert found.statistic == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", DENSITIES)
def test_the_truth_is_rejected_as_often_as_it_should_be(name, kernel):
    low, high = binom(80, 0.05).ppf([0.001, 0.999])
    assert low <= rejections(DENSITIES[name], DENSITIES[name], 80, n=60, kernel=kernel, n_bootstrap=99) <= high


@pytest.mark.slow
@pytest.mark.parametrize("name", DENSITIES)
def test_the_size_is_five_percent_over_400_runs(name):
    assert 0.03 <= rejections(DENSITIES[name], DENSITIES[name], 400, n_bootstrap=400) / 400 <= 0.07


@pytest.mark.parametrize("name", DENSITIES)
def test_a_moved_density_is_rejected(name):
    assert rejections(DENSITIES[name], moved(DENSITIES[name], 0.5), 20, n_bootstrap=99) >= 16


def test_the_statistic_estimates_without_bias():
    X = [NORMAL.sample(20, random_state=k) for k in range(300)]
    found = np.array([kernel_stein_test(NORMAL, x, bandwidth=2.0, n_bootstrap=1).statistic for x in X])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
    assert (found < 0).any()


def test_neither_blocks_nor_units_nor_a_far_origin_matter(monkeypatch):
    X = TWO.sample(50, random_state=3)
    expected = kernel_stein_test(TWO, X, random_state=0)

    def score(X):
        return TWO.grad_log_density((X - 1e6) / [1e-3, 1e3]) / [1e-3, 1e3]

    moved = kernel_stein_test(score, 1e6 + X * [1e-3, 1e3], random_state=0)
    assert moved.statistic == pytest.approx(expected.statistic, rel=1e-4)
    assert moved.p_value == pytest.approx(expected.p_value, abs=0.01)
    monkeypatch.setattr(stein_test, "BLOCK_PAIRS", 150)
    assert kernel_stein_test(TWO, X, random_state=0) == pytest.approx(expected)


def test_a_fitted_density_is_compatible_with_rows_of_its_law():
    fitted = ScoreMatchingDensity().fit(NORMAL.sample(2000, random_state=4))
    assert kernel_stein_test(fitted, NORMAL.sample(150, random_state=5), random_state=6).p_value > 0.01
    assert kernel_stein_test(fitted, TWO.sample(150, random_state=5), random_state=6).p_value < 0.01


BAD = {
    "kernel": ({"kernel": "box"}, "kernel='box': choose one of 'inverse_multiquadric', 'gaussian'"),
    "bandwidth": ({"bandwidth": 0.0}, "bandwidth=0.0: give a positive number"),
    "name": ({"bandwidth": "mean"}, "bandwidth='mean'"),
    "bootstrap": ({"n_bootstrap": 0}, "n_bootstrap=0: give a positive integer"),
    "density": ({"density": object()}, "no method grad_log_density; give its score as a function"),
    "outside": ({"density": lambda X: np.log(X)}, "no finite score at 1 rows of X"),
    "one row": ({"X": [[1.0, 2.0]]}, "X has 1 rows"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_errors_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        kernel_stein_test(**{"density": np.negative, "X": [[0.0, 1.0], [2.0, 1.0]], **arguments})
