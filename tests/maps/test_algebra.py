"""Every map in one vocabulary: the way back, Jacobians and second derivatives against central differences."""

from functools import reduce

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skscore.formulas.moments import moments
from skscore.maps.affine import PRECONDITIONINGS, Affine, isotropic
from skscore.maps.algebra import ColumnBlocks, Composition, compose
from skscore.maps.autoregressive import Autoregressive
from skscore.maps.elementwise import BoxCox, MonotoneFunction, NormalQuantile, PiecewiseLinear, YeoJohnson
from skscore.maps.residuals import fit_residuals

STEP = np.array([1.0, 100.0, 0.1]) * 1e-4  # in units of each column


def table(n, seed):
    """Positive, skew, dependent columns in units of 1, 100 and 0.1."""
    X = np.random.default_rng(seed).gamma(4.0, size=(n, 3)) + 0.5
    X[:, 1] += 0.5 * X[:, 0]
    return X * [1.0, 100.0, 0.1]


SEEN = table(400, seed=0)
SUMMARY = moments(SEEN)
STANDARDIZING, WHITENING = Affine.standardizing(SUMMARY), Affine.whitening(SUMMARY)
LOGARITHM = MonotoneFunction(np.log, np.exp, [np.reciprocal, lambda x: -1 / x**2, lambda x: 2 / x**3])
RECIPROCAL = MonotoneFunction(
    np.reciprocal, np.reciprocal, [lambda x: -1 / x**2, lambda x: 2 / x**3, lambda x: -6 / x**4]
)
QUANTILES = PiecewiseLinear(np.quantile(SEEN, np.linspace(0.0, 1.0, 12), axis=0), np.linspace(0.0, 1.0, 12))


def autoregressive(limit):
    """Scales of three standardised columns in the order 2, 0, 1, with limits that many or few rows are beyond."""
    rng, order = np.random.default_rng(3), np.array([2, 0, 1])
    A, C = np.zeros((2, 3, 3))
    A[np.ix_(order, order)] = np.triu(rng.standard_normal((3, 3)), 1) + np.diag([1.5, 0.7, 2.0])
    C[np.ix_(order, order)] = np.triu(0.5 * rng.standard_normal((3, 3)), 1)
    linear, log_scale = (Affine(np.zeros(3), M, rng.standard_normal(3)).after(STANDARDIZING) for M in (A, C))
    return Autoregressive(linear, log_scale, limit * np.array([[-1.0], [1.0]]) * np.ones(3), (2, 0, 1))


AFFINE = {
    "columnwise": Affine.columnwise(3, [2.0, -0.01, 10.0], [5.0, 400.0, 0.5], 1.0),
    "centring": Affine.centring(SUMMARY),
    "standardizing": STANDARDIZING,
    "whitening": WHITENING,
    "after another": Affine(np.ones(3), np.tri(3), np.ones(3)).after(WHITENING),
    "of residuals": fit_residuals(SEEN[:, :2], SEEN[:, 2:], np.ones(400), np.arange(400) % 5)[1],
    **{preconditioning: isotropic(SEEN, SUMMARY, preconditioning)[0] for preconditioning in PRECONDITIONINGS},
}
MAPS = {
    **AFFINE,
    "identity": compose([]),
    "autoregressive": autoregressive(10.0),
    "autoregressive, at its limits": autoregressive(0.3),
    "box-cox": BoxCox(np.array([0.3, 0.0, -0.5])),
    "yeo-johnson": compose([Affine.centring(SUMMARY), YeoJohnson(np.array([0.5, 1.3, 1.0]))]),
    "piecewise linear": QUANTILES,
    "normal quantiles": compose([QUANTILES, NormalQuantile(1e-7)]),
    "increasing function": LOGARITHM,
    "decreasing function": RECIPROCAL,
    "composition": compose(
        [LOGARITHM, Affine(np.ones(3), np.tri(3), np.zeros(3)), YeoJohnson(np.array([0.5, 1.3, 2.0]))]
    ),
    "scales, then rotated": compose([autoregressive(10.0), Affine(np.zeros(3), np.tri(3), np.zeros(3))]),
    "columns": ColumnBlocks([BoxCox(np.array([0.3, 0.0])), Affine.columnwise(1, 0.01)], [[2, 0], [1]], [[0, 1], [2]]),
}
every_map = pytest.mark.parametrize("f", MAPS.values(), ids=MAPS)


