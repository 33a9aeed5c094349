"""Tables of dask: partitions are summed where they lie, and fits equal those in memory, whatever runs them."""

import os
import pickle
import signal
from types import SimpleNamespace

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from skscore import (
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    DensityOutlierDetector,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    TransformedDensity,
)
from skscore.domains import Capped, Orthant, Power
from skscore.estimators import dask_rows
from skscore.estimators.dask_rows import Partitions
from skscore.models import Kernel, PairwiseInteraction, folds
from skscore.models.catalog import MODELS
from skscore.models.objectives import Denoising, Implicit

FEW = 40  # rows that the client may gather, in these tests
ADDING = {
    "gaussian": ScoreMatchingDensity(),
    "interactions": ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.5),
    "quartic": ScoreMatchingDensity("polynomial", random_state=0),
}
BY_PLAN = {
    "kernels": ScoreMatchingDensity(Kernel(n_landmarks=15, bandwidth=0.8), alpha=1e-3, random_state=0),
    "on the orthant": ScoreMatchingDensity(PairwiseInteraction(domain=Orthant())),
    "noisy interactions": ScoreMatchingDensity("pairwise", objective="denoising", noise_level=0.2),
}


LADDER = {"sigma_min": 0.1, "n_levels": 4, "n_likelihood_steps": 4, "random_state": 1}
LADDERS = {
    "gaussians": DenoisingScoreEstimator("gaussian", dequantize=False, **LADDER),
    "quartics": DenoisingScoreEstimator("polynomial", tail=None, **LADDER),
}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Tables of more than forty rows are large."""
    monkeypatch.setattr(dask_rows, "MOST_GATHERED", FEW)
    monkeypatch.setattr(folds, "MOST_DEALT", FEW)


@pytest.fixture(autouse=True, scope="module")
def on_threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def cut(X, sizes=(7, 33, 1, 39)):
    """The table in partitions of these sizes, and its columns in two."""
    return da.from_array(X, chunks=(sizes, (1, X.shape[1] - 1))) if X.ndim == 2 else da.from_array(X, chunks=(sizes,))


def frame_of(X):
    """A dask dataframe of four partitions, one of them without rows."""
    frame = pd.DataFrame(X, columns=["a", "b"])
    return dd.from_map(lambda rows: frame[rows], [slice(7), slice(7, 40), slice(0), slice(40, None)])


def answers(density, X):
    return np.column_stack([density.score_samples(X), density.grad_log_density(X)])


# ---- fits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("density", ADDING.values(), ids=ADDING)
def test_a_large_table_is_fitted_as_in_memory(density, offset, table):
    X = table(80) + offset
    fitted = clone(density).fit(cut(X))
    expected = answers(clone(density).fit(X), X)
    assert fitted._fit.statistics.n_rows == len(X)
    assert_allclose(answers(fitted, X), expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("density", [*BY_PLAN.values(), *LADDERS.values()], ids=[*BY_PLAN, *LADDERS])
def test_a_large_table_is_summed_under_a_plan_of_rows_from_all_of_it(density, table):
    X = table(80)
    plan = density.plan(Partitions.of(cut(X)).spread().X)
    expected = clone(density).fit_statistics(density.compute_statistics(X, plan=plan))
    fitted = clone(density).fit(cut(X))
    assert density.compute_statistics(cut(X)).n_rows == len(X)
    assert_allclose(answers(fitted, X), answers(expected, X), rtol=1e-9)


@pytest.mark.parametrize("density", [*ADDING.values(), *BY_PLAN.values()], ids=[*ADDING, *BY_PLAN])
def test_a_table_that_may_be_gathered_is_fitted_as_in_memory_to_the_last_bit(density, table):
    X = table(FEW)
    fitted, expected = clone(density).fit(cut(X, (7, 3, 30))), clone(density).fit(X)
    assert_array_equal(answers(fitted, X), answers(expected, X))


def test_few_rows_may_be_asked_for_anything(table):
    X = table(FEW)
    for needs_rows in ({"inference": True}, {"robust": 0.1}):
        fitted = ScoreMatchingDensity(**needs_rows).fit(cut(X, (7, 33)))
        assert_array_equal(fitted.precision_, ScoreMatchingDensity(**needs_rows).fit(X).precision_)
        with pytest.raises(ValueError, match=r"needs? all rows at once: call fit with rows in memory"):
            ScoreMatchingDensity(**needs_rows).fit(cut(table(80)))


def test_a_frame_gives_its_names_and_a_partition_without_rows_counts_for_nothing(table):
    X = table(80)
    fitted = ScoreMatchingDensity(random_state=0).fit(frame_of(X))
    expected = ScoreMatchingDensity(random_state=0).fit(pd.DataFrame(X, columns=["a", "b"]))
    assert_allclose(fitted.precision_, expected.precision_, rtol=1e-12)
    assert list(fitted.feature_names_in_) == ["a", "b"]
    assert list(fitted.sample(2).columns) == ["a", "b"]


@pytest.mark.parametrize("density", [ADDING["quartic"], BY_PLAN["kernels"]], ids=["quartic", "kernels"])
def test_weights_have_the_partitions_of_their_rows(density, table):
    X, weight = table(80), np.random.default_rng(3).integers(0, 3, 80).astype(float)
    weight[:7] = 0.0  # a whole partition
    plan = density.plan(X[7:], weight[7:])
    parts = density.compute_statistics(cut(X), cut(weight), plan=plan)
    expected = density.compute_statistics(X, weight, plan=plan)
    assert parts.n_rows == expected.n_rows == weight.sum()
    assert_allclose(parts.summary.form.g, expected.summary.form.g, rtol=1e-10, atol=1e-13)


def test_known_scores_have_the_partitions_of_their_rows(table):
    X = table(80)
    density = ScoreMatchingDensity("polynomial", objective="explicit")
    fitted = clone(density).fit(cut(X), cut(2.0 - X))
    assert_allclose(fitted.grad_log_density(X), clone(density).fit(X, 2.0 - X).grad_log_density(X), rtol=1e-8)


def test_further_partitions_are_added(table):
    X, density = table(160), ADDING["quartic"]
    in_turn = clone(density).partial_fit(cut(X[:80])).partial_fit(cut(X[80:]))
    begun_in_memory = clone(density).partial_fit(X[:80]).partial_fit(cut(X[80:]))
    expected = answers(clone(density).fit(X), X)
    for fitted in (in_turn, begun_in_memory):
        assert_allclose(answers(fitted, X), expected, rtol=1e-9)


@pytest.mark.parametrize("density", [ADDING["quartic"], BY_PLAN["kernels"]], ids=["quartic", "kernels"])
def test_sums_are_the_same_to_the_last_bit_whatever_runs_them(density, table):
    X = table(80)
    sums = []
    for options in ({"scheduler": "threads", "num_workers": 5}, {"scheduler": "synchronous"}):
        with dask.config.set(options):
            sums.append(density.compute_statistics(cut(X, (8,) * 10)).summary.form.Gamma)
    assert_array_equal(*sums)


@pytest.mark.parametrize("objective", [Implicit(), Denoising(0.1)], ids=["implicit", "denoising"])
@pytest.mark.parametrize("name", MODELS)
def test_models_know_whether_their_statistics_add_up(name, objective, table):
    for model in MODELS[name].examples():
        density = ScoreMatchingDensity(
            model, objective=type(objective).__name__.lower(), alpha=0.1, criterion="hyvarinen", random_state=0
        )
        if getattr(getattr(model, "domain", None), "has_boundary", False) and objective != Implicit():
            continue
        parts = [density.compute_statistics(X) for X in np.split(table(60, 3), 2)]
        if model.adds_up(objective):
            assert (parts[0] + parts[1]).n_rows == 60
        else:
            with pytest.raises(ValueError, match="only under one plan"):
                parts[0] + parts[1]


def test_further_partitions_are_added_to_a_ladder(table):
    X, density = table(160), LADDERS["quartics"]
    begun = clone(density).partial_fit(X[:80])
    expected = clone(begun).partial_fit(X[:80]).partial_fit(X[80:])
    begun.partial_fit(cut(X[80:]))
    assert begun._seen.n_rows == 160
    assert_allclose(begun.grad_log_density(X), expected.grad_log_density(X), rtol=1e-9)
    again = clone(density).set_params(warm_start=True).fit(X[:80]).fit(cut(X[80:]))
    assert again._seen.n_rows == 80


def test_a_search_over_noise_levels_has_its_rows_in_memory(table):
    X = table(80)
    search = DenoisingScoreEstimatorCV("gaussian", sigma_mins=[0.1, 0.2], cv=2, n_levels=4, random_state=1)
    assert_array_equal(clone(search).fit(cut(X)).score_samples(X), clone(search).fit(X).score_samples(X))


# ---- penalties that are chosen -------------------------------------------------------------------

at_the_edge = pytest.mark.filterwarnings("ignore:the chosen alpha")  # is the last of a short path
CAPPED = PairwiseInteraction(domain=Orthant(), weight=Capped(Power(1), 1))  # nothing in it depends on first rows
SEARCHES = {
    "folds": ScoreMatchingDensityCV(n_alphas=6, cv=3),
    "folds of quartics": ScoreMatchingDensityCV("polynomial", l1_ratio=0.0, alphas=[1.0, 0.1, 1e-3], cv=3),
    "folds on the orthant": ScoreMatchingDensityCV(CAPPED, alphas=[0.3, 0.1], cv=3),
    "ebic": ScoreMatchingDensityCV(selection="ebic", n_alphas=6),
    "ebic on the orthant": ScoreMatchingDensityCV(CAPPED, selection="ebic", n_alphas=6),
    "noisy ebic": ScoreMatchingDensityCV(selection="ebic", n_alphas=6, objective="denoising", noise_level=0.1),
    "smic": ScoreMatchingDensityCV(selection="smic", n_alphas=6),
}


@at_the_edge
@pytest.mark.parametrize("table_of", [cut, frame_of], ids=["array", "frame"])
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_penalty_is_chosen_as_in_memory(search, table_of, table):
    X = table(80)
    found, expected = clone(search).fit(table_of(X)), clone(search).fit(X)
    for name, values in expected.cv_results_.items():
        assert_allclose(found.cv_results_[name], values, rtol=1e-7, atol=1e-9)
    assert found.alpha_ == pytest.approx(expected.alpha_, rel=1e-10)
    scores = [fitted._fit.family.score(fitted._fit.density.theta, X) for fitted in (found, expected)]
    assert_allclose(*scores, rtol=1e-8, atol=1e-9)


@at_the_edge
def test_folds_follow_rows_wherever_they_lie(table):
    X, weight = table(80), np.random.default_rng(3).integers(0, 3, 80).astype(float)
    search, order = ScoreMatchingDensityCV(alphas=[1.0, 0.1, 0.01], cv=3), np.random.default_rng(4).permutation(80)
    found = [
        clone(search).fit(cut(X), sample_weight=cut(weight)),
        clone(search).fit(cut(X[order], (40, 40)), sample_weight=cut(weight[order], (40, 40))),
        clone(search).fit(cut(np.repeat(X, weight.astype(int), axis=0), (50, int(weight.sum()) - 50))),
        clone(search).fit_statistics(
            search.compute_statistics(X[:30], weight[:30]) + search.compute_statistics(X[30:], weight[30:])
        ),
    ]
    for fitted in found[1:]:
        for name, values in found[0].cv_results_.items():
            assert_allclose(fitted.cv_results_[name], values, rtol=1e-7, atol=1e-9)


@at_the_edge
def test_the_penalty_of_first_partitions_stays(table):
    X, search = table(160), ScoreMatchingDensityCV(n_alphas=6, cv=3)
    fitted = clone(search).partial_fit(cut(X[:80]))
    alpha = fitted.alpha_
    fitted.partial_fit(cut(X[80:]))
    expected = ScoreMatchingDensity("pairwise", alpha=alpha, l1_ratio=1.0).fit(X)
    assert fitted.alpha_ == alpha
    assert_allclose(fitted.interaction_, expected.interaction_, rtol=1e-7, atol=1e-9)


@at_the_edge
def test_searches_that_need_rows_in_one_place_are_refused(table):
    X, small = table(80), table(FEW)
    by_places = ScoreMatchingDensityCV(n_alphas=6, cv=KFold(3))
    with pytest.raises(ValueError, match=r"a splitter deals rows by their places.*Give a number of folds"):
        by_places.fit(cut(X))
    assert clone(by_places).fit(cut(small, (30, 10))).alpha_ == clone(by_places).fit(small).alpha_
    for selection in ("ebic", "smic"):
        search = ScoreMatchingDensityCV(selection=selection, n_alphas=6)
        with pytest.raises(ValueError, match=rf'selection="{selection}" asks every row for its gradient'):
            search.fit_statistics(search.compute_statistics(X))
    plain = ScoreMatchingDensityCV(selection="ebic", calibrate=False, n_alphas=6)
    assert plain.fit_statistics(plain.compute_statistics(X)).alpha_ == clone(plain).fit(X).alpha_
    by_folds = ScoreMatchingDensityCV(n_alphas=6, cv=3)
    with pytest.raises(ValueError, match="needs the statistics of each fold"):
        by_folds.fit_statistics(plain.compute_statistics(X))
    with pytest.raises(ValueError, match="of 3 and of 4 folds do not add up"):
        by_folds.compute_statistics(X) + clone(by_folds).set_params(cv=4).compute_statistics(X)


# ---- rows that come to the client ----------------------------------------------------------------


def test_rows_of_a_plan_are_spread_evenly_over_partitions_of_any_size():
    X = np.arange(1000.0)[:, None]
    for sizes in ((1000,), (1, 899, 99, 1), (10,) * 100, (0, 500, 0, 500)):
        rows = Partitions.of(da.from_array(X, chunks=(sizes, 1))).spread()
        assert len(rows.X) == FEW
        assert (np.diff(rows.X[:, 0]) > 0).all()
        assert_allclose(rows.X[:, 0], np.linspace(0, 999, FEW), atol=50)


def test_weights_and_scores_go_with_the_rows_of_a_plan():
    X = np.arange(1000.0)[:, None]
    tables = np.hstack([X, X]), np.hstack([-X, X]), X[:, 0]
    X, Y, weight = Partitions.of(*(cut(table, (300, 700)) for table in tables)).spread()
    assert_array_equal(X[:, 0], weight)
    assert_array_equal(Y[:, 0], -weight)


# ---- evaluations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("table_of", [cut, frame_of], ids=["array", "frame"])
def test_evaluations_are_lazy_and_those_of_rows_in_memory(table_of, table):
    X = table(80)
    density = ScoreMatchingDensity("polynomial", random_state=0).fit(table_of(X))
    rows = table_of(X)
    seen = pd.DataFrame(X, columns=["a", "b"]) if table_of is frame_of else X
    for name in ("score_samples", "grad_log_density", "hyvarinen_score"):
        lazy = getattr(density, name)(rows)
        assert isinstance(lazy, da.Array)
        assert_allclose(lazy.compute(), getattr(density, name)(seen), rtol=1e-12)
    noisy = clone(LADDERS["gaussians"]).fit(X)
    assert_allclose(noisy.grad_log_density(cut(X), sigma=0.3).compute(), noisy.grad_log_density(X, sigma=0.3))
    standardized = density.hyvarinen_score(rows, standardize=True)
    assert_allclose(standardized.compute(), density.hyvarinen_score(seen, standardize=True), rtol=1e-12)


@pytest.mark.parametrize("criterion", ["log_likelihood", "hyvarinen"])
def test_a_score_is_the_mean_over_all_partitions(criterion, table):
    X, weight = table(80), np.random.default_rng(5).random(80)
    density = ScoreMatchingDensity(criterion=criterion).fit(X)
    assert density.score(cut(X)) == pytest.approx(density.score(X), rel=1e-12)
    assert density.score(cut(X), sample_weight=cut(weight)) == pytest.approx(density.score(X, None, weight), rel=1e-12)
    assert type(density.score(cut(X))) is np.float64


def test_outliers_and_transformed_rows_of_a_collection_are_those_in_memory(table):
    X = table(80)
    for collection, seen in ((cut(X), X), (frame_of(X), pd.DataFrame(X, columns=["a", "b"]))):
        detector = DensityOutlierDetector(ScoreMatchingDensity(), contamination=0.1)
        expected = clone(detector).fit(seen).predict(seen)
        assert_array_equal(clone(detector).fit(collection).predict(collection), expected)
        transformed = TransformedDensity(ScoreMatchingDensity(), StandardScaler())
        assert clone(transformed).fit(collection).score(collection) == pytest.approx(
            clone(transformed).fit(seen).score(seen)
        )
        gaussian = ScoreMatchingDensity().fit(collection)
        assert gaussian.bic(collection) == pytest.approx(gaussian.bic(seen), rel=1e-12)


# ---- what is refused -----------------------------------------------------------------------------


def test_other_partitions_than_those_of_the_rows_are_refused(table):
    X = table(80)
    density = ScoreMatchingDensity()
    with pytest.raises(ValueError, match=r"sample_weight is a ndarray.*from_array\(sample_weight, X\.chunks\[0\]\)"):
        density.fit(cut(X), sample_weight=np.ones(80))
    with pytest.raises(ValueError, match=r"sample_weight has 2 partitions of 40, 40 rows, X has 4 of 7, 33, 1, \.\.\."):
        density.fit(cut(X), sample_weight=cut(np.ones(80), (40, 40)))
    unknown = cut(X)[cut(X)[:, 0] > -np.inf], cut(np.ones(80), (7, 33, 2, 38))
    with pytest.raises(ValueError, match=r"partition [23] of 4.*sample_weight\.shape"):
        density.fit(unknown[0], sample_weight=unknown[1])
    with pytest.raises(ValueError, match="X is a Array of dask with 1 dimensions"):
        density.fit(cut(X)[:, 0])


def test_an_error_names_the_partition(table):
    X = table(80)
    X[50, 1] = np.nan
    with pytest.raises(ValueError, match=r"partition 3 of 4, counted from 0: Input X contains NaN"):
        ScoreMatchingDensity().fit(cut(X))
    with pytest.raises(ValueError, match=r"partition 3 of 4, counted from 0: Input X contains NaN"):
        ScoreMatchingDensity().fit(table(60)).score(cut(X))


def test_partitions_of_another_width_are_refused(table):
    parts = [da.from_delayed(dask.delayed(table)(40, d), (40, 2), float) for d in (2, 3)]
    with pytest.raises(ValueError, match="partition 1 of 2, counted from 0, has 3 columns, and X has 2"):
        ScoreMatchingDensity().fit(da.concatenate(parts))


def test_a_table_without_rows_is_refused(table):
    with pytest.raises(ValueError, match="X has no rows"):
        ScoreMatchingDensity().fit(cut(table(80)), sample_weight=cut(np.zeros(80)))
    with pytest.raises(ValueError, match="X has no rows"):
        ScoreMatchingDensity().fit(cut(table(80))[:0])


def test_columns_and_parameters_are_checked_before_anything_runs(table):
    def never(X):
        raise AssertionError

    X = da.from_array(table(80)).map_blocks(never, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(ValueError, match="'alpha' parameter"):
        ScoreMatchingDensity(alpha=-1.0).fit(X)
    with pytest.raises(ValueError, match=r"X has 2 features.* expecting 3"):
        ScoreMatchingDensity().fit(table(80, 3)).score_samples(X)
    fitted = ScoreMatchingDensity().fit(frame_of(table(80)))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.score_samples(frame_of(table(80))[["b", "a"]])


# ---- processes -----------------------------------------------------------------------------------


def test_rows_stay_where_they_are(table, monkeypatch):
    X, came = table(4000), []

    def compute(*values):
        found = dask.compute(*values)
        came.append(len(pickle.dumps(found)))
        return found

    monkeypatch.setattr(dask_rows, "dask", SimpleNamespace(compute=compute))
    for density in (ADDING["quartic"], BY_PLAN["on the orthant"]):
        clone(density).fit(cut(X, (1000,) * 4)).score(cut(X, (1000,) * 4))
    assert 0 < max(came) < X.nbytes / 8


@pytest.fixture(scope="module")
def client():
    """Client of two processes."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_two_processes_fit_what_one_does(client, table):
    X = table(80) + 1e8
    density = ScoreMatchingDensity("polynomial", random_state=0)
    with client.as_current(), dask.config.set(scheduler="distributed"):
        fitted = clone(density).fit(cut(X, (8,) * 10))
        score, log_densities = fitted.score(cut(X)), fitted.score_samples(cut(X)).compute()
    on_threads = clone(density).fit(cut(X, (8,) * 10))
    assert_array_equal(fitted.theta_, on_threads.theta_)
    expected = clone(density).fit(X)
    assert_allclose(log_densities, expected.score_samples(X), rtol=1e-10, atol=1e-10)
    assert score == pytest.approx(expected.score(X), rel=1e-10)


def test_an_error_survives_its_worker(client, table):
    X = table(80)
    X[50, 1] = np.nan
    with (
        client.as_current(),
        dask.config.set(scheduler="distributed"),
        pytest.raises(ValueError, match=r"partition 3 of 4, counted from 0: Input X contains NaN"),
    ):
        ScoreMatchingDensity().fit(cut(X))


def test_a_worker_that_is_killed_changes_nothing(client, table, tmp_path):
    X, marker = table(80), tmp_path / "killed"

    def deadly(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 5 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    rows = da.from_array(X, chunks=(8, 2)).map_blocks(deadly, dtype=float, meta=np.empty((0, 0)))
    with client.as_current(), dask.config.set(scheduler="distributed"):
        fitted = clone(ADDING["quartic"]).fit(rows)
    assert marker.exists()
    assert_array_equal(fitted.theta_, clone(ADDING["quartic"]).fit(cut(X, (8,) * 10)).theta_)
