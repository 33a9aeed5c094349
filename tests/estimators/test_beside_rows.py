"""Gaussians, polynomials and kernels of tensors: summed up where they lie, and the same as of arrays."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone

from skscore import ScoreMatchingDensity
from skscore._compat import to_numpy
from skscore.models import Kernel, Polynomial, folds

pytestmark = pytest.mark.torch

KERNEL = {"bandwidth": 0.8, "base_scale": 1.5}
OF_COLUMNS = {"bandwidth": [0.8, 0.9, 1.0], "base_scale": 1.5}
IN_NUMPY = {  # when solved
    "polynomial": ScoreMatchingDensity("polynomial", alpha=0.1),
    "denoising": ScoreMatchingDensity(Polynomial(4, 1), objective="denoising", alpha=0.1),
    "kernel": ScoreMatchingDensity(Kernel(20, **KERNEL), alpha=0.1),
    "columns": ScoreMatchingDensity(Kernel(20, base="student", whiten=False, **OF_COLUMNS), alpha=0.1),
    "smoothed": ScoreMatchingDensity(Kernel(20, smoothing=0.3, **KERNEL), alpha=0.1),
    "nystrom": ScoreMatchingDensity(Kernel(5, basis="nystrom", **KERNEL), alpha=0.1),
    "functions": ScoreMatchingDensity(Kernel(80, **KERNEL), alpha=0.1),  # so many that Γ is built from functions
    "flat": ScoreMatchingDensity(Kernel(20, bandwidth=0.8, base=None), alpha=0.1),
}
ESTIMATORS = {"gaussian": ScoreMatchingDensity(), **IN_NUMPY}
WITH_A_DENSITY = [name for name in ESTIMATORS if name != "flat"]
QUESTIONS = {
    "score_samples": lambda density, X: density.score_samples(X),
    "grad_log_density": lambda density, X: density.grad_log_density(X),
    "hyvarinen_score": lambda density, X: density.hyvarinen_score(X, standardize=True),
    "curvature": lambda density, X: density.curvature(X, [1.0, -1.0, 0.5]),
    "curvature by rows": lambda density, X: density.curvature(X, X - X[:1, :]),
}


def of_torch(device):
    torch = pytest.importorskip("torch")
    return lambda array: torch.as_tensor(array, device=device)


def of_another_device():
    """A device of the standard's own library, whose arrays take no array of any other device or library."""
    strict = pytest.importorskip("array_api_strict")
    return lambda array: strict.asarray(array, device=strict.Device("device1"))


LIBRARIES = {"cpu": lambda: of_torch("cpu"), "cuda": lambda: of_torch("cuda"), "strict": of_another_device}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu), "strict"])
def tensor(request):
    """Makes tensors on a device, which are dispatched while a test runs."""
    with config_context(array_api_dispatch=True):
        yield LIBRARIES[request.param]()


@pytest.fixture
def X(rng):
    return rng.standard_normal((240, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 2.0]])


@pytest.fixture
def weight(rng):
    return rng.random(240)


@pytest.fixture
def in_blocks(monkeypatch):
    """Lets a table of few rows be many blocks."""
    for limit in ("BLOCK_BYTES", "ACCELERATOR_BLOCK_BYTES", "FEWEST_BLOCK_ROWS"):
        monkeypatch.setattr(f"skscore.formulas.moments.{limit}", 50)


def parts(statistics):
    """Moments and form of statistics, as arrays of numpy."""
    table, form = statistics.summary.moments.in_numpy(), statistics.summary.form
    of_form = [] if form is None else [form.Gamma, form.g, form.c, form.n]
    return [table.n, table.mean, table.covariance, *of_form]


def assert_alike(found, expected, tolerance):
    """Each array to a share of its greatest entry."""
    for one, other in zip(parts(found), parts(expected), strict=True):
        assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize(("offset", "is_weighted"), [(0.0, True), (1e8, False)])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_statistics_of_tensors_are_those_of_arrays(X, weight, tensor, name, offset, is_weighted):
    density, X = ESTIMATORS[name], X + offset
    plan, weight = density.plan(X), weight if is_weighted else None
    expected = density.compute_statistics(X, weight, plan=plan)
    found = density.compute_statistics(tensor(X), None if weight is None else tensor(weight), plan=plan)
    assert_alike(found, expected, 1e-10)


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_statistics_of_single_precision(X, tensor, name):
    density, single = ESTIMATORS[name], X.astype(np.float32)
    plan = density.plan(X)
    expected = density.compute_statistics(single.astype(np.float64), plan=plan)
    assert_alike(density.compute_statistics(tensor(single), plan=plan), expected, 1e-5)


