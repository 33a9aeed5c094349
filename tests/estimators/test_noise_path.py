"""The smallest noise level as a choice: of one training, and by folds with a training for each."""

import time

import numpy as np
import pytest
from fit_rounds import RoundCallback
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV
from skscore.datasets import Moons
from skscore.estimators.noise_path import AUTOMATIC_PATH, choose_level, ladder_through
from skscore.models import Kernel
from skscore.neural import ScoreNetwork

needs_torch = pytest.mark.torch
QUICK = {"n_likelihood_steps": 8, "random_state": 0}
TINY = {"hidden_layer_sizes": (8,), "max_iter": 50, "n_folds": 1, "device": "cpu"}
PAIR = {"sigma_mins": [0.02, 0.1], **QUICK}
SPLITS = KFold(2, shuffle=True, random_state=1)


def network(**parameters):
    return ScoreNetwork(**{**TINY, **parameters})


MODELS = [
    pytest.param("gaussian", id="closed form"),
    pytest.param(network(), id="network", marks=needs_torch),
    pytest.param(network(n_folds=2, refit=True, max_iter=20), id="refit", marks=needs_torch),
]


@pytest.fixture(scope="module")
def moons():
    return Moons().sample(80, random_state=3)


# ---- the path ------------------------------------------------------------------------------------


def test_a_ladder_of_one_level_is_geometric():
    assert_allclose(ladder_through(np.array([0.01]), 20.0, 41), np.geomspace(20.0, 0.01, 41), rtol=1e-12)


@pytest.mark.parametrize("path", [AUTOMATIC_PATH, np.array([0.01, 0.011, 5.0])])
def test_a_ladder_holds_every_level_of_its_path(path):
    ladder = ladder_through(path, 20.0, 41)
    assert np.isin(path, ladder).all()
    assert ladder[0] == 20.0
    ratio = ladder[:-1] / ladder[1:]
    assert (ratio > 1.0).all()
    assert ratio.max() <= (20.0 / path[0]) ** (1 / 40) * (1.0 + 1e-9)


def test_differences_of_rows_have_the_standard_error(rng):
    """Rows differ by nats from each other and by hundredths from level to level."""
    row, noise = 5.0 * rng.standard_normal(400), 0.1 * rng.standard_normal((3, 400))
    log_p = row + noise - noise.mean(axis=1, keepdims=True) - np.array([[0.0], [0.006], [0.1]])
    assert choose_level(log_p, np.ones(400)) == 0
    assert choose_level(log_p, np.ones(400), one_standard_error=True) == 1


def test_a_standard_error_has_the_weights_of_the_rows_in_any_units(rng):
    log_p, weight = rng.standard_normal((7, 40)), rng.uniform(size=40)
    chosen = choose_level(log_p, weight, one_standard_error=True)
    assert chosen == choose_level(log_p, 1e3 * weight, one_standard_error=True)


def test_rows_of_density_zero_are_compared():
    log_p = np.array([[-np.inf, -1.0], [-2.0, -1.0], [-2.0, -1.5]])
    assert choose_level(log_p, np.ones(2)) == 1
    assert choose_level(np.full((2, 2), -np.inf), np.ones(2), one_standard_error=True) == 1


# ---- one training --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_a_level_is_chosen_and_others_are_what_they_were(moons, model):
    fitted = DenoisingScoreEstimator(clone_of(model), sigma_min="auto", n_levels=16, **QUICK).fit(moons)
    assert fitted.sigma_min_ in AUTOMATIC_PATH
    assert fitted.noise_levels_[-1] == AUTOMATIC_PATH[0]
    assert fitted._density.sigma_min == fitted._preprocessing.sigma_min == fitted.sigma_min_ <= fitted.score_level_
    assert np.isfinite(fitted.score(moons))
    assert DenoisingScoreEstimator("gaussian", sigma_min=0.03, **QUICK).fit(moons).sigma_min_ == 0.03


def clone_of(model):
    return model if isinstance(model, str) else clone(model)


def test_the_density_is_that_of_its_level(moons):
    """In closed form nothing but the levels between depends on where the training ended."""
    chosen = DenoisingScoreEstimator("polynomial", sigma_min="auto", tail=None, random_state=0).fit(moons)
    same = clone(chosen).set_params(sigma_min=chosen.sigma_min_).fit(moons)
    assert_allclose(chosen.score_samples(moons), same.score_samples(moons), atol=5e-3)


