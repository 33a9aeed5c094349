"""Every warning points at the line of the user that it concerns, however deep what it tells was found."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore import (
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
    TransformedDensity,
)
from skscore.domains import Orthant
from skscore.estimators import checks
from skscore.estimators.checks import FIGURE, warn_of
from skscore.models import ExponentialFamily, Kernel, PairwiseInteraction, TruncatedGaussian

WARNINGS = {}


def warning_of(match):
    """Keep a function of the rows, which ends in a warning with this text, under its own name."""

    def keep(provoke):
        WARNINGS[provoke.__name__] = provoke, match
        return provoke

    return keep


def collinear(X):
    return X[:, [0, 1, 1]]


@warning_of("the columns are collinear")
def fit_of_collinear_columns(X):
    ScoreMatchingDensity().fit(collinear(X))


@warning_of(r"columns \[2\] are constant")
def fit_in_a_pipeline(X):
    make_pipeline(StandardScaler(), ScoreMatchingDensity()).fit(np.column_stack([X, np.ones(len(X))]))


@warning_of("the columns are collinear")
def fit_in_cross_validation(X):
    cross_val_score(ScoreMatchingDensity(), collinear(X), cv=2)


@warning_of("The rows are kept: go on with partial_fit")
def first_chunk(X):
    ScoreMatchingDensity("polynomial").partial_fit(X[:3])


@warning_of("natural parameters are not determined")
def least_norm(X):
    linear = ExponentialFamily(
        statistics=lambda X: np.hstack([X, X]),
        jacobian=lambda X: np.broadcast_to(np.hstack([np.eye(2), np.eye(2)]).T, (len(X), 4, 2)),
        laplacian=lambda X: np.zeros((len(X), 4)),
    )
    ScoreMatchingDensity(linear).fit(X)


@warning_of("directions have no variance")
def kernels_in_a_plane(X):
    ScoreMatchingDensity(Kernel(10, bandwidth=1.0, base_scale=1.0), alpha=0.1).fit(collinear(X))


@warning_of("alpha=0: without a ridge")
def kernels_without_a_ridge(X):
    ScoreMatchingDensity(Kernel(10, bandwidth=1.0, base_scale=1.0), alpha=0.0).fit(X)


@warning_of("their smallest eigenvalue is")
def interactions_without_a_density(X):
    few = np.random.default_rng(0).standard_normal((15, 10)) + 3.0
    ScoreMatchingDensity(PairwiseInteraction(), alpha=0.2, l1_ratio=1.0, symmetric="and").fit(few)


@warning_of("the least of those tried")
def end_of_the_path(X):
    ScoreMatchingDensityCV(alphas=[1.0, 0.5]).fit(np.column_stack([X[:, 0], X.sum(axis=1)]))


def bumps():
    return ScoreMatchingDensity(Kernel(20, bandwidth=1e-8, base_scale=1.0), alpha=1e-3)


@warning_of("misses the mass of a narrow mode")
def score_samples_of_bumps(X):
    bumps().fit(X[:, :1]).score_samples(X[:, :1])


@warning_of("misses the mass of a narrow mode")
def log_normalizer_of_bumps(X):
    assert bumps().fit(X[:, :1]).log_normalizer_ < 1.0


@warning_of("the Gibbs chains of sample")
def sample_of_nearly_collinear_columns(X):
    positive = np.abs(X[:, [0, 0]]) + 1e-4 * np.abs(X)
    ScoreMatchingDensity(TruncatedGaussian(Orthant())).fit(positive).sample(10)


@warning_of("columns .* are correlated")
def noise_on_collinear_columns(X):
    DenoisingScoreEstimator("gaussian").fit(collinear(X))


@warning_of("does not accept sample_weight")
def density_without_weights(X):
    class Unweighted(KernelDensity):
        def fit(self, X, y=None):
            return super().fit(X)

    TransformedDensity(Unweighted(), StandardScaler()).fit(X, sample_weight=np.arange(1.0, len(X) + 1.0))


@warning_of("the columns are collinear")
def density_inside_another(X):
    TransformedDensity(ScoreMatchingDensity(), StandardScaler()).fit(collinear(X))


@warning_of("apart, too far for bandwidth")
def targets_between_the_nodes(X):
    ConditionalScoreDensity(5, bandwidth=1e-4, input_bandwidth=1.0, alpha=1.0).fit(X[:, :1], X[:, 1])


@warning_of("max_iter=1 iterations")
def components_in_one_step(X):
    ScoreMatchingICA(max_iter=1, random_state=0).fit(X)


@warning_of("no component is further from a Gaussian one")
def components_of_gaussian_rows(X):
    ScoreMatchingICA(random_state=0).fit(X)


@pytest.mark.parametrize(("provoke", "match"), WARNINGS.values(), ids=WARNINGS)
def test_it_is_reported_at_the_line_of_the_user(provoke, match):
    X = np.random.default_rng(0).standard_normal((60, 2))
    with pytest.warns(match=match) as records:
        provoke(X)
    assert {record.filename for record in records} == {__file__}


def test_a_remark_made_twice_is_told_once():
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        warn_of(["a", "b", "a"])
    assert [str(record.message) for record in records] == ["a", "b"]


NOISY = DenoisingScoreEstimator("gaussian", n_levels=4, n_likelihood_steps=4)
LADDERS = {"sigma_mins": [0.1, 0.3], "n_levels": 4, "n_likelihood_steps": 4}
UNPENALISED = ScoreMatchingDensity(Kernel(10, bandwidth=1.0, base_scale=1.0), alpha=0.0)
SEARCHES = {
    "same text": GridSearchCV(NOISY, {"sigma_min": [0.1, 0.3]}, cv=3, error_score="raise"),
    "other figures": GridSearchCV(UNPENALISED, {"random_state": [0, 1]}, cv=3, error_score="raise"),
    "own folds": DenoisingScoreEstimatorCV("gaussian", cv=3, **LADDERS),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_tells_once_what_all_its_fits_tell(name, rng, monkeypatch):
    monkeypatch.setattr(checks, "_told_by_searches", set())
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        clone(SEARCHES[name]).fit(collinear(rng.standard_normal((61, 2))))
    told = [FIGURE.sub("", str(record.message)) for record in records]
    assert told
    assert len(told) == len(set(told))
    assert {record.filename for record in records} == {__file__}


def test_a_warning_that_is_an_error_ends_a_search(rng):
    search = clone(SEARCHES["own folds"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match="correlated"):
            search.fit(collinear(rng.standard_normal((60, 2))))
    with pytest.raises(NotFittedError):
        search.sample()
