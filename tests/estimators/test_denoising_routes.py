"""How a DenoisingScoreEstimator is fitted: state that is left alone, resumed, copied, watched and searched over."""

import copy
import gc
import io
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace

import joblib
import numpy as np
import pytest
from fit_rounds import RoundCallback
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator
from skscore.neural import ScoreNetwork

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from skscore.neural.state_bytes import from_bytes  # noqa: E402
from skscore.neural.training import TrainingState  # noqa: E402

TINY = {
    "hidden_layer_sizes": (16, 16),
    "max_iter": 100,
    "n_folds": 1,
    "n_networks": 1,
    "device": "cpu",
    "random_state": 0,
    "n_likelihood_steps": 8,
}


def density(model="network", **parameters):
    """An estimator that is soon fitted; what concerns networks goes to its ScoreNetwork."""
    parameters = {**TINY, **parameters}
    own = {name: parameters.pop(name) for name in ScoreNetwork().get_params() if name in parameters}
    return DenoisingScoreEstimator(ScoreNetwork(**own) if model == "network" else model, **parameters)


def rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return np.exp(0.4 * rng.standard_normal((n, 2))) @ np.array([[1.0, 0.4], [0.0, 1.0]])


class Net(torch.nn.Module):
    """A network of a user, with a buffer that is drawn at random."""

    def __init__(self, d, n_outputs=None):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(4))
        self.inner = torch.nn.Sequential(
            torch.nn.Linear(d + 4, 16), torch.nn.Tanh(), torch.nn.Linear(16, n_outputs or d)
        )

    def forward(self, y, c_noise):
        return self.inner(torch.cat([y, torch.sin(c_noise * self.frequencies)], dim=1))


class Energy(Net):
    def __init__(self, d):
        super().__init__(d, 1)


# ---- what a fit leaves alone ---------------------------------------------------------------------


