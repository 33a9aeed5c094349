"""Moments: one pass, any chunks, any weights, any offset."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn import config_context

from skscore.formulas.moments import Moments, blocks_of_products, moments, row_blocks


@pytest.fixture
def table(rng):
    return rng.standard_normal((5000, 4)) @ rng.standard_normal((4, 4))


def assert_same(a: Moments, b: Moments, rtol):
    assert a.n == pytest.approx(b.n, rel=1e-15)
    scale = np.sqrt(np.diag(b.covariance))
    np.testing.assert_allclose(a.mean / scale, b.mean / scale, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(a.covariance / np.outer(scale, scale), b.covariance / np.outer(scale, scale), atol=rtol)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_equals_numpy_on_centred_rows(table, offset):
    shifted = table + offset
    exact = moments(shifted - offset)  # what the shift left of the digits, without the shift
    found = moments(shifted)
    np.testing.assert_allclose(found.covariance, np.cov(shifted - offset, rowvar=False, ddof=0), rtol=1e-9)
    np.testing.assert_allclose(found.covariance, exact.covariance, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_chunks_merge_to_the_whole(table, offset):
    X = table + offset
    cuts = [0, 1, 10, 2500, 5000]
    merged = sum((moments(X[a:b]) for a, b in pairwise(cuts[1:])), start=moments(X[:1]))
    assert_same(merged, moments(X), rtol=1e-9 if offset else 1e-12)


def test_weights_are_repetition(table, rng):
    weight = rng.integers(0, 4, size=len(table))
    assert_same(moments(table, weight.astype(float)), moments(np.repeat(table, weight, axis=0)), rtol=1e-12)


def test_rows_of_weight_zero_are_not_there(table):
    weight = np.zeros(len(table))
    weight[-7:] = 1.0
    assert_same(moments(table, weight), moments(table[-7:]), rtol=1e-13)


def test_float32_is_accumulated_in_float64(table):
    single = table.astype(np.float32)
    assert_same(moments(single), moments(single.astype(float)), rtol=1e-14)


def test_leading_columns(table):
    assert_same(moments(table).leading(2), moments(table[:, :2]), rtol=1e-13)


def test_blocks_cover_the_rows_once():
    rows = np.concatenate([np.arange(10)[block] for block in row_blocks(10, 8, 24)])
    np.testing.assert_array_equal(rows, np.arange(10))


@pytest.mark.parametrize("dispatch", [False, True])
@pytest.mark.parametrize(("width", "rows"), [(64, 2048), (1000, 768)])
def test_blocks_of_arrays_fit_a_cache_and_are_not_too_short(dispatch, width, rows):
    with config_context(array_api_dispatch=dispatch):
        assert next(blocks_of_products(np.zeros((5000, 4)), width)) == slice(0, rows)
