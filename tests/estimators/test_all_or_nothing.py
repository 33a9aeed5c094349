"""A fit that fails or is interrupted leaves the estimator as it was."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skscore import (
    BijectiveTransformer,
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
    TransformedDensity,
)
from skscore.estimators import conditional, denoising, ica, score_matching, transformed
from skscore.neural import NeuralEnergy, ScoreNetwork

NETWORK_FREE = {"sigma_min": 0.1, "n_levels": 6, "n_likelihood_steps": 8, "random_state": 0}
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 4, "device": "cpu"}
NETWORK = DenoisingScoreEstimator(ScoreNetwork(**SMALL, n_folds=1), n_likelihood_steps=2, random_state=0)
ENERGY = ScoreMatchingDensity(NeuralEnergy(**SMALL), random_state=0)
CASES = {  # an estimator, and the last function of its fit, or one on its way
    "score matching": (ScoreMatchingDensity(), score_matching, "FittedDensity"),
    "score matching, warnings": (ScoreMatchingDensity(), score_matching, "warn_of"),
    "path": (ScoreMatchingDensityCV(cv=2, n_alphas=4), score_matching, "FittedDensity"),
    "denoising": (DenoisingScoreEstimator("gaussian", **NETWORK_FREE), denoising, "fit_closed_form"),
    "denoising, warnings": (DenoisingScoreEstimator("gaussian", **NETWORK_FREE), denoising, "warn_of"),
    "noise path": (
        DenoisingScoreEstimatorCV("gaussian", cv=2, n_likelihood_steps=4, random_state=0),
        DenoisingScoreEstimator,
        "_warn_if_doubtful",
    ),
    "transformed": (TransformedDensity(ScoreMatchingDensity(), StandardScaler()), transformed, "moments"),
    "conditional": (ConditionalScoreDensity(n_landmarks=10, alpha=0.1, cv=2), conditional, "chosen_nodes"),
    "components": (ScoreMatchingICA(source="logcosh", random_state=0), ica, "best_unmixing"),
    "network": (NETWORK, denoising, "fit_network"),
    "energy": (ENERGY, score_matching, "FittedDensity"),
}
GROWING = {  # an estimator with `partial_fit`, and what is interrupted after it has merged the rows
    "score matching": (ScoreMatchingDensity(), score_matching, "FittedDensity"),
    "path": (ScoreMatchingDensityCV(cv=2, n_alphas=4), score_matching, "FittedDensity"),
    "denoising": (DenoisingScoreEstimator("polynomial", **NETWORK_FREE), DenoisingScoreEstimator, "_warn_if_doubtful"),
    "network": (NETWORK, DenoisingScoreEstimator, "_warn_if_doubtful"),
    "energy": (ENERGY, score_matching, "FittedDensity"),
}


@contextmanager
def interrupted(owner, name):
    """The function of this name is interrupted from the keyboard, and with it what follows here."""

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield


def answer(estimator, X, y):
    """What a fitted estimator says of rows."""
    return estimator.score(X, y) if hasattr(estimator, "score") else estimator.transform(X)


def table(rng, d):
    X = rng.standard_normal((40, d))
    return X, X[:, 0] + rng.standard_normal(40)


def kinds(cases):
    """The names of the cases; those of networks need torch."""
    return [pytest.param(k, marks=pytest.mark.torch if k in {"network", "energy"} else ()) for k in cases]


@pytest.fixture(params=kinds(CASES))
def case(request):
    estimator, *place = CASES[request.param]
    return clone(estimator), place


def test_an_interrupted_refit_on_another_width_leaves_the_former_fit(case, rng):
    estimator, place = case
    X, y = table(rng, 2)
    named = pd.DataFrame(X, columns=["a", "b"])
    expected = answer(estimator.fit(named, y), named, y)
    with interrupted(*place):
        estimator.fit(*table(rng, 3))
    assert estimator.n_features_in_ == 2
    assert list(estimator.feature_names_in_) == ["a", "b"]
    np.testing.assert_array_equal(answer(estimator, named, y), expected)


def test_a_refused_refit_leaves_the_former_fit(rng):
    X, _ = table(rng, 2)
    density = ScoreMatchingDensity(alpha=0.0).fit(X)
    expected = density.score(X)
    with pytest.raises(ValueError, match="unbounded below"):
        density.set_params(model="polynomial").fit(np.ones((5, 3)))
    assert density.n_features_in_ == 2
    assert density.score(X) == expected


def test_a_function_that_is_refused_keeps_its_columns():
    logarithm = BijectiveTransformer(np.log, np.exp, [np.reciprocal]).fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="does not undo func on 1 of 2 rows"):
        logarithm.fit([[1.0], [-1.0]])
    assert logarithm.n_features_in_ == 2


def test_an_interrupted_first_fit_is_no_fit(case, rng):
    estimator, place = case
    with interrupted(*place):
        estimator.fit(*table(rng, 2))
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    assert not hasattr(estimator, "n_features_in_")


@pytest.mark.parametrize("kind", kinds(GROWING))
def test_a_chunk_that_was_interrupted_counts_once(kind, rng):
    X = rng.standard_normal((80, 2))
    estimator, *place = GROWING[kind]
    whole, repeated = (clone(estimator).partial_fit(X[:40]) for _ in range(2))
    with interrupted(*place):
        repeated.partial_fit(X[40:])
    np.testing.assert_array_equal(
        repeated.partial_fit(X[40:]).score_samples(X), whole.partial_fit(X[40:]).score_samples(X)
    )