def world():
    """Everything global that a fit might move."""
    return (
        torch.random.get_rng_state().numpy().tobytes(),
        repr(np.random.get_state()),  # noqa: NPY002
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize(
    "parameters", [{}, {"parametrization": "energy"}, {"network": Net}, {"n_folds": 2, "refit": True}]
)
def test_the_world_is_left_alone_and_a_seed_repeats(parameters):
    X, before = rows(), world()
    a, b = (density(**parameters).fit(X) for _ in range(2))
    assert_array_equal(a.score_samples(X[:20]), b.score_samples(X[:20]))
    a.sample(3)
    assert world() == before


def test_threads_do_not_disturb_each_other():
    X, before, found = rows(), world(), {}
    alone = density().fit(X).score_samples(X)

    def work(name):
        found[name] = density().fit(X).score_samples(X)

    for names in (["one"], ["two", "three"]):
        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found.keys() == {"one", "two", "three"}
    for values in found.values():
        assert_array_equal(values, alone)
    assert world() == before


@pytest.mark.parametrize("parametrization", ["score", "energy"])
def test_inside_contexts_without_gradients(parametrization):
    X, few = rows(), {"parametrization": parametrization, "max_iter": 50}
    expected = density(**few).fit(X).hyvarinen_score(X)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            assert_array_equal(density(**few).fit(X).hyvarinen_score(X), expected)


def test_under_another_default_dtype():
    X = rows()
    expected = density().fit(X).score_samples(X)
    torch.set_default_dtype(torch.float64)
    try:
        found = density().fit(X).score_samples(X)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_allclose(found, expected, atol=1e-5)


def test_memory_does_not_grow():
    X, small = rows(), {"max_iter": 10, "n_likelihood_steps": 2}
    density(**small).fit(X)
    gc.collect()
    tracemalloc.start()
    sizes = []
    for _ in range(4):
        density(**small).fit(X)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    tensors = living_tensors()
    density(**small).fit(X)
    gc.collect()
    assert sizes[-1] - sizes[1] < 60_000
    assert living_tensors() <= tensors


def living_tensors():
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


# ---- copies --------------------------------------------------------------------------------------


def torch_objects(thing, path="", seen=None):
    """Paths of tensors, modules and generators reachable from the attributes of an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, (type, str, bytes, int, float)) or thing is None:
        return []
    seen.add(id(thing))
    if type(thing).__module__.partition(".")[0] == "torch":
        return [path]
    inner = {}
    if isinstance(thing, dict):
        inner = thing
    elif isinstance(thing, (list, tuple)):
        inner = dict(enumerate(thing))
    elif hasattr(thing, "__dict__"):
        inner = vars(thing)
    return [found for key, value in inner.items() for found in torch_objects(value, f"{path}.{key}", seen)]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"parametrization": "energy"}, {"network": Net}, {"noise_levels": [0.5], "parametrization": "energy"}],
)
def test_no_torch_object_is_kept_and_copies_agree(parameters):
    X = rows()
    fitted = density(**parameters).fit(X)
    expected = fitted.score_samples(X[:20])
    assert torch_objects(fitted) == []
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    for twin in (pickle.loads(pickle.dumps(fitted)), joblib.load(file), copy.deepcopy(fitted)):
        assert_array_equal(twin.score_samples(X[:20]), expected)


def test_read_only_weights(tmp_path):
    """As joblib hands them to its workers."""
    X = rows()
    fitted = density().fit(X)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    mapped = joblib.load(tmp_path / "fitted.joblib", mmap_mode="r")
    assert_array_equal(mapped.score_samples(X), fitted.score_samples(X))
    assert_array_equal(mapped.partial_fit(X).score_samples(X), fitted.partial_fit(X).score_samples(X))


def test_skops_round_trip():
    io_ = pytest.importorskip("skops.io")
    X = rows()
    fitted = density().fit(X)
    data = io_.dumps(fitted)
    twin = io_.loads(data, trusted=io_.get_untrusted_types(data=data))
    assert not any("torch" in name for name in io_.get_untrusted_types(data=data))
    assert_array_equal(twin.score_samples(X), fitted.score_samples(X))


def test_a_pickle_scores_in_another_process(tmp_path):
    X = rows()
    fitted = density().fit(X)
    joblib.dump((fitted, X), tmp_path / "fitted")
    code = f"import joblib; m, X = joblib.load({str(tmp_path / 'fitted')!r}); print(repr(float(m.score(X))))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert float(printed.stdout) == pytest.approx(fitted.score(X), abs=1e-6)


# ---- more steps ----------------------------------------------------------------------------------


def test_warm_start_goes_on_and_keeps_the_coordinates():
    X = rows()
    fitted = density(warm_start=True, max_iter=300).fit(X)
    before, preprocessing = min(fitted.validation_loss_curve_), fitted._preprocessing
    fitted.set_params(model__max_iter=50).fit(X)
    assert fitted._preprocessing.map is preprocessing.map
    assert min(fitted.validation_loss_curve_) < 0.5 * before < 0
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        fitted.set_params(model__hidden_layer_sizes=(8,)).fit(X)


def test_partial_fit_of_a_network_takes_further_steps():
    X = rows(400)
    fitted = density().partial_fit(X[:200])
    weights = fitted._density.noisy_score.weights
    fitted.partial_fit(X[200:] * [1.0, 0.3])
    assert fitted.n_iter_ > 0
    further = fitted._density.noisy_score.weights
    assert any((a[name] != b[name]).any() for a, b in zip(weights, further, strict=True) for name in a)
    assert min(fitted.validation_loss_curve_) < 0


@pytest.mark.parametrize("n_folds", [1, 2])
def test_a_chunk_of_one_row(n_folds):
    X = rows()
    fitted = density(n_folds=n_folds).fit(X).partial_fit(X[:1])
    assert np.isfinite(fitted.score(X))


def test_partial_fit_in_closed_form_merges_chunks():
    X = rows(300)
    options = {"model": "gaussian", "tail": None, "dequantize": False}
    whole, chunked = density(**options).fit(X), density(**options)
    for chunk in np.array_split(X, 7):
        chunked.partial_fit(chunk)
    assert_allclose(chunked.score_samples(X), whole.score_samples(X), rtol=1e-9)
    assert_allclose(chunked.grad_log_density(X), whole.grad_log_density(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", [{"tail": None, "dequantize": False}, {}], ids=["plain", "defaults"])
@pytest.mark.parametrize("d", [1, 2])
def test_weights_are_repetitions_in_closed_form(options, d):
    X, weight = rows(60)[:, :d], np.random.default_rng(0).integers(0, 4, 60)
    options = {"model": "gaussian", **options}
    weighted = density(**options).fit(X, sample_weight=weight)
    repeated = density(**options).fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.score_samples(X), repeated.score_samples(X), rtol=1e-9)
    scaled = density(**options).fit(X, sample_weight=17.0 * weight)
    assert_allclose(scaled.score_samples(X), weighted.score_samples(X), rtol=1e-9)


def test_weights_move_a_network():
    X = np.vstack([rows(200), rows(200) + 5])
    weight = np.repeat([1.0, 0.05], 200)
    fitted = density(max_iter=300, parzen=None).fit(X, sample_weight=weight)
    assert (fitted.sample(1000, random_state=0)[:, 0] > 4.5).mean() < 0.2


def test_refit_takes_all_rows():
    X = rows()
    kept, again = (density(max_iter=200, refit=refit).fit(X) for refit in (False, True))
    assert kept.best_iter_ == again.best_iter_ > 0
    assert not np.array_equal(kept.score_samples(X), again.score_samples(X))
    assert again.score(X) == pytest.approx(kept.score(X), abs=0.2)


def test_max_epochs():
    # a step of 48 noisy rows meets 24 rows of the table
    assert density(max_iter="auto", max_epochs=3, batch_size=48).fit(rows(240)).n_iter_ == 30


# ---- checkpoints ---------------------------------------------------------------------------------

SCRIPT = """
import sys, numpy as np, torch, joblib
torch.set_num_threads(1)
X, densities = joblib.load(sys.argv[1])
for path, density in densities.items():
    joblib.dump(density.fit(X).score_samples(X), path)
"""


def environment():
    path = os.pathsep.join(p for p in sys.path if p)
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def launch(folder, **jobs):
    """A process that fits densities by their parameters, and leaves scores of each in a file of its name."""
    joblib.dump((rows(), {folder / name: density(**parameters) for name, parameters in jobs.items()}), folder / "job")
    return subprocess.Popen([sys.executable, "-c", SCRIPT, folder / "job"], env=environment())


def saved_step(file):
    """The step at which a training was saved, -1 if it was not."""
    return from_bytes(file.read_bytes().split(b"\n", 2)[2])[-1]["step"] if file.exists() else -1


@pytest.mark.slow  # three trainings in two processes; the next test interrupts one in this process
def test_a_killed_training_is_resumed_bit_for_bit(tmp_path):
    steps = {"max_iter": 800, "learning_rate": 1e-3, "tail": None, "parzen": None, "dropout": 0.1}
    file = tmp_path / "training"
    saved = {**steps, "checkpoint": str(file), "checkpoint_every": 50}
    process = launch(tmp_path, killed=saved)
    deadline = time.monotonic() + 300
    while saved_step(file) < 50 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert file.exists()
    assert not (tmp_path / "killed").exists()
    assert saved_step(file) >= 50
    assert launch(tmp_path, resumed=saved, whole=steps).wait() == 0
    assert not file.exists()
    assert_array_equal(joblib.load(tmp_path / "resumed"), joblib.load(tmp_path / "whole"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job", "resumed", "whole"]


class Interrupt(Exception):
    """Stands for a training that dies."""


def test_an_interrupted_training_is_resumed_bit_for_bit(tmp_path, monkeypatch):
    X, file, advance = rows(), tmp_path / "training", TrainingState.advance
    steps = {"max_iter": 200, "learning_rate": 1e-3, "tail": None, "parzen": None, "dropout": 0.1}
    saved = {**steps, "checkpoint": str(file), "checkpoint_every": 50}

    def dies_at_100(state):
        advance(state)
        if state.step >= 100:
            raise Interrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "advance", dies_at_100)
        with pytest.raises(Interrupt):
            density(**saved).fit(X)
    assert saved_step(file) == 50
    resumed = density(**saved).fit(X)
    assert not file.exists()
    assert resumed.n_iter_ == 200
    assert_array_equal(resumed.score_samples(X), density(**steps).fit(X).score_samples(X))


# ---- callbacks, printing, searches ---------------------------------------------------------------


class Stopper(RoundCallback):
    """Ends the training after some rounds."""

    def __init__(self, rounds):
        self.rounds, self.seen = rounds, 0

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, X=None):
        if fitted_estimator is None:
            return False
        self.seen += 1
        assert np.isfinite(fitted_estimator.score(X))
        return self.seen >= self.rounds


def score_of(estimator, X, y=None):
    return estimator.score(X)


def test_a_callback_stops_the_training():
    pytest.importorskip("sklearn.callback")
    stopper = Stopper(2)
    fitted = density(max_iter=1000).set_callbacks(stopper).fit(rows())
    assert (fitted.n_iter_, stopper.seen) == (100, 2)


@pytest.mark.parametrize("nested", [False, True])
def test_scores_are_monitored(nested):
    callbacks = pytest.importorskip("sklearn.callback")
    monitor, X = callbacks.ScoringMonitor(scoring={"nats": score_of}), rows()
    inner = density().set_callbacks(monitor)
    if nested:
        grid = {"denoisingscoreestimator__sigma_min": [0.1]}
        GridSearchCV(make_pipeline(StandardScaler(), inner), grid, cv=2).fit(X)
    else:
        fitted = inner.fit(X)
    logs = monitor.get_logs(select="all")
    values = [row["nats"] for log in logs for row in log.data]
    assert np.isfinite(values).all()
    assert len(values) == (3 * 2 if nested else 2)
    if not nested:
        assert values[-1] == pytest.approx(fitted.score(X), abs=0.1)


def test_verbose_prints(capsys):
    density(verbose=1).fit(rows())
    printed = capsys.readouterr().out
    assert printed.count("nats to the Gaussian") == 2
    assert re.findall(r"\d+ s to go", printed)[1:] == []
    assert re.search(r"^\[DenoisingScoreEstimator\] \d+ s to go", printed)
    density(verbose=2).fit(rows())
    assert capsys.readouterr().out.count("nats to the Gaussian") == 1
    density().fit(rows())
    assert capsys.readouterr().out == ""


def test_grid_over_noise_levels_in_two_processes():
    grid = {"sigma_min": [0.01, 3.0], "n_levels": [None, 10]}
    search = GridSearchCV(density(), grid, cv=2, n_jobs=2).fit(rows())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["sigma_min"] == 0.01


# ---- networks of the user ------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "parametrization"), [(Net, "score"), (Energy, "energy")])
def test_a_network_of_the_user_trains(network, parametrization):
    X = rows(400)
    fitted = density(network=network, parametrization=parametrization, max_iter=400).fit(X)
    assert min(fitted.validation_loss_curve_) < 0
    assert np.isfinite(fitted.score(X))


@pytest.mark.parametrize(
    ("network", "parametrization", "message"),
    [
        (lambda d: Net(d, d + 1), "score", r"network=.*needs \(2, 2\)"),
        (Energy, "score", r"network=.*needs \(2, 2\)"),
        (Net, "energy", r"network=.*needs \(2,\)"),
        (lambda d: 3, "score", r"network=.*torch\.nn\.Module"),
    ],
)
def test_a_network_of_another_shape_is_refused(network, parametrization, message):
    with pytest.raises(ValueError, match=message):
        density(network=network, parametrization=parametrization).fit(rows())


# ---- devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda:99", "abacus", ""])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ValueError, match=r"device=.*Choose 'auto' or 'cpu'"):
        density(device=device).fit(rows())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_cuda_without_one():
    with pytest.raises(ValueError, match=r"device='cuda'.*Choose"):
        density(device="cuda").fit(rows())


@pytest.mark.gpu
@pytest.mark.parametrize(
    "parameters",
    [{}, {"parametrization": "energy"}, {"network": Net}, {"network": Energy, "parametrization": "energy"}],
)
def test_fitted_on_a_gpu_and_read_on_a_cpu(parameters):
    X = rows()
    fitted = density(**parameters, device="cuda").fit(X)
    assert torch_objects(fitted) == []
    on_gpu = fitted.score_samples(X), fitted.hyvarinen_score(X), fitted.grad_log_density(X)
    twin = pickle.loads(pickle.dumps(fitted))
    twin._density = replace(twin._density, noisy_score=replace(twin._density.noisy_score, device="cpu"))
    on_cpu = twin.score_samples(X), twin.hyvarinen_score(X), twin.grad_log_density(X)
    for a, b in zip(on_gpu, on_cpu, strict=True):
        assert_allclose(a, b, rtol=1e-2, atol=1e-2)


def test_folds_of_unequal_sizes():
    fitted = density(n_folds=4, max_iter=10).fit(rows(30))
    assert np.isfinite(fitted.score(rows(30)))
    assert len(fitted.validation_loss_curve_) == 1
