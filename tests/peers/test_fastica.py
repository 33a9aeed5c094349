"""What scikit-learn asks of FastICA holds for ScoreMatchingICA in its place."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.decomposition import FastICA

from skscore import ScoreMatchingICA

BOTH = [FastICA(whiten="unit-variance", random_state=0), ScoreMatchingICA(random_state=0)]


@pytest.fixture(params=BOTH, ids=lambda ica: type(ica).__name__)
def ica(request):
    return clone(request.param)


def sources(n=1000):
    """A square wave and a heavy-tailed source, of mean 0 and variance 1."""
    S = np.column_stack([2 * np.sin(np.linspace(0, 100, n)) > 0, stats.t.rvs(3, size=n, random_state=0)]) * 1.0
    return (S - S.mean(axis=0)) / S.std(axis=0)


def mixed(S, phi=0.6):
    return S @ np.array([[np.cos(phi), np.sin(phi)], [np.sin(phi), -np.cos(phi)]]).T


def likeness(found, S):
    """Correlation of each source with the component that is most like it."""
    return np.abs(np.corrcoef(found.T, S.T)[: found.shape[1], found.shape[1] :]).max(axis=0)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_two_sources_are_separated(ica, noise, rng):
    S = sources()
    X = mixed(S) + noise * rng.standard_normal(S.shape)
    found = ica.fit_transform(X)
    assert (likeness(found, S) > (0.99 if noise == 0.0 else 0.97)).all()
    assert_allclose(found, ica.transform(X), atol=1e-8)
    assert_allclose(found.std(axis=0), 1.0, rtol=1e-2)


def test_the_matrices_are_one_anothers_inverses(ica):
    X = mixed(sources()) + 3.0
    found = ica.fit_transform(X)
    assert_allclose(ica.mixing_, np.linalg.pinv(ica.components_), atol=1e-10)
    assert_allclose((X - ica.mean_) @ ica.components_.T, found, atol=1e-8)
    assert ica.whitening_.shape == (2, 2)
    white = (X - ica.mean_) @ ica.whitening_.T
    assert_allclose(np.cov(white.T), np.cov(white.T)[0, 0] * np.eye(2), atol=1e-8)


def test_fewer_sources_than_columns(ica, rng):
    S = sources()
    X = S @ rng.standard_normal((2, 6))
    found = ica.set_params(n_components=2).fit_transform(X)
    assert found.shape == (1000, 2)
    assert (likeness(found, S) > 0.99).all()
    assert_allclose(ica.inverse_transform(found), X, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_of_rows_is_that_of_sources(ica, dtype):
    X = mixed(sources()).astype(dtype)
    found = ica.fit(X).transform(X)
    assert found.dtype == dtype
    assert ica.inverse_transform(found).dtype == dtype
    assert_allclose(ica.inverse_transform(found), X, atol=1e-4 if dtype is np.float32 else 1e-10)


def test_names_of_components(ica):
    name = type(ica).__name__.lower()
    assert list(ica.fit(mixed(sources())).get_feature_names_out()) == [f"{name}0", f"{name}1"]


def test_too_few_iterations_are_said(ica):
    with pytest.warns(UserWarning, match=r"converge|tol"):
        ica.set_params(max_iter=1, tol=1e-12).fit(mixed(sources()))


def test_more_components_than_columns_are_scikit_learns_to_cut_and_ours_to_find():
    X = mixed(sources())
    with pytest.warns(UserWarning, match="n_components is too large"):
        assert FastICA(3, whiten="unit-variance").fit(X).components_.shape == (2, 2)
    assert ScoreMatchingICA(3, source="logcosh", random_state=0).fit(X).components_.shape == (3, 2)
