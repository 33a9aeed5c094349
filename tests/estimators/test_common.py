"""scikit-learn's own checks, with no expected failure, and the array API."""

import numpy as np
import pytest
import sklearn
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_fit_idempotent,
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

from skscore import (
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    TransformedDensity,
)
from skscore.models import Gaussian, Kernel, PairwiseInteraction, Polynomial
from skscore.neural import ScoreNetwork

ESTIMATORS = [
    ScoreMatchingDensity(),
    ScoreMatchingDensity(Gaussian("diag", assume_centered=True)),
    ScoreMatchingDensity(Gaussian("spherical"), criterion="hyvarinen"),
    ScoreMatchingDensity("gaussian", objective="denoising", alpha=0.1),
    ScoreMatchingDensity(Polynomial(2), objective="sliced", alpha=0.1),
    ScoreMatchingDensity(Polynomial(4, interaction_degree=1), alpha=0.1),
    ScoreMatchingDensity(Kernel(20, bandwidth=1.0, base_scale=1.0), alpha=0.1),
    ScoreMatchingDensity("pairwise", alpha=0.1, l1_ratio=0.5),
    ScoreMatchingDensityCV(PairwiseInteraction(diagonal_multiplier=1.5), n_alphas=4),
    TransformedDensity(ScoreMatchingDensity(), StandardScaler()),
    TransformedDensity(KernelDensity(), StandardScaler()),
    DenoisingScoreEstimator("gaussian", dequantize=False, tail=None, n_likelihood_steps=4),
    DenoisingScoreEstimatorCV(
        "gaussian", sigma_mins=[0.1, 0.3], cv=2, dequantize=False, tail=None, n_likelihood_steps=4
    ),
]
TINY = {
    "hidden_layer_sizes": (4,),
    "max_iter": 5,
    "n_folds": 1,
    "device": "cpu",
}
NETWORKS = [
    DenoisingScoreEstimator(ScoreNetwork(**TINY), n_likelihood_steps=2),
    DenoisingScoreEstimator(ScoreNetwork(parametrization="energy", **TINY), n_likelihood_steps=2, tail=None),
]


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(NETWORKS)
def test_scikit_learn_checks_of_networks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # tables of 15 rows and 10 columns
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("check", [check_fit_idempotent, check_sample_weight_equivalence_on_dense_data])
def test_scikit_learn_checks_of_a_search(check):
    """The others run with the bandwidth and the penalty that a search would choose anew for each of them."""
    check("ScoreMatchingDensity", ScoreMatchingDensity(Kernel(10)))


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_array_api_dispatch(kind, rng):
    """Tensors in; the same namespace and device out, and the same numbers."""
    import array_api_strict
    import torch

    X = rng.standard_normal((50, 3)) @ np.triu(np.ones((3, 3)))
    expected = ScoreMatchingDensity(Gaussian(kind)).fit(X)
    with sklearn.config_context(array_api_dispatch=True):
        for Z in (torch.asarray(X), torch.asarray(X).float(), array_api_strict.asarray(X)):
            density = ScoreMatchingDensity(Gaussian(kind)).fit(Z)
            for values in (
                density.precision_,
                density.score_samples(Z),
                density.grad_log_density(Z),
                density.sample(2),
            ):
                assert type(values) is type(Z)
                assert values.device == Z.device
            tolerance = 1e-4 if "32" in str(Z.dtype) else 1e-12
            for method in ("score_samples", "mahalanobis", "hyvarinen_score"):
                found = np.asarray(getattr(density, method)(Z))
                np.testing.assert_allclose(found, getattr(expected, method)(X), rtol=tolerance, atol=tolerance)
            assert density.score(Z) == pytest.approx(expected.score(X), rel=tolerance)
            found = density.error_norm(expected.precision_, norm="spectral")
            assert found == pytest.approx(expected.error_norm(expected.precision_, norm="spectral"), rel=tolerance)
            assert density.error_norm(density.covariance_) == pytest.approx(0.0, abs=tolerance)


@pytest.mark.torch
@pytest.mark.gpu
def test_array_api_on_a_gpu(rng):
    import torch

    X = rng.standard_normal((100, 3))
    expected = ScoreMatchingDensity().fit(X).score_samples(X)
    with sklearn.config_context(array_api_dispatch=True):
        Z = torch.asarray(X, device="cuda")
        found = ScoreMatchingDensity().fit(Z).score_samples(Z)
    assert found.device == Z.device
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=1e-10)
