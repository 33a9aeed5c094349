"""Penalties chosen along a path, and sparse interactions through the door."""

import json
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import GraphicalLassoCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore._kernels import threads
from skscore.domains import Box, Capped, Halfspaces, Orthant, Power, Simplex
from skscore.estimators import score_matching_cv
from skscore.models import Kernel, PairwiseInteraction, TruncatedGaussian
from skscore.models.objectives import Implicit

P = 8
PRECISION = np.eye(P) + 0.4 * (np.eye(P, k=1) + np.eye(P, k=-1))


def chain(rng, n):
    """Rows of a Gaussian whose graph is a chain."""
    return rng.multivariate_normal(np.arange(P), np.linalg.inv(PRECISION), n)


def edges(K):
    return {(i, j) for i, j in np.argwhere(np.triu(K, 1))}


CHAIN = {(i, i + 1) for i in range(P - 1)}


@pytest.mark.parametrize("selection", ["cv", "ebic", "smic"])
def test_every_selection_finds_the_chain(rng, selection):
    fitted = ScoreMatchingDensityCV(selection=selection, refit=selection == "ebic", random_state=0).fit(chain(rng, 600))
    assert edges(fitted.interaction_) >= CHAIN
    if selection == "ebic":
        assert len(edges(fitted.interaction_)) <= len(CHAIN) + 3
    best = np.argmax(fitted.cv_results_["mean_test_score"])
    assert fitted.alpha_ == fitted.alphas_[best] == fitted.cv_results_["alphas"][best]
    assert len(fitted.path_) == len(fitted.alphas_)
    np.testing.assert_array_equal(fitted.path_[best] != 0.0, fitted.interaction_ != 0.0)


def test_a_refitted_graph_is_the_maximum_likelihood_one_where_it_is_full(rng):
    X = chain(rng, 200)
    fitted = ScoreMatchingDensityCV(alphas=[1e-6], selection="ebic", refit=True).fit(X)
    np.testing.assert_allclose(fitted.precision_, np.linalg.inv(np.cov(X.T, ddof=0)), rtol=1e-6, atol=1e-8)


def test_one_standard_error_is_sparser(rng):
    X = chain(rng, 150)
    counts = [
        np.count_nonzero(ScoreMatchingDensityCV(rule=rule).fit(X).interaction_)
        for rule in ("best", "one_standard_error")
    ]
    assert counts[1] <= counts[0]


def test_a_chosen_penalty_gives_the_plain_fit(rng):
    X = chain(rng, 100)
    chosen = ScoreMatchingDensityCV(n_alphas=10, random_state=0).fit(X)
    plain = ScoreMatchingDensity("pairwise", alpha=chosen.alpha_, l1_ratio=1.0, random_state=0).fit(X)
    np.testing.assert_allclose(chosen.interaction_, plain.interaction_, rtol=1e-8, atol=1e-9)
    assert chosen.score(X) == pytest.approx(plain.score(X), rel=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", ["gaussian", "polynomial"])
def test_ridges_of_other_models_are_chosen(rng, model):
    X = rng.standard_normal((400, 2))
    fitted = ScoreMatchingDensityCV(model, alphas=[10.0, 1e-3, 1.0], l1_ratio=0.0, cv=3).fit(X)
    np.testing.assert_array_equal(fitted.alphas_, [10.0, 1.0, 1e-3])
    assert fitted.alpha_ == fitted.alphas_[np.argmax(fitted.cv_results_["mean_test_score"])]


@pytest.mark.parametrize("weighted", [False, True])
def test_splits_of_scikit_learn_are_fitted_and_judged(rng, weighted):
    X = chain(rng, 400)
    weight = rng.integers(0, 3, 400) if weighted else None
    splits = list(KFold(3).split(X))
    fitted = ScoreMatchingDensityCV(alphas=[0.9, 0.1, 0.03, 1e-4], cv=splits).fit(X, sample_weight=weight)
    w = np.ones(400) if weight is None else weight
    for k, (train, test) in enumerate(splits):
        plain = ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=1.0).fit(X[train], sample_weight=w[train])
        expected = np.average(plain.hyvarinen_score(X[test]), weights=w[test])
        assert fitted.cv_results_[f"split{k}_test_score"][1] == pytest.approx(-expected, rel=1e-8)


