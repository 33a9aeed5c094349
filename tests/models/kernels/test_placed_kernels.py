"""Kernels in array-API code against the compiled ones: here both are of numpy, tensors are in tests/estimators."""

import numpy as np
import pytest

from skscore.maps.affine import Affine
from skscore.models import GaussianBase
from skscore.models.base import MappedBase, StudentT
from skscore.models.kernels.lite import LiteFamily
from skscore.models.kernels.placed_kernels import PlacedKernels, form_beside
from skscore.models.kernels.smoothed import SmoothedFamily

KINDS = {
    "lite": LiteFamily,
    "smoothed": lambda *parts, **dtype: SmoothedFamily(*parts, noise=0.36, nugget=0.1, **dtype),
}
COLUMNS = [1, 2, 3, 6]  # sums over columns, differences, inner products


@pytest.fixture
def family(rng, metric):
    """Function that makes kernels at seven landmarks, over a base measure that mixes columns."""

    def build(d, kind="lite", **parameters):
        base = MappedBase(GaussianBase(0.5, 1.2), Affine(np.ones(d), np.tri(d), np.ones(d)))
        return KINDS[kind](rng.standard_normal((7, d)), metric(d), rng.standard_normal((7, 5)), base, **parameters)

    return build


@pytest.mark.parametrize("n", [20, 200])  # functions, and kernels
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", COLUMNS)
def test_forms_are_those_of_compiled_kernels(rng, assert_same_form, family, d, kind, n):
    kernels, coordinates = family(d, kind), Affine(np.full(d, 0.3), np.eye(d) + 0.2 * np.eye(d, k=1), np.zeros(d))
    X, weight = rng.standard_normal((n, d)), rng.random(n)
    expected = kernels.by_products(coordinates.forward(X), None, weight, None)
    assert_same_form(form_beside(kernels, coordinates, X, weight), expected, rtol=1e-11)


@pytest.mark.parametrize("d", COLUMNS)
def test_single_precision_is_that_of_compiled_kernels(rng, assert_same_form, family, d):
    kernels, X = family(d, dtype=np.float32), rng.standard_normal((400, d))
    here = form_beside(kernels, Affine.columnwise(d), X, None)
    assert_same_form(here, kernels.by_products(X, None, None, None), rtol=1e-5)
    assert here.Gamma.dtype == here.g.dtype == np.float64


@pytest.fixture
def short_blocks(monkeypatch):
    """Blocks of twenty rows."""
    monkeypatch.setattr("skscore.formulas.moments.BLOCK_BYTES", 1)
    monkeypatch.setattr("skscore.formulas.moments.FEWEST_BLOCK_ROWS", 20)


def test_rows_stream_in_blocks(rng, monkeypatch, short_blocks, family):
    sizes, squares = [], PlacedKernels.kernel_and_square

    def counted(kernels, p, q, root):
        sizes.append(len(p))
        return squares(kernels, p, q, root)

    monkeypatch.setattr(PlacedKernels, "kernel_and_square", counted)
    form_beside(family(3), Affine.columnwise(3), rng.standard_normal((110, 3)), None)
    assert sizes == [20, 20, 20, 20, 20, 10]


@pytest.mark.usefixtures("short_blocks")
@pytest.mark.parametrize("d", COLUMNS)
def test_densities_are_those_of_compiled_kernels(rng, family, d):
    kernels, X, phi = family(d), rng.standard_normal((50, d)), rng.standard_normal(5)
    V, A, placed = rng.standard_normal((50, d)), rng.standard_normal((2, d)), PlacedKernels(kernels, X)
    for question, *directions in [("log_density",), ("score",), ("traced_curvature", A), ("curvature", V)]:
        found, expected = (getattr(side, question)(phi, X, *directions) for side in (placed, kernels))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10, err_msg=question)


def test_a_base_measure_of_heavy_tails_is_placed(rng):
    base = MappedBase(StudentT(5.0, np.array([1.0, 2.0])), Affine.columnwise(2, 0.5))
    kernels, X = LiteFamily(np.eye(2), np.eye(2), np.eye(2), base), rng.standard_normal((30, 2))
    placed = PlacedKernels(kernels, X)
    np.testing.assert_allclose(placed.score(np.ones(2), X), kernels.score(np.ones(2), X), rtol=1e-12)
