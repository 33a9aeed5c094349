"""A fit of another version is read with a warning of the two, and one of another format is refused."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import InconsistentVersionWarning

import skscore
from skscore import ScoreMatchingDensity
from skscore.estimators import versions

ESTIMATORS = [
    getattr(skscore, name)
    for name in skscore.__all__
    if isinstance(getattr(skscore, name), type) and getattr(skscore, name).__module__.startswith("skscore.")
]
X = np.random.default_rng(2).standard_normal((20, 2))


def of_version(version, monkeypatch, number=versions.FORMAT):
    """The pickle of a fit by another version."""
    with monkeypatch.context() as patch:
        patch.setattr(versions, "__version__", version)
        patch.setattr(versions, "FORMAT", number)
        return pickle.dumps(ScoreMatchingDensity().fit(X))


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_every_estimator_tells_its_version(kind):
    assert kind.__new__(kind).__getstate__()["_skscore_version"] == skscore.__version__


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e)), clone])
def test_copies_are_of_this_version(twin):
    fitted = ScoreMatchingDensity().fit(X)
    assert not [name for name in vars(twin(fitted)) if name.startswith("_skscore")]


def test_a_fit_of_another_version_is_read_with_a_warning(monkeypatch):
    pickled = of_version("0.0.7", monkeypatch)
    with pytest.warns(
        InconsistentVersionWarning, match=rf"skscore.ScoreMatchingDensity .*0\.0\.7.*{skscore.__version__}"
    ):
        fitted = pickle.loads(pickled)
    np.testing.assert_array_equal(fitted.score_samples(X), ScoreMatchingDensity().fit(X).score_samples(X))


def test_a_pickle_without_a_version_is_read_with_a_warning():
    state = BaseEstimator.__getstate__(ScoreMatchingDensity().fit(X))
    fitted = ScoreMatchingDensity()
    with pytest.warns(InconsistentVersionWarning):
        fitted.__setstate__(state)
    assert fitted.score_samples(X).shape == (20,)


def test_a_fit_in_another_format_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"of skscore 9\.1 holds a fit in format 7.*load it with skscore 9\.1"):
        pickle.loads(of_version("9.1", monkeypatch, number=7))


def test_files_tell_the_version_of_every_estimator_in_them(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(versions, "__version__", "0.0.7")
        skscore.save(ScoreMatchingDensity().fit(X), tmp_path / "model")
    assert b"0.0.7" in (tmp_path / "model").read_bytes()
    with pytest.warns(InconsistentVersionWarning, match=r"0\.0\.7"):
        skscore.load(tmp_path / "model")
