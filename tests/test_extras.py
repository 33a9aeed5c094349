"""Without an extra the package imports, and what needs it says how to install it."""

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity, demo
from skscore.neural import NeuralEnergy, ScoreNetwork

OBSTACLE = """
import sys

class Obstacle:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise {}

sys.meta_path.insert(0, Obstacle)
"""
WITHOUT_TORCH = OBSTACLE.format("ModuleNotFoundError(f'No module named {name!r}', name=name)")
WITH_A_DAMAGED_TORCH = OBSTACLE.format("ImportError('libtorch.so: cannot open shared object file')")
FITS = """
import numpy as np
from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.neural import NeuralEnergy, ScoreNetwork
X = np.random.default_rng(0).standard_normal((50, 2))
for density in (
    DenoisingScoreEstimator(), DenoisingScoreEstimator(ScoreNetwork(max_iter=1)),
    ScoreMatchingDensity("neural_energy"), ScoreMatchingDensity(NeuralEnergy(max_iter=1)),
):
    try:
        density.fit(X)
    except ImportError as error:
        print(error)
print(round(DenoisingScoreEstimator("gaussian").fit(X).score(X), 1))
"""


def run(code):
    """What a fresh process prints."""
    path = os.pathsep.join(p for p in sys.path if p)
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout


@pytest.mark.parametrize("obstacle", [WITHOUT_TORCH, WITH_A_DAMAGED_TORCH], ids=["missing", "damaged"])
def test_networks_say_that_torch_is_missing_and_closed_forms_do_without(obstacle):
    *errors, score = run(obstacle + FITS).splitlines()
    assert len(errors) == 4
    assert all("libtorch.so" in error for error in errors) == (obstacle == WITH_A_DAMAGED_TORCH)
    assert all("pip install 'skscore[torch]'" in error for error in errors)
    assert float(score) < 0.0


SMALL = {"hidden_layer_sizes": (4,), "max_iter": 5, "device": "cpu"}
FITTED = {
    "network": DenoisingScoreEstimator(ScoreNetwork(**SMALL, n_folds=1), n_likelihood_steps=2),
    "energy": ScoreMatchingDensity(NeuralEnergy(**SMALL)),
    "transformed": TransformedDensity(ScoreMatchingDensity(NeuralEnergy(**SMALL)), StandardScaler()),
}


@pytest.mark.torch
@pytest.mark.parametrize("kind", FITTED)
def test_a_fitted_network_says_that_torch_is_missing(kind, tmp_path):
    X = np.random.default_rng(0).standard_normal((50, 2))
    joblib.dump(FITTED[kind].fit(X), tmp_path / "fitted")
    load = f"""
import joblib
try:
    joblib.load({str(tmp_path / "fitted")!r}).score([[0.0, 0.0]])
except ImportError as error:
    print(error)
"""
    assert "pip install 'skscore[torch]'" in run(WITHOUT_TORCH + load)


def test_the_demo_goes_on_without_torch_and_matplotlib(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    demo.choose_noise_levels(np.zeros((10, 2)))
    demo.draw_figure(tmp_path / "figure.png", None, None, None, None, None)
    printed = capsys.readouterr().out
    assert "pip install 'skscore[torch]'" in printed
    assert "pip install 'skscore[plot]'" in printed
    assert not list(tmp_path.iterdir())
