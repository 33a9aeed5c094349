"""Units, offsets, weights, order and chunks: what a fit must follow exactly, and what it must not notice."""

import contextlib
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

GAUSSIANS = ["gaussian", "diag", "spherical", "centered"]
POLYNOMIALS = ["quadratic", "quartic", "flat quartic", "additive quartic"]
BOUNDED = ["gamma", "gamma in a box"]
MODELS = [*GAUSSIANS, *POLYNOMIALS, "quartic on a base", *BOUNDED]
OBJECTIVES = ["implicit", "explicit", "sliced", "denoising"]
EVERY = [
    (name, objective)
    for name, objective in itertools.product(MODELS, OBJECTIVES)
    if name not in BOUNDED or objective != "denoising"
]


def known_scores(X, scale=1.0, offset=0.0):
    """Scores of a quartic density of (x − offset)/scale, in the units of X."""
    U = (X - offset) / scale
    return -(4.0 * (U - 1.5) ** 3 + 2.0 * (U - 1.6) @ np.array([[2.0, -1.0], [-1.0, 2.0]])) / scale


def assert_same(found, expected, X, rtol, log_density=True):
    """The same score vectors, curvatures, objective and (where asked for) log-densities."""
    for method in ("grad_log_density", "hyvarinen_score"):
        value = getattr(expected, method)(X)
        assert_allclose(getattr(found, method)(X), value, rtol=rtol, atol=rtol * np.abs(value).max())
    assert found.objective_ == pytest.approx(expected.objective_, rel=rtol)
    if log_density:
        assert_allclose(log_density_of(found, X), log_density_of(expected, X), rtol=0.0, atol=max(1e-9, 10 * rtol))


def log_density_of(fitted, X):
    """Its values; NaN where the fit is refused as no density: that, too, must be the same."""
    values = np.full(len(X), np.nan)
    with contextlib.suppress(ValueError):
        values = fitted.score_samples(X)
    return values


# ---- weights, order, chunks ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "objective"), EVERY)
def test_weights_are_repetitions(density, table, name, objective):
    X, counts = table(), np.random.default_rng(1).integers(0, 4, size=60)
    counts[:3] = [0, 2, 0]
    Y, repeated = known_scores(X), np.repeat(np.arange(60), counts)
    by_weight = density(name, objective=objective).fit(X, Y, counts)
    by_rows = density(name, objective=objective).fit(X[repeated], Y[repeated])
    assert_same(by_weight, by_rows, X, rtol=1e-12 if name in GAUSSIANS else 1e-10, log_density=False)
    if name in GAUSSIANS:
        for attribute in ("location_", "covariance_", "precision_"):
            assert_allclose(getattr(by_weight, attribute), getattr(by_rows, attribute), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("far", [1e6, 1e12])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("row", [0, 30])
def test_a_row_without_weight_is_no_row(density, table, name, row, far):
    """However far away it is."""
    X = table()
    far = 3.9 if "box" in name else far
    with_row, weight = np.insert(X, row, far, axis=0), np.insert(np.ones(60), row, 0.0)
    expected = density(name).fit(X)
    assert_same(density(name).fit(with_row, sample_weight=weight), expected, X, rtol=1e-9, log_density=False)


@pytest.mark.parametrize("factor", [1e-300, 1e-8, 1e8, 1e300])
@pytest.mark.parametrize(("name", "objective"), [(name, o) for name, o in EVERY if o in ("implicit", "explicit")])
def test_only_ratios_of_weights_matter(density, table, name, objective, factor):
    X, weight = table(), np.arange(1.0, 61.0)
    expected = density(name, objective=objective).fit(X, known_scores(X), weight)
    found = density(name, objective=objective).fit(X, known_scores(X), factor * weight)
    assert_same(found, expected, X, rtol=1e-9, log_density=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, bool])
def test_number_types_of_weights(density, table, dtype):
    weight = (np.arange(60) % 7 + 0.3).astype(dtype)
    for name in MODELS:
        expected = density(name).fit(table(), sample_weight=weight.astype(float))
        assert_same(density(name).fit(table(), sample_weight=weight), expected, table(), rtol=1e-10, log_density=False)


