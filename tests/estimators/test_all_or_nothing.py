"""A fit that fails or is interrupted leaves the estimator as it was."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from skscore import ConditionalScoreDensity, DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity
from skscore.estimators import conditional, denoising, transformed

NETWORK_FREE = {"sigma_min": 0.1, "n_levels": 6, "n_likelihood_steps": 8, "random_state": 0}
CASES = {
    "denoising": (DenoisingScoreEstimator("gaussian", **NETWORK_FREE), denoising, "fit_closed_form"),
    "transformed": (TransformedDensity(ScoreMatchingDensity(), StandardScaler()), transformed, "moments"),
    "conditional": (ConditionalScoreDensity(n_landmarks=10, alpha=0.1, cv=2), conditional, "chosen_nodes"),
}


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def table(rng, d):
    X = rng.standard_normal((40, d))
    return X, X[:, 0] + rng.standard_normal(40)


@pytest.fixture(params=CASES)
def case(request, monkeypatch):
    estimator, module, name = CASES[request.param]
    return clone(estimator), lambda: monkeypatch.setattr(module, name, interrupt)


def test_an_interrupted_refit_on_another_width_leaves_the_former_fit(case, rng):
    estimator, break_it = case
    X, y = table(rng, 2)
    expected = estimator.fit(X, y).score(X, y)
    break_it()
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(*table(rng, 3))
    assert estimator.n_features_in_ == 2
    assert estimator.score(X, y) == expected


def test_an_interrupted_first_fit_is_no_fit(case, rng):
    estimator, break_it = case
    break_it()
    X, y = table(rng, 2)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    with pytest.raises(NotFittedError):
        estimator.score(X, y)


def test_a_chunk_that_was_interrupted_counts_once(rng, monkeypatch):
    X = rng.standard_normal((80, 2))
    whole, interrupted = (DenoisingScoreEstimator("polynomial", **NETWORK_FREE).partial_fit(X[:40]) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(DenoisingScoreEstimator, "_warn_if_doubtful", interrupt)
        with pytest.raises(KeyboardInterrupt):
            interrupted.partial_fit(X[40:])
    np.testing.assert_array_equal(
        interrupted.partial_fit(X[40:]).score_samples(X), whole.partial_fit(X[40:]).score_samples(X)
    )