def rows_of(f):
    rows = table(60, seed=1)
    return rows[f.contains(rows)][:25]


def jacobian(function, X):
    """Central differences of `function` at `X`, the differentiated column last."""
    steps = np.diag(STEP)
    return np.stack([(function(X + h) - function(X - h)) / (2 * h.sum()) for h in steps], axis=-1)


@every_map
def test_inverse_undoes_forward(f):
    rows = rows_of(f)
    assert len(rows) == 25
    Z = f.forward(rows)
    assert f.reaches(Z).all()
    assert_allclose(f.inverse(Z), rows, rtol=1e-9)


@every_map
def test_log_det_is_that_of_the_numerical_jacobian(f):
    rows = rows_of(f)
    log_det = f.log_det(rows)
    assert log_det.shape == (25,)
    assert_allclose(log_det, np.linalg.slogdet(jacobian(f.forward, rows)).logabsdet, atol=1e-5)


@every_map
def test_first_order_terms_are_central_differences(f):
    rows = rows_of(f)
    V, S = np.random.default_rng(2).normal(size=(2, *rows.shape))
    V *= STEP
    J = jacobian(f.forward, rows)
    assert_allclose(f.pushforward(rows, V), np.einsum("nkj,nj->nk", J, V), rtol=1e-5, atol=1e-9)
    pulled = np.einsum("nkj,nk->nj", J, S) + jacobian(f.log_det, rows)
    assert_allclose(f.pull_score(rows, S) * STEP, pulled * STEP, rtol=1e-5, atol=1e-8)


@every_map
def test_second_order_term_is_a_second_difference(f):
    rows = rows_of(f)
    S = np.random.default_rng(3).normal(size=rows.shape)
    V = 10.0 * STEP * np.random.default_rng(4).choice([-1.0, 1.0], size=rows.shape)

    def along(X):
        return (S * f.forward(X)).sum(axis=1) + f.log_det(X)

    def second_difference(function):
        return function(rows + V) - 2.0 * function(rows) + function(rows - V)

    numerical = second_difference(along)
    smooth = np.abs(second_difference(f.log_det)) < 1e-3  # the step of some row may cross a quantile
    assert smooth.sum() >= 24
    scale = np.abs(along(rows)).max()
    assert_allclose(f.second_order(rows, V, S)[smooth], numerical[smooth], rtol=1e-3, atol=1e-12 * scale + 1e-9)


@every_map
@pytest.mark.parametrize("shape", [(4, 1, 3), (4, 25, 3)], ids=["of all rows", "of each row"])
def test_many_directions_at_once_are_each_of_them(f, shape):
    rows = rows_of(f)
    V, S = STEP * np.random.default_rng(5).normal(size=shape), np.random.default_rng(6).normal(size=rows.shape)
    each = [np.broadcast_to(v, rows.shape) for v in V]
    pushed = np.broadcast_to(f.pushforward(rows, V), (4, 25, 3))
    assert_allclose(pushed, [f.pushforward(rows, v) for v in each], rtol=1e-12, atol=1e-15)
    bent = f.second_order(rows, V, S)
    assert_allclose(bent, [f.second_order(rows, v, S) for v in each], rtol=1e-12, atol=1e-15)


@every_map
def test_an_affine_map_says_so(f):
    rows, ones = rows_of(f), np.ones((25, 3))
    constant = np.ptp(f.log_det(rows)) < 1e-12 and not f.second_order(rows, ones, ones).any()
    assert f.is_affine == constant


@pytest.mark.parametrize("f", AFFINE.values(), ids=AFFINE)
def test_moments_go_through_an_affine_map(f):
    pushed, seen = f.push_moments(SUMMARY), moments(f.forward(SEEN))
    assert_allclose(pushed.mean, seen.mean, atol=1e-9)
    assert_allclose(pushed.covariance, seen.covariance, rtol=1e-9, atol=1e-9 * seen.covariance.max())