def test_a_path_that_goes_on_takes_the_statistics_of_its_folds_again(rng, monkeypatch):
    """A generator of splits can be read but once, and the rows of each are assembled once."""
    X = chain(rng, 300) * np.logspace(-2.0, 2.0, P)
    n_assembled, of_splits = [], score_matching_cv.split_statistics

    def counted(target, splits):
        n_assembled.append(1)
        return of_splits(target, splits)

    monkeypatch.setattr(score_matching_cv, "split_statistics", counted)
    fitted = ScoreMatchingDensityCV(n_alphas=8, cv=(split for split in KFold(3).split(X))).fit(X)
    assert fitted.alphas_[-1] < 1e-5 * fitted.alphas_[0]  # it went on
    assert n_assembled == [1]
    assert np.isfinite(fitted.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("weight", [None, 2.0, np.where(np.arange(100) % 3, 1.0, 1e-50)])
def test_the_first_of_several_chunks_chooses_by_splits_as_a_fit_does(rng, weight):
    """Also where rows of no weight are left out of them."""
    X = chain(rng, 100)
    fitted, begun = (ScoreMatchingDensityCV(n_alphas=5, cv=KFold(3)) for _ in range(2))
    fitted.fit(X, sample_weight=weight)
    begun.partial_fit(X, sample_weight=weight)
    rows = np.arange(100) if np.ndim(weight) == 0 else np.flatnonzero(weight == 1.0)
    splits = [[rows[np.isin(rows, part)] for part in pair] for pair in KFold(3).split(X)]
    splits = [[np.searchsorted(rows, part) for part in pair] for pair in splits]
    expected = ScoreMatchingDensityCV(n_alphas=5, cv=splits).fit(X[rows]).cv_results_["mean_test_score"]
    np.testing.assert_allclose(fitted.cv_results_["mean_test_score"], expected, rtol=1e-9)
    np.testing.assert_array_equal(begun.cv_results_["mean_test_score"], fitted.cv_results_["mean_test_score"])


def test_what_was_tried_has_the_names_of_scikit_learn(rng):
    X, cv = chain(rng, 120), KFold(3)
    ours = ScoreMatchingDensityCV(n_alphas=5, cv=cv).fit(X).cv_results_
    theirs = GraphicalLassoCV(alphas=4, n_refinements=1, cv=cv).fit(X).cv_results_
    assert set(ours) == {*theirs, "n_edges"}
    splits = np.array([ours[f"split{k}_test_score"] for k in range(3)])
    np.testing.assert_allclose(ours["mean_test_score"], splits.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(ours["std_test_score"], splits.std(axis=0), rtol=1e-9)
    assert (np.diff(ours["alphas"]) < 0.0).all()
    assert (np.diff(theirs["alphas"]) < 0.0).all()


def test_groups_reach_the_splitter(rng):
    X, groups = chain(rng, 120), rng.integers(0, 6, 120)
    weight = np.where(np.arange(120) < 110, rng.integers(0, 3, 120), 0)
    for cv in (GroupKFold(3), LeaveOneGroupOut()):
        grouped = ScoreMatchingDensityCV(n_alphas=5, cv=cv).fit(X, sample_weight=weight, groups=groups)
        splits = list(cv.split(X, groups=groups))
        expected = ScoreMatchingDensityCV(n_alphas=5, cv=splits).fit(X, sample_weight=weight).cv_results_
        for name, values in expected.items():
            np.testing.assert_array_equal(grouped.cv_results_[name], values)


def test_groups_that_nothing_reads_are_told(rng):
    X, groups = chain(rng, 60), np.arange(60) % 6
    for unused in ({"cv": 3}, {"selection": "ebic", "cv": GroupKFold(3)}):
        with pytest.warns(UserWarning, match=r"groups.*GroupKFold"):
            ScoreMatchingDensityCV(n_alphas=4, **unused).fit(X, groups=groups)


def test_groups_of_another_length_are_refused_and_none_are_kept(rng):
    X, density = chain(rng, 60), ScoreMatchingDensityCV(n_alphas=4, cv=GroupKFold(3))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        density.fit(X, groups=np.arange(59) % 6)
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        density.fit(X)
    fitted = density.fit(X, groups=np.arange(60) % 6)
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        fitted.fit(X)


@pytest.mark.parametrize("last", [0.0, 1e-50])
def test_splits_may_name_a_last_row_of_no_weight(rng, last):
    X, weight = chain(rng, 60), np.ones(60)
    weight[-1] = last
    splits = [[part.tolist() for part in pair] for pair in KFold(3).split(X)]
    fitted = ScoreMatchingDensityCV(n_alphas=4, cv=splits).fit(X, sample_weight=weight)
    expected = ScoreMatchingDensityCV(
        n_alphas=4, cv=[[[i for i in part if i < 59] for part in pair] for pair in splits]
    ).fit(X[:-1])
    np.testing.assert_allclose(fitted.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])


def test_weights_are_repetition_for_every_selection(rng):
    X, weight = chain(rng, 80), rng.integers(0, 3, 80)
    for selection in ("ebic", "smic"):
        path = ScoreMatchingDensityCV(selection=selection, n_alphas=5)
        weighted, repeated = clone(path).fit(X, sample_weight=weight), clone(path).fit(np.repeat(X, weight, axis=0))
        values = [fitted.cv_results_["mean_test_score"] for fitted in (weighted, repeated)]
        np.testing.assert_allclose(*values, rtol=1e-9)


@pytest.mark.parametrize("symmetric", ["and", "or"])
def test_columns_that_share_one_form_are_not_estimated_by_themselves(rng, symmetric):
    composition = PairwiseInteraction(0, 0, domain=Simplex())
    with pytest.raises(ValueError, match=f"symmetric='{symmetric}'.*simplex.*Set symmetric=True"):
        ScoreMatchingDensityCV(composition, symmetric=symmetric).fit(rng.dirichlet([2.0, 3.0, 4.0], 50))
    with pytest.raises(ValueError, match=f"symmetric='{symmetric}'.*implicit objective.*Set symmetric=True"):
        ScoreMatchingDensity("pairwise", objective="denoising", symmetric=symmetric).fit(chain(rng, 50))


def test_one_column_has_no_graph(rng):
    for selection in ("cv", "ebic", "smic"):
        fitted = ScoreMatchingDensityCV(TruncatedGaussian(), selection=selection).fit(rng.uniform(size=(50, 1)))
        assert fitted.interaction_.shape == (1, 1)
        assert fitted.alpha_ == 0.0


def test_weights_are_repetition_and_chunks_a_whole(rng):
    X, weight = chain(rng, 60), rng.integers(0, 3, 60)
    fits = [
        ScoreMatchingDensityCV(n_alphas=8).fit(X, sample_weight=weight),
        ScoreMatchingDensityCV(n_alphas=8).fit(np.repeat(X, weight, axis=0)),
    ]
    assert fits[0].alpha_ == pytest.approx(fits[1].alpha_, rel=1e-9)
    np.testing.assert_allclose(fits[0].interaction_, fits[1].interaction_, rtol=1e-6, atol=1e-8)
    sparse = ScoreMatchingDensity("pairwise", alpha=0.05, l1_ratio=1.0)
    whole, chunked = clone(sparse).fit(X), clone(sparse).partial_fit(X[:30]).partial_fit(X[30:])
    np.testing.assert_allclose(chunked.interaction_, whole.interaction_, rtol=1e-7, atol=1e-9)


def test_more_columns_than_rows(rng):
    """Below the threshold there is no minimum, and the message says from which penalty on there is one."""
    X = rng.standard_normal((20, 30))
    with pytest.raises(ValueError, match="unbounded"):
        ScoreMatchingDensity("pairwise", alpha=1e-3, l1_ratio=1.0).fit(X)
    model = PairwiseInteraction(diagonal_multiplier="auto", projection="nearest")
    fitted = ScoreMatchingDensityCV(model, selection="ebic", refit=False).fit(X)
    assert np.isfinite(fitted.interaction_).all()


def test_remedies_are_those_of_the_penalty(rng):
    """An l1 penalty does nothing for a constant column, and a path has no alpha."""
    X = rng.standard_normal((50, 5))
    X[:, 2] = 3.0
    with pytest.raises(ValueError, match=r"with alphas=auto.*constant columns: \[2\].*alphas > 0 with a ridge in it"):
        ScoreMatchingDensityCV().fit(X)
    X[:, 2] = X[:, 1]
    with pytest.raises(ValueError, match=r"with alpha=0\.3.*minimum from 1 on: set alpha there.*diagonal_multiplier"):
        ScoreMatchingDensity("pairwise", alpha=0.3, l1_ratio=1.0).fit(X)
    with pytest.raises(ValueError, match=r"with alphas=\[0\.0\].*Set alphas > 0, drop"):
        ScoreMatchingDensityCV(alphas=[0.0], l1_ratio=0.0).fit(X)


@pytest.mark.parametrize("model", ["pairwise", PairwiseInteraction(1.0, 0.5, domain=Orthant())], ids=["a=b", "a≠b"])
@pytest.mark.parametrize("n", [50, 52])  # for some the mean of such a column is not quite its value
def test_constant_columns_are_found_whatever_rounding_leaves_of_them(n, model):
    X = np.abs(np.random.default_rng(n).standard_normal((n, 4)))
    X[:, 2] = 3.0
    for penalty in ({"alpha": 0.1, "l1_ratio": 1.0}, {"alpha": 0.0}):
        with pytest.raises(ValueError, match=r"constant columns: \[2\]"):
            ScoreMatchingDensity(model, **penalty).fit(X)


@pytest.mark.parametrize(("seed", "l1_ratio", "symmetric"), [(8, 0.3, True), (0, 0.1, True), (17, 0.3, "and")])
def test_an_automatic_path_begins_with_the_first_edge(seed, l1_ratio, symmetric):
    """With a ridge in the penalty, which moves what is asked of its l1 part either way."""
    X, model = np.random.default_rng(seed).uniform(size=(60, 2)), TruncatedGaussian(Box(), centered=True)

    def correlated(alpha):
        fitted = ScoreMatchingDensity(model, alpha=alpha, l1_ratio=l1_ratio, symmetric=symmetric).fit(X)
        columns = fitted._fit.family.fit_interactions(fitted._fit.summary, Implicit(), alpha).columns
        return (columns != np.diag(np.diag(columns))).any()

    path = {"l1_ratio": l1_ratio, "symmetric": symmetric, "n_alphas": 2}
    greatest = ScoreMatchingDensityCV(model, selection="ebic", **path).fit(X).alphas_[0]
    assert correlated(0.999 * greatest)
    assert not any(correlated(factor * greatest) for factor in (1.0, 1.5, 10.0))


# ---- truncated and positive tables ---------------------------------------------------------------


def test_a_truncated_gaussian_is_found_where_a_gaussian_is_wrong(rng):
    X = rng.multivariate_normal(np.zeros(3), np.linalg.inv(PRECISION[:3, :3]), 60_000)
    X = X[(X > 0).all(axis=1)]
    truncated = ScoreMatchingDensity(TruncatedGaussian(weight=Capped(Power(1), 1)), random_state=0).fit(X)
    np.testing.assert_allclose(truncated.precision_, PRECISION[:3, :3], atol=0.2)
    wrong = ScoreMatchingDensity().fit(X)
    assert np.abs(wrong.precision_ - PRECISION[:3, :3]).max() > 1.0
    assert truncated.score(X) > wrong.score(X) + 0.2
    assert (truncated.sample(500) > 0).all()
    assert truncated.score_samples(-X[:2]).tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize(
    "model",
    [
        TruncatedGaussian(),
        TruncatedGaussian(domain=Box(0.0, [30.0, np.inf, 40.0])),
        PairwiseInteraction(0.5, 0.5, domain=Orthant()),
        PairwiseInteraction(0.5, 0.0, domain=Orthant(), weight="tanh"),
        PairwiseInteraction(0.0, 0.0, domain=Orthant()),
        PairwiseInteraction(1.0, 1.0, centered=True),
    ],
    ids=repr,
)
def test_the_hyvarinen_score_averages_to_the_objective(rng, model):
    X = rng.gamma(3.0, 1.0, (400, 3))
    fitted = ScoreMatchingDensity(model, random_state=0).fit(X)
    assert fitted.hyvarinen_score(X).mean() == pytest.approx(fitted.objective_, rel=1e-8)
    scaled = clone(fitted).set_params(criterion="hyvarinen").fit(X)
    assert np.isfinite(scaled.score(X))


def test_a_grid_over_powers(rng):
    X = rng.gamma(3.0, 1.0, (200, 2))
    search = GridSearchCV(
        ScoreMatchingDensity(PairwiseInteraction(domain=Orthant()), criterion="hyvarinen", random_state=0),
        {"model__a": [0.5, 1.0], "alpha": [0.01, 0.1]},
        cv=2,
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_in_a_pipeline(rng):
    X = chain(rng, 80)
    fitted = make_pipeline(StandardScaler(), ScoreMatchingDensityCV(n_alphas=5)).fit(X)
    assert np.isfinite(fitted.score(X))


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (ScoreMatchingDensity("gaussian", l1_ratio=0.5), 'model="pairwise"'),
        (ScoreMatchingDensity("polynomial", symmetric="and"), 'model="pairwise"'),
        (ScoreMatchingDensity("pairwise", symmetric=False), "symmetric"),
        (ScoreMatchingDensityCV(alphas=[]), "alphas"),
        (ScoreMatchingDensityCV(alphas=[-1.0]), "alphas"),
        (ScoreMatchingDensityCV(alphas=["few"]), "alphas.*give numbers"),
        (ScoreMatchingDensityCV(l1_ratio=0.0, selection="ebic"), "l1_ratio"),
        (
            ScoreMatchingDensityCV(
                Kernel(5, n_components=2, bandwidth=1.0, base_scale=1.0), l1_ratio=0.0, selection="smic"
            ),
            "smic",
        ),
        (ScoreMatchingDensityCV(PairwiseInteraction(a=-1.0)), "'a' parameter"),
        (ScoreMatchingDensity(TruncatedGaussian()), "outside"),
        (ScoreMatchingDensity(PairwiseInteraction(a=0.5)), "whole"),
        (ScoreMatchingDensity(TruncatedGaussian(domain=Box(2.0, 1.0))), "lower < upper"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named(rng, estimator, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(chain(rng, 40) - 3.0)


@pytest.mark.parametrize("powers", [(0.0, 0.0), (0.5, 1.0), (1.0, 0.0)])
def test_powers_that_end_at_zero_need_a_domain_that_does(rng, powers):
    with pytest.raises(ValueError, match=r"domain=Reals\(\).*domain=Orthant\(\)"):
        ScoreMatchingDensity(PairwiseInteraction(*powers)).fit(rng.gamma(2.0, size=(30, 2)))


def test_weights_without_bound_are_refused_where_the_domain_has_none(rng):
    with pytest.raises(ValueError, match="Capped"):
        ScoreMatchingDensity(PairwiseInteraction(weight=Power(2.0))).fit(rng.standard_normal((30, 2)))


@pytest.mark.parametrize("a", [1.0, 2.0])
def test_a_polytope_has_log_densities_and_draws(a, rng):
    """Uniform rows on a triangle of area 1/2 have the log-density log 2."""
    X = rng.dirichlet(np.ones(3), 3000)[:, :2]
    triangle = Halfspaces([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], [1.0, 0.0, 0.0])
    fitted = ScoreMatchingDensity(PairwiseInteraction(a, 1.0, domain=triangle), random_state=0).fit(X)
    draws = fitted.sample(1000)
    assert triangle.contains(draws).all()
    np.testing.assert_allclose(draws.mean(axis=0), 1.0 / 3.0, atol=4.0 * 0.24 / np.sqrt(1000))
    assert fitted.score(X) == pytest.approx(np.log(2.0), abs=0.02)
    assert fitted.score_samples([[0.6, 0.6]]) == -np.inf


def test_a_polytope_may_grow_chunk_by_chunk(rng):
    X = np.sort(rng.standard_normal((600, 3)), axis=1)
    model = TruncatedGaussian(domain=Halfspaces([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]], [0.0, 0.0]))
    whole, chunks = ScoreMatchingDensity(model).fit(X), ScoreMatchingDensity(model)
    for part in (X[:200], X[200:]):
        chunks.partial_fit(part)
    assert chunks.score(X) == pytest.approx(whole.score(X), abs=0.05)


def test_the_edge_of_the_path_warns(rng):
    with pytest.warns(ConvergenceWarning, match="the least of those tried"):
        ScoreMatchingDensityCV(alphas=[1.0, 0.5]).fit(chain(rng, 300))


def test_a_composition_fits(rng):
    X = rng.dirichlet([2.0, 3.0, 4.0], 300)
    fitted = ScoreMatchingDensity(PairwiseInteraction(0, 0, domain=Simplex()), random_state=0).fit(X)
    assert np.isfinite(fitted.grad_log_density(X)).all()


def test_the_table_of_genscore_through_the_door(reference):
    """Unpenalised truncated Gaussian, minimum weights."""
    cases = json.loads((reference / "genscore_tgauss_rplus_p5_n200.json").read_text())
    X = np.loadtxt(reference / "data" / "tgauss_rplus_p5_n200.csv", delimiter=",", skiprows=1)
    case = cases["min_pow_1_1_profiled"]["fit_symmetric"]["path"][2]
    model = TruncatedGaussian(weight=Capped(Power(1), 1))
    fitted = ScoreMatchingDensity(model, alpha=case["lambda1"], l1_ratio=1.0).fit(X)
    np.testing.assert_allclose(fitted.interaction_.ravel(), np.ravel(case["K"]), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(fitted.linear_, case["eta"], rtol=1e-8)


@pytest.mark.parametrize("selection", ["cv", "smic", "ebic"])
@pytest.mark.parametrize("model", ["gaussian", "polynomial"])
def test_a_model_without_edges_is_told_of_parameters_that_help(model, selection, rng):
    X, density = rng.standard_normal((60, 2)), ScoreMatchingDensityCV(model, selection=selection)
    with pytest.raises(ValueError, match=r"Set l1_ratio=0"):
        density.fit(X)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # the least penalty may be best
        density.set_params(l1_ratio=0, alphas=[1.0, 0.1, 0.01], selection="smic").fit(X)
    assert density.alpha_ in (1.0, 0.1, 0.01)


def test_a_slow_path_says_once_what_it_is_doing(rng, monkeypatch, capsys):
    monkeypatch.setattr(score_matching_cv, "SLOW", 0.0)
    X = rng.standard_normal((40, 3))
    with pytest.warns(UserWarning, match="of 5 penalties, . edges.*n_alphas") as caught:
        ScoreMatchingDensityCV(n_alphas=5, verbose=1).fit(X)
    assert sum("is slow" in str(one.message) for one in caught) == 1
    assert capsys.readouterr().out.count("of 5 penalties") == 5


def test_folds_do_not_depend_on_the_number_of_threads(rng, monkeypatch):
    X = rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4))
    one = ScoreMatchingDensityCV().fit(X)
    monkeypatch.setattr(threads, "MIN_FLOPS", 1.0)
    two = ScoreMatchingDensityCV().fit(X)
    for name, column in one.cv_results_.items():
        np.testing.assert_array_equal(two.cv_results_[name], column)


def test_a_better_graph_that_is_no_density_is_told():
    """Radius, perimeter and area of one tumour repeat each other."""
    with pytest.warns(ConvergenceWarning, match=r"by eBIC, of \d+ edges, is no density.* of \d+ edges, was chosen"):
        ScoreMatchingDensityCV(selection="ebic", n_alphas=15).fit(scale(load_breast_cancer().data))


@pytest.mark.parametrize("table", [load_wine, load_breast_cancer, load_diabetes])
@pytest.mark.parametrize("unit", [scale, np.asarray], ids=["standardised", "raw"])
@pytest.mark.parametrize("selection", ["cv", "ebic"])
def test_real_tables_converge(table, unit, selection):
    """Paths over these took up to 700 s while sweeps alone lowered the objective."""
    X = unit(table().data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", "the best graph by eBIC")
        fitted = ScoreMatchingDensityCV(selection=selection, n_alphas=15).fit(X)
    S, K = np.cov(X.T, ddof=0), fitted.path_[-1]
    root = np.sqrt(np.diag(S))
    gradient = 0.5 * (S @ K + K @ S) - np.eye(len(S))
    bound = fitted.alphas_[-1] * (1.0 - np.eye(len(S)))
    violation = np.where(K != 0.0, np.abs(gradient + bound * np.sign(K)), np.maximum(np.abs(gradient) - bound, 0.0))
    terms = np.outer(root, root @ np.abs(K))
    assert (violation <= 1e-9 * (terms + terms.T + bound + 1.0)).all()