def test_float32_weights_keep_their_sum(density):
    """A sum of 10⁵ weights in single precision would be off by 10⁻⁵."""
    X, weight = np.random.default_rng(0).standard_normal((100_000, 2)), np.full(100_000, 0.1, dtype=np.float32)
    weight[:50_000] = 3e-4
    fitted = density("gaussian").fit(X, sample_weight=weight)
    expected = np.cov(X.T, ddof=0, aweights=weight.astype(float))
    assert_allclose(fitted.covariance_, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "objective"), EVERY)
def test_order_of_rows_is_not_noticed(density, table, name, objective):
    X = table()
    Y, order = known_scores(X), np.random.default_rng(2).permutation(60)
    expected = density(name, objective=objective).fit(X, Y)
    found = density(name, objective=objective).fit(X[order], Y[order])
    assert_same(found, expected, X, rtol=1e-10, log_density=objective == "implicit")


@pytest.mark.parametrize(("arrangement", "weighted"), [("shuffled", True), ("sorted", False)])
@pytest.mark.parametrize(("name", "objective"), EVERY)
def test_chunks_are_one_fit(density, table, name, objective, arrangement, weighted):
    """Also where each chunk is another part of the table."""
    X = table(240)
    X = X[np.argsort(X[:, 0])] if arrangement == "sorted" else X
    Y, weight = known_scores(X), np.arange(1.0, 241.0) if weighted else None
    whole = density(name, objective=objective).fit(X, Y, weight)
    chunked = density(name, objective=objective)
    for rows in (slice(40), slice(40, 41), slice(41, 200), slice(200, 240)):
        chunked.partial_fit(X[rows], Y[rows], None if weight is None else weight[rows])
    rtol = 1e-10 if arrangement == "shuffled" else 1e-8
    assert_same(chunked, whole, X, rtol, log_density=objective == "implicit")


@pytest.mark.parametrize("name", MODELS)
def test_chunks_under_a_ridge(density, table, name):
    X = table(240)
    chunked = density(name, alpha=0.3).partial_fit(X[:50]).partial_fit(X[50:])
    assert_same(chunked, density(name, alpha=0.3).fit(X), X, rtol=1e-9)


@pytest.mark.parametrize("name", GAUSSIANS + POLYNOMIALS)
def test_drifting_chunks(density, name):
    """A first chunk that is a thousand times narrower than the table, and away from its middle."""
    X = np.random.default_rng(0).uniform(-1.0, 1.0, size=(400, 2))
    X[:20] = 0.7 + 1e-3 * X[:20]
    chunked = density(name).partial_fit(X[:20]).partial_fit(X[20:])
    assert_same(chunked, density(name).fit(X), X, rtol=1e-7)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "quartic on a base"])
def test_a_value_does_not_depend_on_its_batch(density, table, name):
    X = table()
    fitted = density(name).fit(X)
    batch = fitted.score_samples(X)
    assert_allclose([fitted.score_samples(row[None])[0] for row in X], batch, rtol=0.0, atol=1e-12)
    assert_allclose(fitted.score_samples(np.repeat(X, 500, axis=0))[::500], batch, rtol=0.0, atol=1e-12)


