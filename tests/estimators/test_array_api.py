"""Arrays of other libraries under array API dispatch: Gaussians take them; what computes in numpy refuses them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from skscore import (
    BijectiveTransformer,
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    ScoreMatchingDensity,
    ScoreMatchingICA,
    TransformedDensity,
    metrics,
)

pytestmark = pytest.mark.torch
SHORT = {"sigma_min": 0.1, "n_levels": 5, "n_likelihood_steps": 4}
IN_NUMPY = {
    "denoising": DenoisingScoreEstimator("gaussian", **SHORT),
    "transformed": TransformedDensity(ScoreMatchingDensity(), StandardScaler()),
    "ica": ScoreMatchingICA(source="logcosh"),
    "bijection": BijectiveTransformer(np.arcsinh, np.sinh, [lambda x: 1.0 / np.sqrt(1.0 + x**2)]),
    "conditional": ConditionalScoreDensity(10, bandwidth=1.0, input_bandwidth=1.0, alpha=0.1),
}
OF_ROWS = {"ica": ("transform", "inverse_transform"), "bijection": ()}  # methods besides `fit`
REFUSAL = r"X is a torch.Tensor, and what was called computes in numpy. Give numpy.asarray\(X\)"


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])


@pytest.fixture
def tensor():
    """Makes tensors, which are dispatched while a test runs."""
    torch = pytest.importorskip("torch")
    with config_context(array_api_dispatch=True):
        yield torch.as_tensor


METHODS = {
    "curvature": lambda density, X: density.curvature(X, [1.0, -1.0]),
    "curvature by rows": lambda density, X: density.curvature(X, X),
    "score": lambda density, X: density.score(X, sample_weight=np.arange(60.0)),
    "bic": lambda density, X: density.bic(X),
    "error_norm": lambda density, X: density.error_norm(X[:2, :]),
    "scorer": lambda density, X: metrics.log_likelihood_scorer(density, X, sample_weight=X[:, 0] ** 2),
    "hyvarinen_scorer": lambda density, X: metrics.hyvarinen_scorer(density, X),
    "partial_fit": lambda density, X: clone(density).fit(X).partial_fit(X**2, sample_weight=X[:, 0] ** 2).precision_,
    "weights of numpy": lambda density, X: clone(density).fit(X, sample_weight=np.arange(60.0)).precision_,
}


@pytest.mark.parametrize("method", METHODS)
def test_a_gaussian_gives_of_tensors_what_it_gives_of_arrays(X, tensor, method):
    of_arrays, of_tensors = (METHODS[method](ScoreMatchingDensity().fit(Z), Z) for Z in (X, tensor(X)))
    assert_allclose(np.asarray(of_tensors), of_arrays, rtol=1e-10)


def test_rows_of_another_library_than_those_of_fit_are_refused(X, tensor):
    with pytest.raises(ValueError, match=r"partial_fit\(\) must use the same namespace"):
        ScoreMatchingDensity().fit(X).partial_fit(tensor(X))


@pytest.mark.parametrize("parameters", [{"objective": "explicit"}, {"inference": True}, {"robust": 0.1}], ids=str)
def test_a_gaussian_that_needs_the_rows_in_numpy_is_fitted_to_tensors_and_scores_them(X, tensor, parameters):
    density = ScoreMatchingDensity(**parameters)
    y = -X if "objective" in parameters else None
    expected = clone(density).fit(X, y).score_samples(X)
    found = density.fit(tensor(X), None if y is None else tensor(y)).score_samples(tensor(X))
    assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("name", IN_NUMPY)
def test_what_computes_in_numpy_refuses_tensors_with_the_remedy(X, tensor, name):
    estimator, y = clone(IN_NUMPY[name]), X[:, 0]
    with pytest.raises(TypeError, match=REFUSAL):
        estimator.fit(tensor(X), y)
    fitted = estimator.fit(np.asarray(tensor(X)), y)  # as the message says
    for method in OF_ROWS.get(name, ("score_samples", "grad_log_density")):
        with pytest.raises(TypeError, match=REFUSAL):
            getattr(fitted, method)(tensor(X), *((y,) if name == "conditional" else ()))


def test_targets_are_refused_by_their_name(X, tensor):
    with pytest.raises(TypeError, match=r"y is a torch.Tensor.*numpy.asarray\(y\)"):
        clone(IN_NUMPY["conditional"]).fit(X, tensor(X[:, 0]))


OF_TWO_SAMPLES = [metrics.energy_distance, metrics.classifier_two_sample_auc]
OF_SCORES = [metrics.hyvarinen_score, metrics.sliced_score]


@pytest.mark.parametrize("metric", OF_TWO_SAMPLES + OF_SCORES)
def test_metrics_refuse_tensors_with_the_remedy(X, tensor, metric):
    arguments = (tensor(X), X) if metric in OF_TWO_SAMPLES else (np.negative, tensor(X))
    with pytest.raises(TypeError, match=REFUSAL):
        metric(*arguments)


def test_tensors_are_arrays_without_dispatch(X, tensor):
    with config_context(array_api_dispatch=False):
        density = clone(IN_NUMPY["transformed"])
        assert_allclose(density.fit(tensor(X)).score_samples(tensor(X)), density.fit(X).score_samples(X))
