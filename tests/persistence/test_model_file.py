"""Estimators saved and loaded: the same in every respect, or refused with the reason."""

import os
import pickle
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import IsolationForest

import skscore
from skscore import ScoreMatchingDensity, TabularDensity
from skscore.models import ExponentialFamily
from skscore.persistence import model_file


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        else:
            assert_array_equal(one, other)


def assert_same_parameters(found, expected):
    found, expected = ({k: joblib.hash(v) for k, v in e.get_params().items()} for e in (found, expected))
    assert found == expected


def test_a_loaded_estimator_is_the_one_that_was_saved(estimator, answers, tmp_path):
    skscore.save(estimator, tmp_path / "model.skops")
    twin = skscore.load(tmp_path / "model.skops")
    assert type(twin) is type(estimator)
    assert_same(answers(twin), answers(estimator))
    assert_same_parameters(twin, estimator)
    assert_same_parameters(clone(twin), clone(estimator))
    assert os.listdir(tmp_path) == ["model.skops"]


def test_every_estimator_of_the_package_is_among_them(estimator_of, kinds):
    classes = {name for name in skscore.__all__ if isinstance(getattr(skscore, name), type)}
    assert classes - {"BijectiveTransformer"} <= {type(estimator_of(name)).__name__ for name in kinds[0]}


def test_the_stream_of_draws_goes_on_where_it_stood(estimator_of, tmp_path):
    estimator = estimator_of("gaussian")
    skscore.save(estimator, tmp_path / "model")
    assert_array_equal(skscore.load(tmp_path / "model").sample(4), estimator.sample(4))


def test_a_random_state_goes_on_where_it_stood(tmp_path):
    state = np.random.RandomState(4)
    state.random(5)
    skscore.save(ScoreMatchingDensity(random_state=state), tmp_path / "model")
    assert_array_equal(skscore.load(tmp_path / "model").random_state.random(3), state.random(3))


def test_an_estimator_that_is_not_fitted(tmp_path):
    skscore.save(TabularDensity(column_types={"a": "real"}), tmp_path / "model")
    assert_same_parameters(skscore.load(tmp_path / "model"), TabularDensity(column_types={"a": "real"}))


FRESH = """
import sys
import numpy as np

class Obstacle:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Obstacle)
import skscore
folder, *networks = sys.argv[1:]
density, X = skscore.load(f"{folder}/closed"), np.load(f"{folder}/rows.npy")
print((density.score_samples(X) == np.load(f"{folder}/values.npy")).all())
for name in networks:
    try:
        skscore.load(f"{folder}/{name}").score_samples(X)
    except ImportError as error:
        print(error)
"""


@pytest.mark.torch
def test_a_process_that_knows_nothing_of_the_training_and_has_no_torch(estimator_of, tmp_path):
    X, closed = np.array([[1.0, 1.2], [0.8, 2.0]]), estimator_of("ladder")
    skscore.save(closed, tmp_path / "closed")
    np.save(tmp_path / "rows.npy", X)
    np.save(tmp_path / "values.npy", closed.score_samples(X))
    networks = ["network", "energy"]
    for name in networks:
        skscore.save(estimator_of(name), tmp_path / name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", textwrap.dedent(FRESH), str(tmp_path), *networks]
    printed = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.splitlines()
    assert printed[0] == "True"
    assert len(printed) == 3
    assert all("pip install 'skscore[torch]'" in line for line in printed[1:])


# ---- what is refused -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a saved model."""
    path = tmp_path_factory.mktemp("saved") / "model"
    skscore.save(ScoreMatchingDensity(random_state=1).fit(np.random.default_rng(2).standard_normal((20, 2))), path)
    return path.read_bytes()


def refusal(tmp_path, content):
    """What `load` says of a file with this content."""
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(ValueError, match="model") as caught:
        skscore.load(tmp_path / "model")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 50, 2000, -1])
def test_a_truncated_file(content, size, tmp_path):
    assert ("damaged" if size not in (0, 1, 50) else "no model") in refusal(tmp_path, content[:size])


def test_a_flipped_bit(content, tmp_path):
    place = len(content) // 2
    flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    assert "checksum" in refusal(tmp_path, flipped)


def test_further_bytes(content, tmp_path):
    assert "checksum" in refusal(tmp_path, content + b"\n")


def test_a_newer_format(content, tmp_path):
    newer = content.replace(b"skscore model 1 by 0.1.0", b"skscore model 2 by 0.9.1", 1)
    assert "read it with skscore 0.9.1" in refusal(tmp_path, newer)


@pytest.mark.parametrize("foreign", [b"", b"a,b\n1,2\n", bytes(range(256)) * 9, b"PK\x03\x04" + bytes(60)], ids=len)
def test_a_foreign_file(foreign, tmp_path):
    assert "no model that skscore wrote" in refusal(tmp_path, foreign)


class Bomb:
    """A pickle that leaves a trace where it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("dump", [pickle.dumps, lambda bomb: joblib.hash(bomb).encode() + pickle.dumps(bomb)])
def test_a_pickle_under_the_name_is_not_run(dump, tmp_path):
    trace = tmp_path / "trace"
    assert "pickles are not read" in refusal(tmp_path, dump(Bomb(str(trace))))
    assert not trace.exists()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        skscore.load(tmp_path / "model")


@pytest.mark.parametrize("thing", [None, {"a": 1}, np.zeros(3), ScoreMatchingDensity], ids=repr)
def test_what_is_no_estimator_is_not_saved(thing, tmp_path):
    with pytest.raises(ValueError, match="give an estimator"):
        skscore.save(thing, tmp_path / "model")


def own_statistics(X):
    return X


def test_functions_of_a_user_are_not_saved(tmp_path):
    family = ExponentialFamily(own_statistics, own_statistics, own_statistics)
    with pytest.raises(ValueError, match=r"cannot be saved: it holds .*own_statistics.*Take that out"):
        skscore.save(ScoreMatchingDensity(family), tmp_path / "model")
    assert not os.listdir(tmp_path)


def test_what_skops_cannot_write_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be saved.*Take that out"):
        skscore.save(TabularDensity(column_types={("a", "b"): "real"}), tmp_path / "model")


def test_trees_of_scikit_learn_are_not_trusted(tmp_path):
    with pytest.raises(ValueError, match="cannot be saved"):
        skscore.save(IsolationForest(n_estimators=2).fit(np.zeros((9, 1))), tmp_path / "model")


def test_without_skops_the_message_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    for call in (lambda: skscore.save(ScoreMatchingDensity(), tmp_path / "model"), lambda: skscore.load(tmp_path)):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'skscore\[cli\]'"):
            call()


def test_a_model_keeps_its_place_when_saving_fails(content, monkeypatch, tmp_path):
    (tmp_path / "model").write_bytes(content)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        skscore.save(ScoreMatchingDensity(), tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"]
    assert (tmp_path / "model").read_bytes() == content


def test_the_first_line_says_what_the_file_is(content):
    words = content.partition(b"\n")[0].decode().split()
    assert words[:-1] == ["skscore", "model", str(model_file.FORMAT), "by", skscore.__version__, "sha256"]
