"""AIC and BIC, smaller is better, for models whose parameters can be counted."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.domains import Simplex
from skscore.models import Gaussian, Kernel, PairwiseInteraction, Polynomial
from skscore.neural import NeuralEnergy


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_they_are_those_of_scikit_learn(rng, kind):
    X = rng.standard_normal((80, 3)) @ np.triu(np.ones((3, 3))) + 2.0
    ours = ScoreMatchingDensity(Gaussian(kind), criterion="hyvarinen").fit(X)
    theirs = GaussianMixture(1, covariance_type=kind, reg_covar=0.0).fit(X)
    for rows in (X, X[:7] + 1.0):
        for criterion in ("bic", "aic"):
            found, expected = getattr(ours, criterion)(rows), getattr(theirs, criterion)(rows)
            assert found == pytest.approx(expected, rel=1e-10)
            assert isinstance(found, np.float64)


def test_pairwise_interactions_are_the_gaussian_that_they_are(rng):
    X = rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4))
    for centered in (False, True):
        gaussian = ScoreMatchingDensity(Gaussian(assume_centered=centered)).fit(X)
        pairwise = ScoreMatchingDensity(PairwiseInteraction(centered=centered)).fit(X)
        assert pairwise.bic(X) == pytest.approx(gaussian.bic(X), rel=1e-10)
        assert pairwise.aic(X) == pytest.approx(gaussian.aic(X), rel=1e-10)


@pytest.mark.parametrize("selection", ["cv", "ebic"])
def test_edges_that_are_not_there_cost_nothing(rng, selection):
    X = rng.standard_normal((200, 5))
    X[:, 1] += X[:, 0]
    fitted = ScoreMatchingDensityCV(n_alphas=8, selection=selection).fit(X)
    n_edges = np.count_nonzero(np.triu(fitted.interaction_, 1))
    assert n_edges < 10
    n_free = 5 + 5 + n_edges  # location, diagonal of K, edges
    assert fitted.bic(X) == pytest.approx(n_free * np.log(200) - 2.0 * fitted.score_samples(X).sum(), rel=1e-12)
    assert fitted.aic(X) == pytest.approx(2.0 * n_free - 2.0 * fitted.score_samples(X).sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("model", "d", "n_free"),
    [
        (Polynomial(2), 2, 5),
        ("truncated_gaussian", 2, 5),
        (PairwiseInteraction(0.0, 0.0, domain=Simplex(), log_ratios=True), 3, 6),
    ],
    ids=repr,
)
def test_every_parameter_is_counted(rng, model, d, n_free):
    """With log-ratios, the diagonal of K follows from its three pairs."""
    X = rng.dirichlet([4.0, 5.0, 6.0], 60)[:, :d]
    fitted = ScoreMatchingDensity(model, random_state=0).fit(X)
    assert fitted.aic(X) + 2.0 * fitted.score_samples(X).sum() == pytest.approx(2.0 * n_free, abs=1e-9)


@pytest.mark.parametrize("model", ["kernel", Kernel(10), "neural_energy", NeuralEnergy()], ids=repr)
@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_models_whose_size_is_set_by_a_penalty_lack_them(model, criterion):
    with pytest.raises(AttributeError, match="count of parameters") as refused:
        getattr(ScoreMatchingDensity(model), criterion)
    assert f"model={model!r}" in str(refused.value)
