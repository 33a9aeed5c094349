"""Kernel densities as they come, on tables that are no easy ones."""

import warnings

import numpy as np
import pytest

from skscore import ScoreMatchingDensity
from skscore.models import Kernel
from skscore.models.kernels.selection import CandidateScores

MODELS = {
    "default": Kernel(),
    "raw units": Kernel(30, whiten=False, cv=3),
    "slopes": Kernel(8, basis="nystrom"),
    "mixture": Kernel(30, n_components=2, cv=3),
}


def density(name):
    return ScoreMatchingDensity(MODELS[name], random_state=0)


X = np.random.default_rng(0).gamma(3.0, 1.0, (80, 2))


@pytest.fixture(scope="module", params=MODELS)
def plain(request):
    """Name of a model, and its fit to the rows as they are, which wide kernels suit."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Kernel: the chosen bandwidth .* is the greatest")
        return request.param, density(request.param).fit(X)


@pytest.mark.filterwarnings("ignore:Kernel. the chosen bandwidth .* is the greatest")
def test_offsets_and_units_change_the_volume_alone(plain):
    """Of each column by itself; of all columns alike where they are not whitened."""
    name, fitted = plain
    for scale in (1e-8, 1e8) if name == "raw units" else (np.array([1e-8, 1e8]),):
        moved = scale * X + np.array([0.0, 1e8]) * scale
        change = density(name).fit(moved).score(moved) - fitted.score(X)
        assert change == pytest.approx(-np.log(scale * np.ones(2)).sum(), abs=0.05)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_far_row_does_not_make_spikes_of_the_others(plain, rng):
    """Rows of the same law, not seen before, keep a log-density that a spike at each training row would deny."""
    name, fitted = plain
    T = rng.gamma(3.0, 1.0, (500, 2))
    with_far_row = density(name).fit(np.vstack([X, [[1e5, 1e5]]]))
    assert np.median(with_far_row.score_samples(T)) > np.median(fitted.score_samples(T)) - 8.0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_constant_and_equal_columns_fit(name):
    table = np.column_stack([X, np.ones(80), X[:, 0]])
    fitted = density(name).fit(table)
    assert np.isfinite(fitted.score_samples(table)).all()
    assert np.isfinite(fitted.sample(10)).all()


def test_a_long_table_of_a_smooth_law_is_nearly_exact(rng):
    """20,000 rows of a banana: the least ridge on the grid is not below what rounding leaves of Γ."""
    X = rng.standard_normal((20_000, 2))
    X[:, 0] += 0.5 * X[:, 1] ** 2
    T = rng.standard_normal((5000, 2))
    T[:, 0] += 0.5 * T[:, 1] ** 2
    truth = -0.5 * T[:, 1] ** 2 - 0.5 * (T[:, 0] - 0.5 * T[:, 1] ** 2) ** 2 - np.log(2 * np.pi)
    fitted = ScoreMatchingDensity(Kernel(60), random_state=0).fit(X)
    assert truth.mean() - fitted.score(T) < 0.01


def test_ties_go_to_the_greater_ridge():
    alphas, scales = np.array([1e-3, 1e-2, 1e-1]), np.array([1.0, 2.0])
    scores = np.array([[-1.0, -1.0, -2.0], [-3.0, -1.0, -1.0 - 1e-12]])
    assert CandidateScores(0.5, 0.0, scales, alphas, scores, np.ones((2, 3))).choice == (0.5, 2.0, 0.0, 0.1)
    assert CandidateScores(0.5, 0.0, scales, alphas[:2], scores[:, :2], np.ones((2, 2))).choice == (0.5, 1.0, 0.0, 0.01)


def test_rows_that_no_kernel_reaches_take_the_greatest_ridge(rng):
    """Scores of rows held out say nothing of the ridge, and spikes at the other rows are struck out."""
    X = rng.standard_normal((8, 3))
    fitted = ScoreMatchingDensity(Kernel(bandwidth=1e-3, base_scale=1.0), random_state=0).fit(X)
    assert fitted.alpha_ == fitted.cv_results_["param_alpha"].max()