@pytest.mark.parametrize("name", IN_NUMPY)
def test_statistics_come_back_in_numpy(X, tensor, name):
    found = pickle.loads(pickle.dumps(ESTIMATORS[name].compute_statistics(tensor(X))))
    assert all(isinstance(part, np.ndarray | float) for part in parts(found))
    with config_context(array_api_dispatch=False):
        density = clone(ESTIMATORS[name]).fit_statistics(found)
        assert_allclose(density.theta_, clone(density).fit(X).theta_, rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("name", WITH_A_DENSITY)
def test_tensors_are_answered_where_they_lie(X, tensor, name):
    rows, arrays = tensor(X), clone(ESTIMATORS[name]).fit(X)
    density = clone(ESTIMATORS[name]).fit(rows)
    for question, ask in QUESTIONS.items():
        found = ask(density, rows)
        assert (type(found), found.device, found.dtype) == (type(rows), rows.device, rows.dtype)
        assert_allclose(to_numpy(found), ask(arrays, X), rtol=1e-9, atol=1e-9, err_msg=question)


@pytest.mark.parametrize("name", IN_NUMPY)
def test_a_fit_in_numpy_answers_rows_of_any_library(X, tensor, name):
    density = clone(ESTIMATORS[name]).fit(tensor(X))
    assert_allclose(to_numpy(density.grad_log_density(tensor(X))), density.grad_log_density(X), rtol=1e-9, atol=1e-9)
    assert not density.__sklearn_tags__().array_api_support  # whose fitted attributes would lie beside the rows
    assert isinstance(density.theta_, np.ndarray)


@pytest.mark.parametrize("name", WITH_A_DENSITY)
def test_chunks_of_tensors_add_up(X, weight, tensor, name):
    density = clone(ESTIMATORS[name]).fit(tensor(X[:120]), sample_weight=tensor(weight[:120]))
    density.partial_fit(tensor(X[120:]), sample_weight=tensor(weight[120:]))
    arrays = clone(density).fit(X[:120], sample_weight=weight[:120]).partial_fit(X[120:], sample_weight=weight[120:])
    found = to_numpy(density.grad_log_density(tensor(X)))
    assert_allclose(found, arrays.grad_log_density(X), rtol=1e-8, atol=1e-9)


def test_draws_of_a_fit_in_numpy_are_arrays(X, tensor):
    assert isinstance(clone(IN_NUMPY["polynomial"]).fit(tensor(X[:, :1])).sample(5), np.ndarray)


def test_kernels_choose_by_few_rows_and_are_fitted_to_all(X, tensor, monkeypatch):
    moved = []
    monkeypatch.setattr(folds, "to_numpy", lambda array: moved.append(array.shape[0]) or to_numpy(array))
    monkeypatch.setattr("skscore.models.kernels.kernel.MAX_ROWS_TO_CHOOSE", 60)
    density = ScoreMatchingDensity(Kernel(2, bandwidth="scott", base_scale=1.0), alpha=0.1)
    statistics = density.compute_statistics(tensor(X))
    assert moved == [60]
    assert statistics.n_rows == 240
    few = density.compute_statistics(tensor(X[:60]))  # for which Scott's rule gives a greater bandwidth
    assert few.family.bandwidth / statistics.family.bandwidth == pytest.approx(4.0 ** (1.0 / 7.0), rel=1e-6)


def test_plans_of_tensors_are_told_apart(X, tensor):
    density = IN_NUMPY["kernel"]
    one, same, other = (density.plan(tensor(rows)) for rows in (X, X.copy(), X[:200]))
    assert one.key == same.key != other.key


def test_a_mixture_of_kernels_reads_tensors_as_arrays(X):
    density, tensor = ScoreMatchingDensity(Kernel(5, n_components=2, **KERNEL), alpha=0.1), of_torch("cpu")
    with config_context(array_api_dispatch=True):
        found = clone(density).fit(tensor(X)).score_samples(tensor(X))
    assert_allclose(found, density.fit(X).score_samples(X), rtol=1e-12)
