"""Lite kernels: products of matrices against a direct sum, precisions, threads, the Laplacian of other coordinates."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from skscore.models import GaussianBase
from skscore.models.family import Family
from skscore.models.kernels.lite import LiteFamily
from skscore.models.kernels.rkhs import orthonormal_basis
from skscore.models.kernels.slope_sums import PolarSums, StackedSums


def factor(d, isotropic):
    return np.eye(d) / 1.3 + (0.0 if isotropic else 0.3) * np.eye(d, k=1)


def lite(rng, d, isotropic=True, m=12, **parameters):
    landmarks = rng.standard_normal((m, d))
    basis = np.linalg.qr(rng.standard_normal((m, m)))[0][:, : m - 2]
    base = GaussianBase(0.3, np.linspace(1.0, 2.0, d))
    return LiteFamily(landmarks, factor(d, isotropic), basis, base, **parameters)


@pytest.mark.parametrize("kind", [StackedSums, PolarSums])
@pytest.mark.parametrize("t", [1, 2, 5])
def test_both_sums_are_the_direct_one(rng, kind, t):
    """K may be any table: neither identity needs it to be a kernel."""
    q_landmarks, trace = rng.standard_normal((7, t)), 1.7
    tables = [(rng.standard_normal((n, t)), rng.standard_normal((n, t)), rng.random(n)) for n in (20, 11)]
    sums, slopes, linear = [kind(q_landmarks, trace, 20, np.float64) for _ in tables], 0.0, 0.0
    for total, (q, b, root) in zip(sums, tables, strict=True):
        k = rng.random((len(q), 7))
        K, KS = total.tables(len(q))
        K[:] = root[:, None] * k
        KS[:] = K * cdist(q, q_landmarks, "sqeuclidean")
        J = k[:, :, None] * (q_landmarks - q[:, None])
        slopes += np.einsum("n,nai,nbi->ab", root**2, J, J)
        laplacian = k * (cdist(q, q_landmarks, "sqeuclidean") - trace)
        linear += root**2 @ (laplacian + np.einsum("nai,ni->na", J, b))
        total.add(q, b, root)
    for ours, direct in zip((sums[0] + sums[1]).result(), (slopes, linear), strict=True):
        np.testing.assert_allclose(ours, direct, rtol=0.0, atol=1e-13 * np.abs(direct).max())


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_single_precision_is_near_double(rng, assert_same_form, d, isotropic):
    """Each product is off by some units of 6e-8, times the norms that cancel in a distance."""
    family, X, weight = lite(rng, d, isotropic, block_rows=128), rng.standard_normal((1000, d)), rng.random(1000)
    single = LiteFamily(family.landmarks, family.factor, family.basis, family.base, 128, dtype=np.float32)
    a, b = (f.implicit_form(X, weight) for f in (single, family))
    assert_same_form(a, b, rtol=3e-6)
    assert a.Gamma.dtype == a.g.dtype == np.float64
    assert np.abs(a.Gamma - b.Gamma).max() > 0.0  # or it was not of single precision
    phi = rng.standard_normal(family.n_parameters)
    np.testing.assert_array_equal(single.log_density(phi, X), family.log_density(phi, X))


def test_sums_over_blocks_keep_double_precision(rng, assert_same_form):
    """One block of rows 500 times over: rounding does not grow with the number of rows."""
    family, X = lite(rng, 3, block_rows=100, dtype=np.float32), rng.standard_normal((200, 3))
    one = family.implicit_form(X, np.ones(200))
    many = family.implicit_form(np.tile(X, (500, 1)), np.ones(100_000))
    assert_same_form(replace(many, n=one.n), one, rtol=1e-12)


def test_a_cut_basis_keeps_single_precision_solvable(rng):
    """Γ in an orthonormal basis is off by 1e-7 / cut, which is 1e-3 where the cut is 1e-4."""
    landmarks, X = rng.standard_normal((80, 2)), rng.standard_normal((2000, 2))
    flat = LiteFamily(landmarks, np.eye(2) / 1.5, np.eye(80), GaussianBase())
    W = orthonormal_basis(flat.gram(), cut=1e-4)
    assert W.shape[1] < orthonormal_basis(flat.gram()).shape[1]
    np.testing.assert_allclose(W.T @ flat.gram() @ W, np.eye(W.shape[1]), atol=1e-12)
    forms = [
        LiteFamily(landmarks, flat.factor, W, flat.base, dtype=dtype).implicit_form(X, np.ones(2000))
        for dtype in (np.float64, np.float32)
    ]
    largest = eigh(forms[0].Gamma, eigvals_only=True)[-1]
    assert np.linalg.norm(forms[1].Gamma - forms[0].Gamma, 2) < 1e-3 * largest


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("d", [2, 6])
def test_the_number_of_threads_changes_rounding_alone(rng, assert_same_form, on_threads, d, dtype):
    family, X, weight = lite(rng, d, block_rows=64, dtype=dtype), rng.standard_normal((1003, d)), rng.random(1003)
    forms = []
    for n_threads in (1, 2, 5):
        on_threads(n_threads)
        forms.append(family.implicit_form(X, weight))
    rtol = 1e-12 if dtype == np.float64 else 1e-6
    for form in forms[1:]:
        assert_same_form(form, forms[0], rtol)


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("d", [1, 3, 6])
def test_traced_curvature_is_a_sum_of_curvatures(rng, d, isotropic):
    family, X, A = lite(rng, d, isotropic, block_rows=32), rng.standard_normal((100, d)), rng.standard_normal((d, d))
    phi = rng.standard_normal(family.n_parameters)
    direct = sum(Family.curvature(family, phi, X, a) for a in A)
    np.testing.assert_allclose(family.traced_curvature(phi, X, A), direct, atol=1e-12 * np.abs(direct).max())
    np.testing.assert_allclose(
        family.traced_curvature(phi, X, np.eye(d)), family.divergence(phi, X), atol=1e-12 * np.abs(direct).max()
    )


def test_gram_is_the_kernel_at_the_landmarks(rng):
    family = lite(rng, 6, isotropic=False)
    p = family.landmarks @ family.factor
    np.testing.assert_allclose(family.gram(), np.exp(-0.5 * cdist(p, p, "sqeuclidean")), rtol=1e-13)
    np.testing.assert_array_equal(family.gram(), family.gram().T)
