"""What `score` gives and what it leaves behind: a number of numpy, and an estimator of the same hash."""

import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

from skscore import (
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
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
    DenoisingScoreEstimatorCV("gaussian", cv=2, n_levels=6, n_likelihood_steps=4),
]
INTEGRATED = [
    ScoreMatchingDensity(PairwiseInteraction(weight="tanh")),
    ScoreMatchingDensity("truncated_gaussian"),
    ScoreMatchingDensity(Kernel(10, bandwidth=1.0, base_scale=1.0), alpha=0.1),
    ScoreMatchingDensity("polynomial"),
    TransformedDensity(ScoreMatchingDensity("truncated_gaussian"), MinMaxScaler((1, 2))),
    TransformedDensity(ScoreMatchingDensity(), QuantileTransformer(n_quantiles=8)),
    DenoisingScoreEstimator("gaussian", bounds=(0.0, 20.0), **LADDER),
]


@pytest.fixture
def rows(rng):
    return 0.1 + np.abs(rng.standard_normal((60, 2)))


@pytest.mark.parametrize("estimator", EXACT + INTEGRATED, ids=repr)
def test_score_is_a_number_of_numpy(rows, estimator):
    fitted = estimator.fit(rows)
    for weight in ({}, {"sample_weight": np.ones(60)}):
        assert type(fitted.score(rows, **weight)) is np.float64


def test_score_of_targets_is_a_number_of_numpy(rows):
    fitted = ConditionalScoreDensity(10, bandwidth=1.0, input_bandwidth=1.0, alpha=0.1).fit(rows[:, :1], rows[:, 1])
    before = joblib.hash(fitted)
    assert type(fitted.score(rows[:, :1], rows[:, 1])) is np.float64
    assert joblib.hash(fitted) == before


@pytest.mark.parametrize("estimator", EXACT + INTEGRATED, ids=repr)
def test_scoring_leaves_no_trace(rows, estimator):
    fitted = estimator.fit(rows)
    before = joblib.hash(fitted)
    fitted.score(rows)
    fitted.score_samples(rows)
    for name in ("grad_log_density", "hyvarinen_score", "mahalanobis", "bic"):
        getattr(fitted, name, np.shape)(rows)
    assert joblib.hash(fitted) == before


@pytest.mark.parametrize("estimator", INTEGRATED[:2], ids=repr)
def test_a_pickle_has_the_normaliser(rows, estimator, monkeypatch):
    fitted = estimator.fit(rows)
    expected, log_z, again = fitted.score(rows), fitted.log_normalizer_, pickle.loads(pickle.dumps(fitted))
    monkeypatch.delattr("skscore.models.fitted_density.normalizer")
    assert again.score(rows) == expected
    assert again.log_normalizer_ == log_z


def test_a_function_of_infinite_mass_has_a_pickle(rows):
    convex = ScoreMatchingDensity("truncated_gaussian", objective="explicit").fit(rows, rows)
    again = pickle.loads(pickle.dumps(convex))
    assert_array_equal(again.grad_log_density(rows), convex.grad_log_density(rows))
    with pytest.raises(ValueError, match="no density"):
        again.score(rows)


@pytest.mark.parametrize(
    "estimator", [ScoreMatchingDensity(random_state=0), TransformedDensity(*TRANSFORMED)], ids=repr
)
def test_a_second_fit_has_the_hash_of_the_first(rows, estimator):
    first = joblib.hash(estimator.fit(rows))
    estimator.score(rows)
    assert joblib.hash(estimator.fit(rows)) == first