@pytest.mark.parametrize("f", [WHITENING, autoregressive(10.0), autoregressive(0.3)], ids=["affine", "wide", "tight"])
def test_push_score_undoes_pull_score(f):
    rows = rows_of(f)
    S = np.random.default_rng(7).normal(size=rows.shape)
    assert_allclose(f.push_score(rows, f.pull_score(rows, S)), S, rtol=1e-10, atol=1e-10)


# ---- composition ---------------------------------------------------------------------------------

CHAIN = [
    LOGARITHM,
    autoregressive(0.3),
    YeoJohnson(np.array([0.5, 1.3, 2.0])),
    Affine(np.ones(3), np.tri(3), np.ones(3)),
]
GROUPINGS = {
    "left": reduce(lambda g, f: Composition((g, f)), CHAIN),
    "right": reduce(lambda g, f: Composition((f, g)), reversed(CHAIN)),
    "pairs": Composition((Composition(tuple(CHAIN[:2])), compose([]), Composition(tuple(CHAIN[2:])))),
}


@pytest.mark.parametrize("grouped", GROUPINGS.values(), ids=GROUPINGS)
def test_composition_is_associative(grouped):
    f, rows = compose(CHAIN), table(25, seed=1)
    V, S = np.random.default_rng(8).normal(size=(2, *rows.shape))
    questions = {"forward": (), "log_det": (), "pushforward": (V,), "pull_score": (S,), "second_order": (V, S)}
    for method, arguments in questions.items():
        assert_allclose(getattr(grouped, method)(rows, *arguments), getattr(f, method)(rows, *arguments), rtol=1e-10)
    assert_allclose(grouped.inverse(f.forward(rows)), f.inverse(f.forward(rows)), rtol=1e-12)


def test_composing_compositions_gives_one_list_of_maps():
    assert compose([compose(CHAIN[:2]), compose([]), compose(CHAIN[2:])]) == compose(CHAIN)
    assert compose([LOGARITHM]) is LOGARITHM


def test_composition_applies_the_first_map_first():
    double, shift = Affine.columnwise(1, 2.0), Affine.columnwise(1, shift=-1.0)
    assert_allclose(compose([double, shift]).forward(np.array([[3.0]])), [[5.0]])


def test_a_composition_contains_and_reaches_what_all_its_maps_do():
    root = MonotoneFunction(np.sqrt, np.square, [lambda x: 0.5 / np.sqrt(x)])
    f = compose([Affine.columnwise(1, shift=-1.0), root])
    assert_array_equal(f.contains(np.array([[2.0], [0.5], [-1.0]])), [True, False, False])
    assert_array_equal(f.reaches(np.array([[2.0], [-2.0]])), [True, False])
    assert not f.surjective
    assert compose([]).surjective


# ---- digits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preconditioning", ["centring", "standardizing", "whitening", *PRECONDITIONINGS])
def test_rows_far_from_the_origin_keep_their_digits(preconditioning):
    """Both ways: 1e8 standard deviations away a row has eight digits left, and all of them come back."""
    rng = np.random.default_rng(9)
    X = rng.standard_normal((200, 3)) @ (np.eye(3) + 0.5 * np.eye(3, k=1))
    far = X + 1e8
    X = far - 1e8  # exactly the rows that the far ones are

    def made(rows):
        summary = moments(rows)
        if preconditioning in PRECONDITIONINGS:
            return isotropic(rows, summary, preconditioning)[0]
        return getattr(Affine, preconditioning)(summary)

    near, moved = made(X), made(far)
    sign = np.sign((near.matrix * moved.matrix).sum(axis=0))  # eigenvectors have no sign
    assert_allclose(moved.forward(far) * sign, near.forward(X), atol=1e-12)
    assert_allclose(moved.inverse(moved.forward(far)), far, rtol=2e-16, atol=0)


def test_units_that_differ_by_many_powers_of_ten_leave_the_inverse_exact():
    units = np.array([1e-9, 1.0, 1e9])
    f = Affine.whitening(moments(SEEN * units))
    assert_allclose(f.inverse(f.forward(SEEN * units)), SEEN * units, rtol=1e-12)
    assert_allclose(f.inverted.matrix @ f.matrix, np.eye(3), atol=1e-12)
