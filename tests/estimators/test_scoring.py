"""What `score` gives and what it leaves behind: a number of numpy, and an estimator of the same hash."""

import joblib
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from skscore import (
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    TransformedDensity,
)
from skscore.models import Gaussian, Kernel, PairwiseInteraction

TRANSFORMED = GaussianMixture(2, random_state=0), StandardScaler()
LADDER = {"sigma_min": 0.1, "n_levels": 6, "n_likelihood_steps": 4}
EXACT = [
    ScoreMatchingDensity(),
    ScoreMatchingDensity(Gaussian("diag"), criterion="hyvarinen"),
    ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.5),
    ScoreMatchingDensityCV(n_alphas=4),
    ScoreMatchingDensityCV(n_alphas=4, selection="ebic"),
    TransformedDensity(ScoreMatchingDensity(), StandardScaler()),
    TransformedDensity(*TRANSFORMED),
    DenoisingScoreEstimator("gaussian", **LADDER),
    DenoisingScoreEstimator("gaussian", dequantize=False, tail=None, parzen=None, **LADDER),
    DenoisingScoreEstimator("gaussian", noise_levels=[0.5]),
]
BY_DRAWS = [
    ScoreMatchingDensity(PairwiseInteraction(weight="tanh")),
    ScoreMatchingDensity("truncated_gaussian"),
    ScoreMatchingDensity(Kernel(10, bandwidth=1.0, base_scale=1.0), alpha=0.1),
]


@pytest.fixture
def rows(rng):
    return 0.1 + np.abs(rng.standard_normal((60, 2)))


@pytest.mark.parametrize("estimator", EXACT + BY_DRAWS, ids=repr)
def test_score_is_a_number_of_numpy(rows, estimator):
    fitted = estimator.fit(rows)
    for weight in ({}, {"sample_weight": np.ones(60)}):
        assert type(fitted.score(rows, **weight)) is np.float64


def test_score_of_targets_is_a_number_of_numpy(rows):
    fitted = ConditionalScoreDensity(10, bandwidth=1.0, input_bandwidth=1.0, alpha=0.1).fit(rows[:, :1], rows[:, 1])
    before = joblib.hash(fitted)
    assert type(fitted.score(rows[:, :1], rows[:, 1])) is np.float64
    assert joblib.hash(fitted) == before


@pytest.mark.parametrize("estimator", EXACT, ids=repr)
def test_scoring_leaves_no_trace_if_the_normaliser_is_exact(rows, estimator):
    fitted = estimator.fit(rows)
    before = joblib.hash(fitted)
    fitted.score(rows)
    fitted.score_samples(rows)
    for name in ("grad_log_density", "hyvarinen_score", "mahalanobis", "bic"):
        getattr(fitted, name, np.shape)(rows)
    assert joblib.hash(fitted) == before


@pytest.mark.parametrize(
    "estimator", [ScoreMatchingDensity(random_state=0), TransformedDensity(*TRANSFORMED)], ids=repr
)
def test_a_second_fit_has_the_hash_of_the_first(rows, estimator):
    first = joblib.hash(estimator.fit(rows))
    estimator.score(rows)
    assert joblib.hash(estimator.fit(rows)) == first