def test_rows_held_out_choose_a_level_at_which_a_rough_model_is_smooth(rng):
    """Narrow kernels without a ridge repeat their rows, the more the less noise these have."""
    rough = Kernel(10, bandwidth=0.3, base_scale=1.5)
    levels = DenoisingScoreEstimatorCV(rough, sigma_mins=[0.02, 0.2], alpha=1e-5, cv=2, random_state=0)
    scores = levels.fit(rng.standard_normal((60, 1))).cv_results_["mean_test_score"]
    assert levels.sigma_min_ == 0.2
    assert scores[1] > scores[0] + 0.01


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"noise_levels": [5.0, 0.02, 0.1, 1.0]}, [0.02, 0.1]),
        ({"noise_levels": [5.0, 2.0, 1.0]}, [1.0]),
        ({"sigma_max": 0.1}, [0.005, 0.01, 0.02, 0.04, 0.08]),
        ({"n_levels": 12}, AUTOMATIC_PATH),
        ({}, AUTOMATIC_PATH),
    ],
)
def test_levels_to_choose_from(moons, parameters, path):
    levels = DenoisingScoreEstimatorCV("gaussian", cv=2, tail=None, **parameters, **QUICK).fit(moons)
    assert_allclose(levels.cv_results_["sigma_min"], path)
    one = DenoisingScoreEstimator("gaussian", sigma_min="auto", tail=None, **parameters, **QUICK).fit(moons)
    assert one.sigma_min_ in levels.cv_results_["sigma_min"]
    assert len(one.noise_levels_) == {"noise_levels": len(parameters.get("noise_levels", [])), "n_levels": 12}.get(
        next(iter(parameters), None), len(one.noise_levels_)
    )


@pytest.mark.parametrize("one_level", [{"n_levels": 1}, {"noise_levels": [0.3]}])
@pytest.mark.parametrize("kind", [DenoisingScoreEstimator, DenoisingScoreEstimatorCV])
def test_one_level_has_no_path(moons, kind, one_level):
    estimator = kind("gaussian", **one_level)
    estimator = estimator if "sigma_mins" in estimator.get_params() else estimator.set_params(sigma_min="auto")
    with pytest.raises(ValueError, match=rf"{next(iter(one_level))}=.*GridSearchCV"):
        estimator.fit(moons)


def test_a_largest_level_below_the_path_is_refused(moons):
    with pytest.raises(ValueError, match=r"sigma_max=0.004 is not above sigma_min=0.005"):
        DenoisingScoreEstimator("gaussian", sigma_min="auto", sigma_max=0.004).fit(moons)
    with pytest.raises(ValueError, match=r"sigma_max=2.0 is not above sigma_min=3.0"):
        DenoisingScoreEstimatorCV("gaussian", sigma_mins=[0.1, 3.0], sigma_max=2.0).fit(moons)


