"""What scikit-learn's pipelines, searches and cross-validation do with KernelDensity they do with our densities."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import get_tags

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity
from skscore.metrics import hyvarinen_scorer, log_likelihood_scorer
from skscore.models import Gaussian

LADDER = DenoisingScoreEstimator("gaussian", sigma_min=0.1, tail=None, n_levels=6, n_likelihood_steps=4)
OURS = [ScoreMatchingDensity(), LADDER, TransformedDensity(ScoreMatchingDensity(), StandardScaler())]
GRIDS = {
    "KernelDensity": {"bandwidth": [1e-3, 0.5]},
    "ScoreMatchingDensity": {"alpha": [0.0, 10.0]},
    "DenoisingScoreEstimator": {"sigma_min": [0.1, 3.0]},
    "TransformedDensity": {"density__alpha": [0.0, 10.0], "transformer": [MinMaxScaler()]},
}


def name_of(estimator):
    return type(estimator).__name__


@pytest.fixture(params=[KernelDensity(), *OURS], ids=name_of)
def density(request):
    return clone(request.param)


@pytest.fixture
def rows(rng):
    return rng.standard_normal((90, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


# ---- pipelines ----------------------------------------------------------------------------------


def test_the_last_step_of_a_pipeline(density, rows):
    pipeline, scaled = make_pipeline(StandardScaler(), density).fit(rows), StandardScaler().fit_transform(rows)
    alone = clone(density).fit(scaled)
    assert_array_equal(pipeline.score_samples(rows), alone.score_samples(scaled))
    assert pipeline.score(rows) == alone.score(scaled)
    assert get_tags(pipeline).estimator_type == get_tags(density).estimator_type
    assert not is_regressor(pipeline)
    assert not hasattr(pipeline, "sample")  # of scikit-learn's Pipeline none has it; TransformedDensity does


def test_parameters_of_a_step_are_set_through_the_pipeline(density):
    (name, values), *_ = GRIDS[name_of(density)].items()
    pipeline = make_pipeline(StandardScaler(), density).set_params(
        **{f"{name_of(density).lower()}__{name}": values[-1]}
    )
    assert clone(pipeline).get_params()[f"{name_of(density).lower()}__{name}"] == values[-1]


def test_a_cached_pipeline_fits_its_scaler_once(density, rows, tmp_path):
    cached = make_pipeline(StandardScaler(), density, memory=str(tmp_path))
    plain = make_pipeline(StandardScaler(), clone(density)).fit(rows)
    for _ in range(2):
        assert_array_equal(cached.fit(rows).score_samples(rows), plain.score_samples(rows))


# ---- searches and cross-validation --------------------------------------------------------------


@pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV], ids=lambda search: search.__name__)
def test_a_search_finds_the_first_of_its_values_and_has_the_methods_of_the_best(density, rows, search):
    grid, options = GRIDS[name_of(density)], {"n_iter": 2, "random_state": 0} if search is RandomizedSearchCV else {}
    found = search(density, grid, cv=3, error_score="raise", **options).fit(rows)
    (name, values), *_ = grid.items()
    best = values[1] if name == "bandwidth" else values[0]
    assert found.best_params_[name] == best
    assert_array_equal(found.score_samples(rows), found.best_estimator_.score_samples(rows))
    assert found.score(rows) == found.best_estimator_.score(rows)
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again.score_samples(rows), found.score_samples(rows))


def test_a_search_without_a_refit_has_no_density(density, rows):
    found = GridSearchCV(density, GRIDS[name_of(density)], cv=2, refit=False).fit(rows)
    assert not hasattr(found, "best_estimator_")
    with pytest.raises((NotFittedError, AttributeError)):
        found.score_samples(rows)


@pytest.mark.parametrize("estimator", OURS, ids=name_of)
def test_several_scorers_at_once(estimator, rows):
    scoring = {"nats": log_likelihood_scorer, "hyvarinen": hyvarinen_scorer}
    found = GridSearchCV(estimator, GRIDS[name_of(estimator)], cv=3, scoring=scoring, refit="nats").fit(rows)
    plain = GridSearchCV(estimator, GRIDS[name_of(estimator)], cv=3).fit(rows)
    assert_allclose(found.cv_results_["mean_test_nats"], plain.cv_results_["mean_test_score"], rtol=1e-12)
    assert np.isfinite(found.cv_results_["mean_test_hyvarinen"]).all()


@pytest.mark.filterwarnings("ignore:(?s).*fits failed", "ignore:One or more of the test scores")
def test_a_fit_that_fails_scores_nan_and_the_search_goes_on(rows):
    search = GridSearchCV(ScoreMatchingDensity(Gaussian()), {"alpha": [-1.0, 0.0]}, cv=2, error_score=np.nan)
    found = search.fit(rows)
    assert_array_equal(np.isnan(found.cv_results_["mean_test_score"]), [True, False])
    assert found.best_params_ == {"alpha": 0.0}


def test_cross_validation_scores_the_held_out_rows(density, rows):
    folds = list(KFold(3).split(rows))
    expected = [clone(density).fit(rows[train]).score(rows[test]) for train, test in folds]
    assert_array_equal(cross_val_score(density, rows, cv=folds), expected)
    both = cross_validate(density, rows, cv=folds, return_estimator=True, return_train_score=True)
    assert_array_equal(both["test_score"], expected)
    assert len(both["estimator"]) == 3


def test_curves_over_rows_and_parameters(density, rows):
    sizes, train, test = learning_curve(density, rows, None, train_sizes=[20, 60], cv=3)
    assert list(sizes) == [20, 60]
    assert train.shape == test.shape == (2, 3)
    (name, values), *_ = GRIDS[name_of(density)].items()
    assert validation_curve(density, rows, y=None, param_name=name, param_range=values, cv=3)[1].shape == (2, 3)
