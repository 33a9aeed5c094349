"""Without an extra the package imports, and what needs it says how to install it."""

import os
import subprocess
import sys
from importlib.util import find_spec

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity, demo
from skscore.neural import NeuralEnergy, ScoreNetwork

FRESH = """
import sys

class Obstacle:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise error

sys.meta_path.insert(0, Obstacle)

import joblib
import numpy as np
from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.neural import NeuralEnergy, ScoreNetwork

X = np.random.default_rng(0).standard_normal((50, 2))
for error in (ModuleNotFoundError("No module named 'torch'"), ImportError("libtorch.so: cannot open shared object")):
    for density in (
        DenoisingScoreEstimator(), DenoisingScoreEstimator(ScoreNetwork(max_iter=1)),
        ScoreMatchingDensity("neural_energy"), ScoreMatchingDensity(NeuralEnergy(max_iter=1)),
    ):
        try:
            density.fit(X)
        except ImportError as told:
            print(told)
print(round(DenoisingScoreEstimator("gaussian").fit(X).score(X), 1))
for path in sys.argv[1:]:
    try:
        joblib.load(path).score([[0.0, 0.0]])
    except ImportError as told:
        print(told)
"""
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 5, "device": "cpu"}
FITTED = {
    "network": DenoisingScoreEstimator(ScoreNetwork(**SMALL, n_folds=1), n_likelihood_steps=2),
    "energy": ScoreMatchingDensity(NeuralEnergy(**SMALL)),
    "transformed": TransformedDensity(ScoreMatchingDensity(NeuralEnergy(**SMALL)), StandardScaler()),
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What a fresh process prints that has no torch, then a damaged one; it is given networks if torch is here."""
    folder = tmp_path_factory.mktemp("fitted")
    X = np.random.default_rng(0).standard_normal((50, 2))
    for name, density in FITTED.items() if find_spec("torch") else ():
        joblib.dump(density.fit(X), folder / name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", FRESH, *sorted(folder.iterdir())]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.splitlines()


def test_networks_say_that_torch_is_missing_and_closed_forms_do_without(printed):
    missing, damaged, score = printed[:4], printed[4:8], printed[8]
    assert all("pip install 'skscore[torch]'" in line for line in missing + damaged)
    assert all("libtorch.so" in line for line in damaged)
    assert not any("libtorch.so" in line for line in missing)
    assert float(score) < 0.0


@pytest.mark.torch
def test_fitted_networks_say_that_torch_is_missing(printed):
    assert ["pip install 'skscore[torch]'" in line for line in printed[9:]] == [True] * len(FITTED)


def test_the_demo_goes_on_without_torch_and_matplotlib(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    demo.choose_noise_levels(np.zeros((10, 2)))
    demo.draw_figure(tmp_path / "figure.png", None, None, None, None, None)
    printed = capsys.readouterr().out
    assert "pip install 'skscore[torch]'" in printed
    assert "pip install 'skscore[plot]'" in printed
    assert not list(tmp_path.iterdir())
