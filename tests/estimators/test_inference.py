"""Standard errors: coverage of the truth, known formulas, weights, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.domains import MinPower
from skscore.models import Kernel, PairwiseInteraction, TruncatedGaussian

MEAN = np.array([1.0, 0.0, -1.0])
PRECISION = np.eye(3) + 0.3 * (np.eye(3, k=1) + np.eye(3, k=-1))
TRUTH = np.concatenate([PRECISION[np.triu_indices(3)], PRECISION @ MEAN])


def density(model="pairwise", **parameters):
    return ScoreMatchingDensity(model, inference=True, **parameters)


def gaussian_rows(rng, n):
    return rng.multivariate_normal(MEAN, np.linalg.inv(PRECISION), n)


def test_intervals_cover_the_truth(rng):
    """100 tables of 9 parameters: coverage of 95 % intervals within 3 standard errors of its own."""
    covered = []
    for _ in range(100):
        fitted = density().fit(gaussian_rows(rng, 400))
        covered.append(np.abs(fitted.theta_ - TRUTH) < 1.96 * fitted.standard_errors_)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_intervals_of_a_truncated_gaussian_cover_the_truth(rng):
    mean = np.full(3, 0.5)
    Z = rng.multivariate_normal(mean, np.linalg.inv(PRECISION), 200_000)
    Z = Z[(Z > 0).all(axis=1)]
    truth = np.concatenate([PRECISION[np.triu_indices(3)], PRECISION @ mean])
    covered = []
    for X in np.array_split(Z[:40_000], 80):
        fitted = density(TruncatedGaussian(weight=MinPower(1, 1))).fit(X)
        covered.append(np.abs(fitted.theta_ - truth) < 1.96 * fitted.standard_errors_)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_the_error_of_a_precision_is_the_known_one(rng):
    """K = 1/s² of n rows with mean 0 has the variance 2K²/n where they are Gaussian."""
    X = 2.0 * rng.standard_normal((50_000, 1))
    fitted = density(PairwiseInteraction(centered=True)).fit(X)
    assert fitted.standard_errors_[0] == pytest.approx(np.sqrt(2.0 / 50_000) * 0.25, rel=0.05)


def test_where_the_origin_lies_changes_the_linear_part_alone(rng):
    X = gaussian_rows(rng, 200)
    near, far = density().fit(X), density().fit(X + 5.0)
    np.testing.assert_allclose(far.standard_errors_[:6], near.standard_errors_[:6], rtol=1e-8)
    assert (far.standard_errors_[6:] > near.standard_errors_[6:]).all()


def test_weights_of_one_size_change_nothing_and_a_repeated_row_counts_twice(rng):
    X = gaussian_rows(rng, 150)
    plain, scaled = density().fit(X), density().fit(X, sample_weight=np.full(150, 7.0))
    np.testing.assert_allclose(scaled.standard_errors_, plain.standard_errors_, rtol=1e-9)
    doubled = density().fit(np.repeat(X, 2, axis=0))
    np.testing.assert_allclose(doubled.standard_errors_, plain.standard_errors_ / np.sqrt(2), rtol=5e-3)


def test_edges_are_tested_by_name(rng):
    X = pd.DataFrame(gaussian_rows(rng, 500), columns=["a", "b", "c"])
    table = density().fit(X).edge_tests()
    assert table["names"].tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert (table["p_value"][[0, 2]] < 1e-3).all()
    np.testing.assert_allclose(table["statistic"], (table["interaction"] / table["standard_error"]) ** 2)


def test_p_values_without_an_edge_are_uniform(rng):
    p_values = [density().fit(rng.standard_normal((200, 3))).edge_tests()["p_value"] for _ in range(100)]
    assert np.mean(np.array(p_values) < 0.1) == pytest.approx(0.1, abs=0.06)


def test_pairs_that_the_penalty_left_out_are_not_tested(rng):
    fitted = ScoreMatchingDensityCV(selection="ebic", refit=True, inference=True).fit(gaussian_rows(rng, 300))
    table = fitted.edge_tests()
    assert (table["p_value"][table["interaction"] == 0.0] == 1.0).all()
    assert (table["standard_error"][table["interaction"] != 0.0] > 0.0).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_kernels_have_errors_too(rng):
    fitted = density(Kernel(5, bandwidth=1.0, base_scale=1.0), alpha=0.01).fit(gaussian_rows(rng, 100))
    assert fitted.standard_errors_.shape == fitted.theta_.shape
    assert (fitted.standard_errors_ > 0.0).all()


def test_what_has_no_errors_says_so(rng):
    X = gaussian_rows(rng, 60)
    with pytest.raises(ValueError, match="pairwise"):
        density("gaussian").fit(X)
    with pytest.raises(ValueError, match="all rows at once"):
        density().fit(X).partial_fit(X)
    with pytest.raises(ValueError, match="inference=True"):
        ScoreMatchingDensity("pairwise").fit(X).edge_tests()
