"""What scikit-learn asks of EmpiricalCovariance and GraphicalLassoCV holds for score matching in their place."""

from collections import UserList

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.covariance import EmpiricalCovariance, GraphicalLassoCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GroupKFold, cross_val_score

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.models import Gaussian

DIABETES = load_diabetes().data
TABLES = {"diabetes": DIABETES, "one column": DIABETES[:, :1], "integers": np.array([[1, 2], [3, 4], [5, 7], [2, 1]])}


# ---- EmpiricalCovariance, GaussianMixture -------------------------------------------------------


@pytest.mark.parametrize("assume_centered", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_the_gaussian_is_the_empirical_covariance(table, assume_centered):
    X = TABLES[table]
    peer = EmpiricalCovariance(assume_centered=assume_centered).fit(X)
    ours = ScoreMatchingDensity(Gaussian(assume_centered=assume_centered)).fit(X)
    for name in ("location_", "covariance_", "precision_"):
        assert_allclose(getattr(ours, name), getattr(peer, name), rtol=1e-7, atol=1e-12)
    assert_allclose(ours.get_precision(), peer.get_precision(), rtol=1e-7)
    assert_allclose(ours.mahalanobis(X), peer.mahalanobis(X), rtol=1e-7)
    assert ours.score(X) == pytest.approx(peer.score(X), rel=1e-9)
    assert ours.error_norm(ours.covariance_) == pytest.approx(0.0, abs=1e-20)
    for norm in ("frobenius", "spectral"):
        for options in ({"scaling": False}, {"squared": False}):
            other = 2.0 * peer.covariance_
            assert ours.error_norm(other, norm, **options) == pytest.approx(peer.error_norm(other, norm, **options))


def test_distances_need_the_columns_of_the_fit():
    for estimator in (EmpiricalCovariance(), ScoreMatchingDensity()):
        with pytest.raises(ValueError, match="X has 2 features"):
            estimator.fit(DIABETES).mahalanobis(DIABETES[:, :2])


def test_one_row_has_a_covariance_for_scikit_learn_only():
    with pytest.warns(UserWarning, match="Only one sample"):
        assert not EmpiricalCovariance().fit(DIABETES[:1]).covariance_.any()
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        ScoreMatchingDensity().fit(DIABETES[:1])


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_the_gaussian_is_a_mixture_of_one(kind):
    X = load_iris().data
    peer = GaussianMixture(1, covariance_type=kind, reg_covar=0.0).fit(X)
    ours = ScoreMatchingDensity(Gaussian(kind)).fit(X)
    assert_allclose(ours.score_samples(X), peer.score_samples(X), rtol=1e-9)
    for name in ("score", "aic", "bic"):
        assert getattr(ours, name)(X) == pytest.approx(getattr(peer, name)(X))


# ---- GraphicalLassoCV ---------------------------------------------------------------------------


@pytest.fixture
def sparse():
    """Rows of a chain of six columns, and their precision matrix."""
    precision = np.eye(6) + 0.4 * (np.eye(6, k=1) + np.eye(6, k=-1))
    return np.random.default_rng(0).multivariate_normal(np.zeros(6), np.linalg.inv(precision), 300), precision


PATHS = [GraphicalLassoCV(alphas=4), ScoreMatchingDensityCV(n_alphas=6)]


@pytest.fixture(params=PATHS, ids=lambda path: type(path).__name__)
def path(request):
    return clone(request.param)


def test_the_graph_is_found(path, sparse):
    X, precision = sparse
    found, edges = path.fit(X).precision_, precision != 0.0
    assert_allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > 0.0
    assert_allclose(path.get_precision() @ path.covariance_, np.eye(6), atol=1e-3)
    strength = np.abs(found / np.sqrt(np.outer(np.diag(found), np.diag(found))))
    assert strength[edges].min() > strength[~edges].max()


def test_the_results_of_the_folds(path, sparse):
    results = path.set_params(cv=3).fit(sparse[0]).cv_results_
    splits = np.stack([results[f"split{k}_test_score"] for k in range(3)])
    assert splits.shape == (3, len(results["alphas"]))
    assert_allclose(splits.mean(axis=0), results["mean_test_score"])
    assert_allclose(splits.std(axis=0), results["std_test_score"])
    assert path.alpha_ in results["alphas"]


@pytest.mark.filterwarnings("ignore:the chosen alpha")
@pytest.mark.parametrize("container", [list, tuple, np.array, UserList])
def test_penalties_in_any_container(path, sparse, container):
    found = path.set_params(alphas=container([0.02, 0.05])).fit(sparse[0])
    assert set(found.cv_results_["alphas"]) >= {0.02, 0.05}
    assert found.alpha_ in (0.02, 0.05)


@pytest.mark.parametrize("alphas", [[-0.02, 0.03], [np.nan], [], ["a"]], ids=str)
def test_penalties_that_are_none_are_refused(sparse, alphas):
    with pytest.raises(ValueError, match="alphas"):
        ScoreMatchingDensityCV(alphas=alphas).fit(sparse[0])


@pytest.mark.filterwarnings("ignore:the chosen alpha")
def test_a_penalty_of_zero_is_refused_by_scikit_learn_only(sparse):
    with pytest.raises(ValueError, match="must be > 0"):
        GraphicalLassoCV(alphas=[0.0, 0.1]).fit(sparse[0])
    unpenalised = ScoreMatchingDensity("pairwise", alpha=0.0).fit(sparse[0])
    assert_allclose(unpenalised.precision_, np.linalg.inv(np.cov(sparse[0].T, ddof=0)), rtol=1e-6)
    assert ScoreMatchingDensityCV(alphas=[0.0, 0.1]).fit(sparse[0]).alpha_ in (0.0, 0.1)


def test_groups_reach_the_splitter(sparse):
    X, groups = sparse[0], np.arange(300) % 5
    splits = list(GroupKFold(3).split(X, groups=groups))
    expected = ScoreMatchingDensityCV(n_alphas=4, cv=splits).fit(X).cv_results_
    found = ScoreMatchingDensityCV(n_alphas=4, cv=GroupKFold(3)).fit(X, groups=groups).cv_results_
    with config_context(enable_metadata_routing=True):
        peer = GraphicalLassoCV(cv=GroupKFold(3)).fit(X, groups=groups)
        routed = ScoreMatchingDensityCV(n_alphas=4, cv=GroupKFold(3)).set_fit_request(groups=True)
        within = cross_val_score(routed, X, params={"groups": groups}, error_score="raise")
    assert_array_equal(found["mean_test_score"], expected["mean_test_score"])
    assert {"split2_test_score"} < {*peer.cv_results_} & {*found}
    assert np.isfinite(within).all()


def test_one_penalty_is_a_fit_of_its_own(sparse):
    path = ScoreMatchingDensityCV(alphas=[0.05]).fit(sparse[0])
    one = ScoreMatchingDensity("pairwise", alpha=0.05, l1_ratio=1.0).fit(sparse[0])
    assert_array_equal(path.precision_ != 0.0, one.precision_ != 0.0)
