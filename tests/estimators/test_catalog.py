"""Every model of the catalogue in every estimator that takes a model: a density, or an error that says why not."""

import re

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity
from skscore.models.catalog import MODELS

LADDER = {"sigma_min": 0.1, "n_levels": 6, "n_likelihood_steps": 2, "random_state": 0}
ESTIMATORS = {
    "score matching": lambda model: ScoreMatchingDensity(model, random_state=0),
    "many levels": lambda model: DenoisingScoreEstimator(model, **LADDER),
    "one level": lambda model: DenoisingScoreEstimator(model, noise_levels=[0.5], random_state=0),
    "score matching, transformed": lambda model: TransformedDensity(ScoreMatchingDensity(model), StandardScaler()),
    "many levels, transformed": lambda model: TransformedDensity(
        DenoisingScoreEstimator(model, **LADDER), StandardScaler()
    ),
}
REASONS = "noise leaves its domain|rows outside the domain|values of X at or below 0|is no density of these rows"


def marks(name):
    """Both of its parts are tried by themselves: a transformer with one level of a model, many levels without it."""
    return pytest.mark.slow if name == "many levels, transformed" else ()


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).gamma(3.0, size=(40, 3))


@pytest.mark.parametrize("make", [pytest.param(make, id=name, marks=marks(name)) for name, make in ESTIMATORS.items()])
@pytest.mark.parametrize("model", [*MODELS, *(model for cls in MODELS.values() for model in cls.examples())], ids=repr)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_score_and_sample_are_finite_or_refused_with_a_reason(make, model, rows):
    try:
        fitted = make(model).fit(rows)
        results = fitted.score_samples(rows), fitted.sample(20, random_state=0), fitted.grad_log_density(rows)
    except ValueError as error:
        reason, results = str(error), ()
    else:
        reason = ""
    assert re.search(REASONS, reason) if reason else all(np.isfinite(result).all() for result in results)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_pairwise_interactions_of_noisy_rows_are_the_gaussian_that_they_are(rng, d):
    X = rng.standard_normal((40, d)) @ rng.standard_normal((d, d))
    gaussian, pairwise = (DenoisingScoreEstimator(name, **LADDER).fit(X) for name in ("gaussian", "pairwise"))
    np.testing.assert_allclose(pairwise.score_samples(X), gaussian.score_samples(X), rtol=1e-6)
    np.testing.assert_allclose(pairwise.partial_fit(X).score_samples(X), gaussian.score_samples(X), atol=0.02)
