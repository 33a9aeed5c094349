"""The interface of sklearn.covariance, for every model that is a Gaussian on R^d."""

import numpy as np
import pytest
from sklearn.covariance import GraphicalLassoCV
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.domains import Box, Orthant
from skscore.models import Gaussian, PairwiseInteraction, TruncatedGaussian

GAUSSIANS = [
    ScoreMatchingDensity(),
    ScoreMatchingDensity(Gaussian("diag", assume_centered=True)),
    ScoreMatchingDensity(objective="explicit"),
    ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.5),
    ScoreMatchingDensity(PairwiseInteraction(centered=True)),
    ScoreMatchingDensity(PairwiseInteraction(weight="tanh")),
    ScoreMatchingDensityCV(n_alphas=6),
    ScoreMatchingDensityCV(n_alphas=6, selection="ebic"),
    ScoreMatchingDensityCV("gaussian", l1_ratio=0.0, alphas=[1.0, 0.01, 0.0001]),
]
OTHERS = [
    ScoreMatchingDensity("polynomial"),
    ScoreMatchingDensity("kernel"),
    ScoreMatchingDensity("truncated_gaussian"),
    ScoreMatchingDensityCV(TruncatedGaussian(Box(-9.0, 9.0))),
    ScoreMatchingDensityCV(PairwiseInteraction(2.0, 1.0)),
    ScoreMatchingDensityCV(PairwiseInteraction(0.5, 0.5, domain=Orthant())),
]


@pytest.mark.parametrize("estimator", GAUSSIANS, ids=repr)
def test_it_is_that_of_scikit_learn(rng, estimator):
    """GraphicalLassoCV with the covariance and location of the fit says the same of any rows."""
    X = rng.standard_normal((80, 4)) @ (np.eye(4) + 0.5 * np.eye(4, k=1)) + [5.0, -1.0, 0.0, 2.0]
    ours = estimator.fit(X, -(X - 1.0) @ np.diag([1.0, 2.0, 3.0, 4.0]))
    theirs = GraphicalLassoCV()
    theirs.covariance_, theirs.precision_ = ours.covariance_, np.linalg.inv(ours.covariance_)
    theirs.location_, theirs.n_features_in_ = ours.location_, 4
    np.testing.assert_allclose(ours.get_precision(), theirs.precision_, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(ours.covariance_, ours.covariance_.T)
    np.testing.assert_allclose(ours.mahalanobis(X + 1.0), theirs.mahalanobis(X + 1.0), rtol=1e-9)
    for norm in ("frobenius", "spectral"):
        for options in ({}, {"scaling": False}, {"squared": False}):
            expected = theirs.error_norm(np.eye(4), norm=norm, **options)
            assert ours.error_norm(np.eye(4).tolist(), norm=norm, **options) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(ours.grad_log_density(X), -(X - ours.location_) @ ours.precision_, atol=1e-10)


@pytest.mark.parametrize("estimator", OTHERS, ids=repr)
@pytest.mark.parametrize("name", ["covariance_", "get_precision", "mahalanobis", "error_norm"])
def test_other_models_lack_it(estimator, name):
    with pytest.raises(AttributeError, match=r"only Gaussians on R\^d have a covariance") as refused:
        getattr(estimator, name)
    assert f"model={estimator.model!r}" in str(refused.value)


def test_a_truncated_gaussian_has_no_covariance(rng):
    """That of the Gaussian before truncation is not that of the rows."""
    fitted = ScoreMatchingDensity("truncated_gaussian").fit(np.abs(rng.standard_normal((40, 2))))
    assert hasattr(fitted, "precision_")
    assert not hasattr(fitted, "covariance_")


def test_a_path_is_fitted_before_it_is_asked():
    for call in (ScoreMatchingDensityCV().get_precision, lambda: ScoreMatchingDensityCV().error_norm(np.eye(2))):
        with pytest.raises(NotFittedError):
            call()


def test_interactions_that_are_no_precision_matrix_have_no_covariance(rng):
    X = rng.standard_normal((15, 10)) + 3.0
    with pytest.warns(ConvergenceWarning, match="no precision matrix"):
        fitted = ScoreMatchingDensity("pairwise", alpha=0.2, l1_ratio=1.0, symmetric="and").fit(X)
    assert np.linalg.eigvalsh(fitted.precision_)[0] < 0.0
    assert np.isnan(fitted.covariance_).all()
    assert np.isnan(fitted.location_).all()
    assert np.isnan(fitted.mahalanobis(X)).all()


def test_an_unknown_norm_is_refused_as_scikit_learn_does(rng):
    fitted = ScoreMatchingDensity().fit(rng.standard_normal((20, 2)))
    with pytest.raises(NotImplementedError, match=r"norm='nuclear'.*frobenius"):
        fitted.error_norm(np.eye(2), norm="nuclear")