# ---- offsets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1e4, 1e8, -1e8])
def test_covariance_far_from_the_origin(density, table, offset):
    X = table(500)
    expected = np.cov((X - X.mean(axis=0)).T, ddof=0)
    near, whole = density("gaussian").fit(X), density("gaussian").fit(X + offset)
    chunked = (
        density("gaussian").partial_fit(X[:7] + offset).partial_fit(X[7:300] + offset).partial_fit(X[300:] + offset)
    )
    weighted = density("gaussian").fit(X + offset, sample_weight=np.full(500, 0.7))
    for fitted in (whole, chunked, weighted):
        assert_allclose(fitted.covariance_, expected, rtol=1e-9)
        assert_allclose(fitted.precision_, near.precision_, rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_sorted_rows_far_from_the_origin(density, table, weighted):
    """Several blocks of rows with unlike means, each a sum of many numbers of nine digits."""
    X = np.tile(table(500), (400, 1))
    X = X[np.argsort(X[:, 0])]
    fitted = density("gaussian").fit(X + 1e8, sample_weight=np.full(len(X), 0.7) if weighted else None)
    assert_allclose(fitted.covariance_, np.cov(X.T, ddof=0), rtol=1e-9)
    assert_allclose(fitted.location_ - 1e8, X.mean(axis=0), rtol=0.0, atol=4.0 * np.spacing(1e8))


@pytest.mark.parametrize(
    ("offset", "objective"),
    [(1e4, "implicit"), *((-1e8, name) for name in OBJECTIVES), (np.array([1e8, -3.0]), "implicit")],
    ids=str,
)
@pytest.mark.parametrize("name", [name for name in GAUSSIANS + POLYNOMIALS if name != "centered"])
def test_offsets_move_the_density(density, table, name, offset, objective):
    X = table()
    Y, V = known_scores(X), np.array([1.0, 2.0])
    near = density(name, objective=objective).fit(X, Y)
    far = density(name, objective=objective).fit(X + offset, Y)
    assert_allclose(far.score_samples(X + offset), near.score_samples(X), atol=1e-6)
    assert_allclose(far.grad_log_density(X + offset), near.grad_log_density(X), atol=1e-5)
    assert_allclose(far.curvature(X + offset, V), near.curvature(X, V), rtol=1e-6, atol=1e-4)
    if name in GAUSSIANS:  # Markov chains amplify every rounding error
        assert_allclose(far.sample(3, random_state=1) - offset, near.sample(3, random_state=1), atol=1e-5)


# ---- scales --------------------------------------------------------------------------------------

SCALES = {
    "tiny": np.array([1e-8, 1e-8]),
    "huge": np.array([1e8, 1e8]),
    "mixed": np.array([1e-8, 1e8]),
    "one huge": np.array([1.0, 1e8]),
    "one tiny": np.array([1e-8, 1.0]),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("objective", ["implicit", "sliced"])
@pytest.mark.parametrize("name", ["gaussian", "diag", "centered", "quadratic", "additive quartic"])
def test_units_of_columns(density, table, name, objective, scale):
    """log p moves by minus the logarithm of the units; scores are per unit.

    By definition not so for a misspecified model that couples its columns: score matching weighs the errors of its
    scores in each column by the inverse square of the unit.
    """
    X, scale = table(), SCALES[scale]
    near, far = (density(name, objective=objective).fit(Z) for Z in (X, X * scale))
    assert_equivariant(near, far, X, scale)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize(
    ("name", "objective"), [pair for pair in EVERY if "in a" not in pair[0] and "on a" not in pair[0]]
)
def test_one_unit_for_all_columns(density, table, name, objective, scale):
    """Known scores and noise levels have units too."""
    X, ones = table(), np.ones(2)
    near = density(name, objective=objective, noise_level=0.1).fit(X, known_scores(X))
    far = density(name, objective=objective, noise_level=0.1 * scale).fit(X * scale, known_scores(X) / scale)
    assert_equivariant(near, far, X, scale * ones)


def assert_equivariant(near, far, X, scale):
    logs = np.log(scale).sum()
    assert_allclose(far.score_samples(X * scale) + logs, near.score_samples(X), rtol=1e-6, atol=1e-6)
    assert_allclose(far.grad_log_density(X * scale) * scale, near.grad_log_density(X), rtol=1e-6, atol=1e-6)
    assert_allclose(far.curvature(X * scale, scale), near.curvature(X, np.ones(2)), rtol=1e-6, atol=1e-6)
    standardized = [fitted.hyvarinen_score(rows, standardize=True) for fitted, rows in ((far, X * scale), (near, X))]
    assert_allclose(*standardized, rtol=1e-6, atol=1e-5)
    if hasattr(near, "covariance_"):  # Markov chains amplify every rounding error
        assert_allclose(far.sample(3, random_state=1) / scale, near.sample(3, random_state=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "offset", "scale"),
    [("quartic", 1e8, 1.0), *((name, 0.0, scale) for name in ("quartic", "gamma") for scale in (1e-8, 1e8))],
)
def test_draws_keep_their_law_in_any_units(density, table, name, offset, scale):
    """Markov chains amplify rounding errors, so the law of the draws is compared: means within five standard errors."""
    X = table()
    near = density(name).fit(X).sample(4000)
    far = (density(name).fit(X * scale + offset).sample(4000) - offset) / scale
    for moment in (1, 2):
        gap = (near**moment).mean(axis=0) - (far**moment).mean(axis=0)
        assert (np.abs(gap) < 5.0 * (near**moment).std(axis=0) / np.sqrt(2000)).all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("name", ["gaussian", "quadratic"])
def test_known_scores_of_a_gaussian_in_any_units(density, table, name, offset, scale):
    """Exact scores leave nothing to estimate: K and μ come back, in every unit."""
    scale, K = SCALES[scale], np.array([[2.0, -1.0], [-1.0, 2.0]])
    X = (table() + offset) * scale
    mean = (np.array([1.5, 1.6]) + offset) * scale
    precision = K / np.outer(scale, scale)
    Y = -((X - mean) / scale @ K) / scale
    fitted = density(name, objective="explicit").fit(X, Y)
    assert_allclose(fitted.grad_log_density(X) * scale, Y * scale, rtol=1e-7, atol=1e-7)
    if name == "gaussian":
        assert_allclose(fitted.precision_, precision, rtol=1e-7)
        assert_allclose(fitted.location_, mean, rtol=1e-7)


@pytest.mark.parametrize("name", ["gaussian", "quadratic", "quartic", "additive quartic"])
@pytest.mark.parametrize("offset", [0.0, 2000.0, 1e4])
def test_a_ridge_far_from_the_origin(density, table, name, offset):
    """A ridge determines every parameter, so no warning says otherwise; years, say, lie 2000 from the origin."""
    X = table() + offset
    fitted = density(name, alpha=0.1).fit(X)
    assert np.isfinite(fitted.grad_log_density(X)).all()
    centre = X.mean(axis=0)
    assert (fitted.grad_log_density(X) * (X - centre)).sum(axis=1).mean() < 0.0  # the density falls away from its rows


@pytest.mark.parametrize("name", ["gaussian", "diag", "quadratic", "quartic", "additive quartic"])
@pytest.mark.parametrize(("far", "value"), [(1e30, None), (1e100, None), (1e200, -np.inf)])
def test_rows_at_the_end_of_the_numbers(density, table, name, far, value):
    """A row in broken units has a very small density: no NaN, no warning, and the other rows keep their values."""
    log_density = density(name).fit(table()).score_samples([[far, 1.0], [1.0, -far], [2.0, 2.0]])
    assert (log_density[:2] < -1e50).all()
    assert np.isfinite(log_density[2])
    if value is not None:
        assert (log_density[:2] == value).all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["gaussian", "quartic"])
def test_constant_columns_are_found_in_any_units(density, table, name, scale):
    X = np.column_stack([table() * SCALES[scale], np.full(60, 5.0)])
    if name == "gaussian":
        with pytest.warns(UserWarning, match=r"columns \[2\] are constant"):
            density(name).fit(X)
    else:
        with pytest.raises(ValueError, match=r"constant columns: \[2\]"):
            density(name).fit(X)


# ---- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gaussian", "quadratic", "quartic", "gamma"])
def test_fifty_thousand_rows(density, name):
    """Many blocks of rows; the chunks, in turn and weighted, agree with the whole."""
    X = 1.0 + np.random.default_rng(0).beta(2.0, 3.0, size=(50_000, 3))
    weight = np.random.default_rng(1).integers(0, 3, size=50_000)
    whole = density(name).fit(X, sample_weight=weight)
    chunked = density(name)
    for rows in np.array_split(np.arange(50_000), 7):
        chunked.partial_fit(X[rows], sample_weight=weight[rows])
    assert_same(chunked, whole, X[:100], rtol=1e-9, log_density=False)
    assert whole.grad_log_density(X).shape == X.shape
