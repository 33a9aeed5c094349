"""Weights of a search reach the parts of a TransformedDensity that request them, and no others."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from sklearn.utils.fixes import parse_version

from skscore import ScoreMatchingDensity, TransformedDensity
from skscore.models import Gaussian

DIAGONAL = ScoreMatchingDensity(Gaussian("diag", assume_centered=True))  # so that weights of the scaler matter


@pytest.fixture(autouse=True)
def _routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def rows(rng):
    return rng.gamma(3.0, size=(80, 2))


@pytest.fixture
def weight(rng):
    return rng.integers(0, 4, 80)


def by_hand(rows, scaler_weight, density_weight):
    """Log-densities of the rows, each part fitted with its weights, without rows of no weight of the density."""
    kept = slice(None) if density_weight is None else density_weight > 0
    weights = [None if w is None else w[kept] for w in (scaler_weight, density_weight)]
    scaler = StandardScaler().fit(rows[kept], sample_weight=weights[0])
    density = clone(DIAGONAL).fit(scaler.transform(rows[kept]), sample_weight=weights[1])
    return density.score_samples(scaler.transform(rows)) - np.log(scaler.scale_).sum()


@pytest.mark.parametrize(("to_scaler", "to_density"), [(True, True), (True, False), (False, True)])
def test_each_part_gets_the_weights_it_requests(rows, weight, to_scaler, to_density):
    parts = clone(DIAGONAL).set_fit_request(sample_weight=to_density), StandardScaler()
    density = TransformedDensity(parts[0], parts[1].set_fit_request(sample_weight=to_scaler))
    expected = by_hand(rows, weight if to_scaler else None, weight if to_density else None)
    assert_allclose(density.fit(rows, sample_weight=weight).score_samples(rows), expected, rtol=1e-10)


def test_parts_may_ask_for_different_weights(rows, weight):
    scaler = StandardScaler().set_fit_request(sample_weight="of_scaler")
    density = TransformedDensity(clone(DIAGONAL).set_fit_request(sample_weight="of_density"), scaler)
    fitted = density.fit(rows, of_scaler=weight[::-1], of_density=weight)
    assert_allclose(fitted.score_samples(rows), by_hand(rows, weight[::-1], weight), rtol=1e-10)


def test_weights_that_nobody_spoke_of_are_an_error(rows, weight):
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        TransformedDensity(DIAGONAL, RobustScaler()).fit(rows, sample_weight=weight)


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.8"), reason="searches ask no router to score")
def test_a_request_of_the_density_is_honoured_in_a_search(rows, weight):
    train, test = folds = np.split(np.arange(80), 2)
    inner = clone(DIAGONAL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    density = TransformedDensity(inner, FunctionTransformer())
    own = TransformedDensity(DIAGONAL, FunctionTransformer()).set_fit_request(sample_weight=True)
    own.set_score_request(sample_weight=True)
    expected = inner.fit(rows[train], sample_weight=weight[train]).score(rows[test], sample_weight=weight[test])
    for estimator in (density, own, make_pipeline(density), make_pipeline(FunctionTransformer(), own)):
        params = {"sample_weight": weight}
        found = cross_val_score(estimator, rows, cv=[folds], params=params, error_score="raise")
        assert_allclose(found, expected, rtol=1e-10)
        search = GridSearchCV(estimator, {}, cv=[folds], error_score="raise").fit(rows, **params)
        assert_allclose(search.best_score_, expected, rtol=1e-10)
        whole = inner.fit(rows, sample_weight=weight).score_samples(rows)
        assert_allclose(search.best_estimator_.score_samples(rows), whole, rtol=1e-10)


def test_requests_of_its_own_hand_weights_to_all_parts_that_accept_them(rows, weight):
    density = TransformedDensity(DIAGONAL, StandardScaler()).set_fit_request(sample_weight=True)
    fitted = clone(density).fit(rows, sample_weight=weight)
    assert_allclose(fitted.score_samples(rows), by_hand(rows, weight, weight), rtol=1e-10)


def test_other_metadata_without_routing_are_refused(rows):
    with config_context(enable_metadata_routing=False):
        density = TransformedDensity(DIAGONAL, StandardScaler())
        with pytest.raises(ValueError, match="fit takes no groups: only with metadata routing"):
            density.fit(rows, groups=np.ones(80))
        with pytest.raises(ValueError, match="score takes no groups: only with metadata routing"):
            density.fit(rows).score(rows, groups=np.ones(80))