def test_a_search_takes_auto_among_its_candidates(moons):
    pipeline = make_pipeline(StandardScaler(), DenoisingScoreEstimator("gaussian", **QUICK))
    grid = {"denoisingscoreestimator__sigma_min": [0.5, "auto"], "denoisingscoreestimator__n_levels": [None, 12]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(moons)
    assert search.best_params_["denoisingscoreestimator__sigma_min"] == "auto"


def test_chunks_of_a_closed_form_choose_anew(moons):
    parts = DenoisingScoreEstimator("gaussian", sigma_min="auto", dequantize=False, tail=None, **QUICK)
    whole = clone(parts).fit(moons)
    parts.partial_fit(moons[:50]).partial_fit(moons[50:])
    assert_array_equal(parts.noise_levels_, whole.noise_levels_)
    assert parts.sigma_min_ in AUTOMATIC_PATH


@needs_torch
def test_more_steps_choose_anew(moons):
    density = DenoisingScoreEstimator(network(), sigma_min="auto", warm_start=True, **QUICK).fit(moons)
    preprocessing = density._preprocessing
    density.fit(moons)
    assert density._preprocessing.map is preprocessing.map
    assert density.partial_fit(moons[:1]).sigma_min_ in AUTOMATIC_PATH


@needs_torch
def test_a_training_with_a_checkpoint_chooses(moons, tmp_path):
    whole = DenoisingScoreEstimator(network(), sigma_min="auto", **QUICK).fit(moons)
    saved = network(checkpoint=str(tmp_path / "training"), checkpoint_every=10)
    again = DenoisingScoreEstimator(saved, sigma_min="auto", **QUICK).fit(moons)
    assert_array_equal(again.score_samples(moons), whole.score_samples(moons))
    assert not list(tmp_path.iterdir())


@needs_torch
def test_without_time_the_level_is_the_usual_one(moons):
    density = DenoisingScoreEstimator(network(max_time=1e-6), sigma_min="auto", **QUICK)
    with pytest.warns(ConvergenceWarning, match="no time for validation rows to choose .* levels of noise"):
        assert density.fit(moons).sigma_min_ == 0.01


# ---- a training for each fold --------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_the_fit_to_all_rows_is_that_of_the_chosen_level(moons, model):
    chosen = DenoisingScoreEstimatorCV(clone_of(model), sigma_mins=[0.3, 0.01], cv=2, **QUICK).fit(moons)
    one = DenoisingScoreEstimator(clone_of(model), sigma_min=chosen.sigma_min_, **QUICK).fit(moons)
    assert_array_equal(chosen.score_samples(moons), one.score_samples(moons))
    assert_array_equal(chosen.sample(5), one.sample(5))
    assert chosen.best_score_ == chosen.cv_results_["mean_test_score"].max()


def test_results_are_those_of_a_search(moons):
    """The rows of each split in the folds of scikit-learn, the statistics of its names."""
    parameters, grid = {"n_likelihood_steps": 16, "random_state": 0}, {"sigma_min": [0.03, 0.5]}
    path = DenoisingScoreEstimatorCV("gaussian", sigma_mins=[0.5, 0.03], cv=SPLITS, **parameters).fit(moons)
    one = DenoisingScoreEstimator("gaussian", **parameters)
    search = GridSearchCV(one, grid, cv=SPLITS, refit=False).fit(moons)
    assert path.sigma_min_ == search.best_params_["sigma_min"]
    assert_array_equal(path.cv_results_["sigma_min"], grid["sigma_min"])
    for name in ["mean_test_score", "std_test_score", *(f"split{k}_test_score" for k in range(2))]:
        assert_allclose(path.cv_results_[name], search.cv_results_[name], atol=0.005)


def test_parameters_of_both_estimators_have_one_default():
    own, theirs = (kind().get_params() for kind in (DenoisingScoreEstimatorCV, DenoisingScoreEstimator))
    assert own.keys() - theirs.keys() == {"sigma_mins", "cv", "one_standard_error"}
    assert theirs.keys() - own.keys() == {"sigma_min", "criterion", "warm_start"}
    assert {name: own[name] for name in own.keys() & theirs.keys() if own[name] != theirs[name]} == {}


@needs_torch
def test_each_fold_takes_one_training(moons, capsys):
    levels = DenoisingScoreEstimatorCV(network(), cv=SPLITS, verbose=1, **PAIR)
    levels.fit(moons, sample_weight=np.arange(len(moons)))
    assert capsys.readouterr().out.count("step 50:") == 2 + 1


def test_weights_are_repetitions(moons):
    weight = np.random.default_rng(0).integers(0, 4, len(moons))
    density = DenoisingScoreEstimatorCV("gaussian", cv=3, one_standard_error=True, **PAIR)
    weighted = clone(density).fit(moons, sample_weight=weight)
    repeated = clone(density).fit(np.repeat(moons, weight, axis=0))
    assert_allclose(
        weighted.cv_results_["mean_test_score"], repeated.cv_results_["mean_test_score"], rtol=1e-9, atol=1e-9
    )
    assert_allclose(weighted.score_samples(moons), repeated.score_samples(moons), rtol=1e-9)


def test_folds_do_not_depend_on_the_order_of_rows(moons):
    density = DenoisingScoreEstimatorCV("gaussian", cv=3, **PAIR)
    one, other = (clone(density).fit(X).cv_results_ for X in (moons, moons[::-1]))
    assert_allclose(one["mean_test_score"], other["mean_test_score"], rtol=1e-9)


def test_groups_are_kept_together(moons):
    groups = np.arange(len(moons)) // 30
    grouped = DenoisingScoreEstimatorCV("gaussian", cv=GroupKFold(3), **PAIR).fit(moons, groups=groups)
    splits = list(GroupKFold(3).split(moons, groups=groups))
    same = DenoisingScoreEstimatorCV("gaussian", cv=splits, **PAIR).fit(moons)
    assert_array_equal(grouped.cv_results_["mean_test_score"], same.cv_results_["mean_test_score"])
    with pytest.warns(UserWarning, match="groups are not used with cv=2"):
        DenoisingScoreEstimatorCV("gaussian", cv=2, **PAIR).fit(moons, groups=groups)


def test_weights_and_groups_of_a_pipeline_reach_the_folds(moons):
    given = {"sample_weight": np.repeat([1.0, 0.0, 3.0, 1.0], 20), "groups": np.arange(80) // 10}
    own = DenoisingScoreEstimatorCV("gaussian", cv=GroupKFold(2), **PAIR)
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, clone(own).set_fit_request(sample_weight=True, groups=True)).fit(moons, **given)
        asked = clone(routed[-1]).set_score_request(sample_weight=True)
        within = cross_val_score(asked, moons, params=given, error_score="raise", cv=2)
    direct = own.fit(StandardScaler().fit_transform(moons), **given)
    for name, values in direct.cv_results_.items():
        assert_array_equal(routed[-1].cv_results_[name], values)
    assert_array_equal(routed[-1].score_samples(moons), direct.score_samples(moons))
    assert np.isfinite(within).all()


@needs_torch
@pytest.mark.filterwarnings("ignore:max_time=.* leaves no time:sklearn.exceptions.ConvergenceWarning")
def test_each_training_takes_no_longer_than_it_may(moons):
    endless = network(max_iter=10**7, max_time=0.7)
    density = DenoisingScoreEstimatorCV(endless, cv=2, sigma_mins=[0.01, 0.1], random_state=0)
    begun = time.monotonic()
    density.fit(moons)
    assert time.monotonic() - begun < 3 * (1.15 * 0.7 + 1.0)
    assert density.n_iter_ > 1


@needs_torch
def test_without_time_the_folds_compare_flows_alone(moons):
    density = DenoisingScoreEstimatorCV(network(max_time=1e-6), cv=2, **PAIR)
    with pytest.warns(ConvergenceWarning, match="no time for validation rows"):
        density.fit(moons)
    assert density.mixture_weights_ == {"model": 1.0}
    assert density.best_score_ == density.cv_results_["mean_test_score"].max()


def test_one_standard_error_chooses_no_smaller_level(moons):
    best = DenoisingScoreEstimatorCV("gaussian", cv=2, sigma_mins=[0.4, 0.55], **QUICK).fit(moons)
    wide = clone(best).set_params(one_standard_error=True).fit(moons)
    assert wide.sigma_min_ > best.sigma_min_
    assert wide.best_score_ < best.best_score_


def test_further_rows_keep_the_level(moons):
    density = DenoisingScoreEstimatorCV("gaussian", cv=2, **PAIR).partial_fit(moons[:50])
    results = density.cv_results_
    density.partial_fit(moons[50:])
    assert density.cv_results_ is results
    same = DenoisingScoreEstimator("gaussian", sigma_min=density.sigma_min_, **QUICK)
    same.partial_fit(moons[:50]).partial_fit(moons[50:])
    assert_array_equal(density.score_samples(moons), same.score_samples(moons))


def test_names_of_columns_are_kept(moons):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(moons, columns=["a", "b"])
    fitted = DenoisingScoreEstimatorCV("gaussian", cv=2, **PAIR).fit(frame)
    assert list(fitted.feature_names_in_) == ["a", "b"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sigma_mins": []}, "sigma_mins=.*positive numbers"),
        ({"sigma_mins": [0.1, -0.1]}, "sigma_mins=.*positive numbers"),
        ({"sigma_mins": ["low"]}, "sigma_mins=.*positive numbers"),
        ({"sigma_mins": [0.1], "noise_levels": [0.1, 1.0]}, r"sigma_mins=.*noise_levels=None"),
        ({"cv": 200}, "cv=200: 80 distinct rows"),
        ({"model": ScoreNetwork(checkpoint="training")}, "checkpoint='training' holds one training"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(moons, parameters, message):
    with pytest.raises(ValueError, match=message):
        DenoisingScoreEstimatorCV(**{"model": "gaussian", **parameters}).fit(moons)


class Counter(RoundCallback):
    """Counts the rounds of a training, and the estimators that it sees."""

    def __init__(self):
        self.seen = []

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, X=None):
        if fitted_estimator is not None:
            self.seen.append(fitted_estimator.sigma_min_)


@needs_torch
def test_callbacks_follow_the_last_training(moons):
    pytest.importorskip("sklearn.callback")
    counter = Counter()
    density = DenoisingScoreEstimatorCV(network(), sigma_mins=[0.3, 0.02], cv=2, **QUICK).set_callbacks(counter)
    density.fit(moons)
    assert counter.seen == [density.sigma_min_]
