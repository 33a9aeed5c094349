"""Latent classes: densities of scipy, masses of one, and fits that find the law that made the rows."""

import pickle
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import logsumexp

from skscore.models.mixed import known_cells, latent_classes
from skscore.models.mixed.latent_classes import LatentClasses, fit_latent_classes, grow_latent_classes
from skscore.models.mixed.rows import ALWAYS, CellMask, Layout, Rows

LAYOUT = Layout((3, 2, 2), (ALWAYS, 1, ALWAYS))  # the second number is there if the second level is 0


@pytest.fixture
def classes(rng):
    """Three classes of `LAYOUT`."""
    levels = np.hstack([rng.dirichlet(np.full(n, 2.0), size=3) for n in LAYOUT.n_levels])
    factors = rng.standard_normal((3, 3, 3))
    covariances = factors @ factors.mT + 0.3 * np.eye(3)
    return LatentClasses(LAYOUT, np.array([0.2, 0.3, 0.5]), levels, 2.0 * rng.standard_normal((3, 3)), covariances)


def of_all(rows):
    """All cells that hold something."""
    return CellMask(np.ones(rows.codes.shape, dtype=bool), ~np.isnan(rows.numbers))


def of_none(rows):
    return CellMask(np.zeros(rows.codes.shape, dtype=bool), np.zeros(rows.numbers.shape, dtype=bool))


def log_density(density, rows):
    return density.log_prob(rows, of_all(rows), of_none(rows))


def drawn(density, n, rng):
    """Rows of the density."""
    rows = Rows(
        np.zeros((n, len(density.layout.n_levels)), dtype=np.int64), np.full((n, len(density.layout.state)), 0.0)
    )
    return density.sample(rows, of_none(rows), rng)


def with_gaps(rows, share, rng):
    """The rows without some of their numbers that no state announces."""
    gaps = rng.random(rows.numbers.shape) < share
    gaps[:, [state != ALWAYS for state in LAYOUT.state]] = False
    return Rows(rows.codes, np.where(gaps, np.nan, rows.numbers))


def some_of(mask, share, rng):
    """A mask of some of the cells of another, and that of the rest."""
    chosen = CellMask(*(cells & (rng.random(cells.shape) < share) for cells in mask))
    return chosen, CellMask(*(cells & ~of_chosen for cells, of_chosen in zip(mask, chosen, strict=True)))


def by_scipy(density, codes, numbers, known_codes, known_numbers):
    """log p of the known cells of one row, by the formula."""
    ends = np.cumsum([0, *density.layout.n_levels])
    terms = np.log(density.weights)
    for j in np.flatnonzero(known_codes):
        terms = terms + np.log(density.levels[:, ends[j] + codes[j]])
    cells = np.flatnonzero(known_numbers)
    for cell in cells:
        state = density.layout.state[cell]
        if state != ALWAYS and not known_codes[state]:
            terms = terms + np.log(density.levels[:, ends[state]])
    if len(cells):
        parts = zip(density.means[:, cells], density.covariances[:, cells[:, None], cells], strict=True)
        terms = terms + [stats.multivariate_normal(*part).logpdf(numbers[cells]) for part in parts]
    return logsumexp(terms)


# ---- the density --------------------


def test_density_of_any_cells_is_scipys(classes, rng):
    rows = drawn(classes, 60, rng)
    for known in (of_all(rows), some_of(of_all(rows), 0.5, rng)[0], of_none(rows)):
        expected = [by_scipy(classes, *row) for row in zip(*rows, *known, strict=True)]
        assert_allclose(classes.log_prob(rows, known, of_none(rows)), expected, rtol=1e-10, atol=1e-12)


def test_chain_rule(classes, rng):
    rows = drawn(classes, 200, rng)
    first, rest = some_of(of_all(rows), 0.4, rng)
    second, third = some_of(rest, 0.5, rng)
    both = CellMask(first.codes | second.codes, first.numbers | second.numbers)
    by_steps = (
        classes.log_prob(rows, first, of_none(rows))
        + classes.log_prob(rows, second, first)
        + classes.log_prob(rows, third, both)
    )
    assert_allclose(by_steps, log_density(classes, rows), rtol=1e-10, atol=1e-10)


def test_total_mass(classes):
    """All levels and a grid over the one number that is not integrated out."""
    grid = np.linspace(-30.0, 30.0, 4001)
    mass = 0.0
    for levels in product(*map(range, LAYOUT.n_levels)):
        x = grid if levels[1] == 0 else np.array([np.nan])
        rows = Rows(np.tile(levels, (len(x), 1)), np.column_stack([x * np.nan, x, x * np.nan]))
        density = np.exp(log_density(classes, rows))
        mass += density.sum() * (grid[1] - grid[0]) if levels[1] == 0 else density.sum()
    assert mass == pytest.approx(1.0, abs=1e-10)


def test_a_number_that_is_not_known_is_integrated_out(classes, rng):
    grid = np.linspace(-40.0, 40.0, 8001)
    row = next(row for row in zip(*drawn(classes, 20, rng), strict=True) if row[0][1] == 0)
    rows = Rows(np.tile(row[0], (len(grid), 1)), np.tile(row[1], (len(grid), 1)))
    rows.numbers[:, 2] = grid
    without = Rows(rows.codes[:1], np.where([False, False, True], np.nan, rows.numbers[:1]))
    integral = np.exp(log_density(classes, rows)).sum() * (grid[1] - grid[0])
    assert integral == pytest.approx(np.exp(log_density(classes, without))[0], rel=1e-9)


def test_a_number_says_its_state(classes, rng):
    rows = drawn(classes, 50, rng)
    number, state = of_none(rows), of_none(rows)
    number.numbers[:, 1] = rows.codes[:, 1] == 0
    state.codes[:, 1] = True
    expected = np.where(rows.codes[:, 1] == 0, 0.0, classes.log_prob(rows, state, of_none(rows)))
    assert_allclose(classes.log_prob(rows, state, number), expected, atol=1e-12)


def test_cells_in_neither_mask_are_not_read(classes, rng):
    rows = drawn(classes, 50, rng)
    target, rest = some_of(of_all(rows), 0.4, rng)
    given, unread = some_of(rest, 0.5, rng)
    numbers = np.where(target.numbers | given.numbers, rows.numbers, np.nan)
    other = Rows(np.where(unread.codes, -7, rows.codes), numbers)
    assert_array_equal(classes.log_prob(other, target, given), classes.log_prob(rows, target, given))
    one, same = (classes.sample(these, given, np.random.default_rng(5)) for these in (rows, other))
    for cells, same_cells in zip(one, same, strict=True):
        assert_array_equal(cells, same_cells)


def test_blocks_parts_and_a_pickle_change_nothing(classes, rng, monkeypatch):
    rows = with_gaps(drawn(classes, 80, rng), 0.3, rng)
    whole, fit = log_density(classes, rows), fit_latent_classes(rows, LAYOUT, 2)
    assert_array_equal(log_density(pickle.loads(pickle.dumps(classes)), rows), whole)
    for block, systems in ((60, 1 << 18), (1 << 16, 1), (1 << 16, 60)):
        monkeypatch.setattr(known_cells, "BLOCK", block)
        monkeypatch.setattr(known_cells, "SYSTEMS", systems)
        assert_allclose(log_density(classes, rows), whole, rtol=1e-11)
        assert_allclose(log_density(fit_latent_classes(rows, LAYOUT, 2), rows), log_density(fit, rows), rtol=1e-8)


# ---- draws --------------------


def test_draws_given_some_cells_have_their_law(classes, rng):
    n = 20_000
    rows = Rows(np.tile([1, 0, 0], (n, 1)), np.tile([0.5, 0.0, np.nan], (n, 1)))
    given = of_none(rows)
    given.codes[:, 0] = given.numbers[:, 0] = True
    sample = classes.sample(rows, given, rng)
    assert_array_equal(sample.codes[:, 0], 1)
    assert_array_equal(sample.numbers[:, 0], 0.5)
    assert_array_equal(np.isnan(sample.numbers), ~LAYOUT.holds_number(sample.codes))
    levels = of_none(rows)
    levels.codes[:, 1:] = True
    for pair in product(range(2), range(2)):
        asked = Rows(np.array([[1, *pair]]), rows.numbers[:1])
        share = np.exp(classes.log_prob(asked, levels.at([0]), given.at([0])))[0]
        assert (sample.codes[:, 1:] == pair).all(axis=1).mean() == pytest.approx(share, abs=4.0 / np.sqrt(n))
    grid = np.linspace(-25.0, 25.0, 2001)
    for cell in (1, 2):
        x = sample.numbers[:, cell][~np.isnan(sample.numbers[:, cell])]
        asked = Rows(np.tile([1, 0, 0], (len(grid), 1)), np.tile(0.5, (len(grid), 3)))
        asked.numbers[:, cell] = grid
        number = of_none(asked)
        number.numbers[:, cell] = True
        density = np.exp(classes.log_prob(asked, number, given.at(slice(len(grid)))))
        cdf = np.cumsum(density) / density.sum()
        assert stats.kstest(x, lambda t, cdf=cdf: np.interp(t, grid, cdf)).pvalue > 1e-3


def test_two_numbers_of_a_draw_belong_together(classes, rng):
    sample = drawn(classes, 20_000, rng)
    mean = np.array([np.nanmean(sample.numbers[:, cell]) for cell in (0, 2)])
    assert_allclose(mean, (classes.weights @ classes.means)[[0, 2]], atol=0.1)
    between = classes.means - classes.weights @ classes.means
    covariance = np.einsum("k,kij->ij", classes.weights, classes.covariances + between[:, :, None] * between[:, None])
    assert_allclose(np.cov(sample.numbers[:, [0, 2]].T), covariance[np.ix_([0, 2], [0, 2])], rtol=0.1, atol=0.1)


# ---- the fit --------------------


def two_classes(distance=3.0):
    """Of `LAYOUT`."""
    levels = np.array([[0.7, 0.2, 0.1, 0.9, 0.1, 0.5, 0.5], [0.1, 0.3, 0.6, 0.6, 0.4, 0.9, 0.1]])
    means = np.array([[0.0, 0.0, 1.0], [distance, 1.0, 1.0]])
    covariances = np.array([[[1.0, 0.6, 0.0], [0.6, 1.0, 0.3], [0.0, 0.3, 1.0]], 0.5 * np.eye(3)])
    return LatentClasses(LAYOUT, np.array([0.4, 0.6]), levels, means, covariances)


@pytest.mark.parametrize("prior_rows", [1.0, 0.03])
def test_one_class_of_complete_rows_has_the_moments_of_a_few_more_rows(rng, prior_rows):
    n, layout = 200, Layout((3, 2), (ALWAYS, ALWAYS))
    rows = Rows(rng.integers([3, 2], size=(n, 2)), rng.standard_normal((n, 2)) @ np.array([[2.0, 1.0], [0.0, 0.3]]))
    covariance = np.cov(rows.numbers.T, ddof=0)
    covariance = (n * covariance + prior_rows * np.diag(np.diag(covariance))) / (n + prior_rows)
    expected = stats.multivariate_normal(rows.numbers.mean(axis=0), covariance).logpdf(rows.numbers)
    for column, n_levels in zip(rows.codes.T, layout.n_levels, strict=True):
        counts = np.bincount(column, minlength=n_levels)
        frequencies = (counts + (counts + 1 / n_levels) / (n + 1)) / (n + 1)
        expected += np.log(frequencies[column])
    one = fit_latent_classes(rows, layout, 1, prior_rows=prior_rows)
    assert_allclose(log_density(one, rows), expected, rtol=1e-10)


@pytest.mark.parametrize("prior_rows", [1.0, 0.03])
def test_a_step_never_lowers_the_posterior_density(rng, prior_rows):
    rows = with_gaps(drawn(two_classes(), 300, rng), 0.3, rng)
    table = latent_classes._table(rows, LAYOUT, rng.uniform(0.0, 2.0, 300))
    prior = latent_classes._prior(table, prior_rows)
    mixture = latent_classes._split(table.marginals, 2, table, prior, rng)
    mixture, values = latent_classes._split(mixture, 4, table, prior, rng), []
    for _ in range(60):
        value, mixture = latent_classes._step(mixture, table, prior.of(4))
        values.append(value)
    assert np.diff(values).min() > -1e-12
    assert values[-1] > values[0] + 0.05


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_two_classes_come_back(gaps):
    law = two_classes()
    train = with_gaps(drawn(law, 2000, np.random.default_rng(11)), gaps, np.random.default_rng(12))
    fresh = drawn(law, 5000, np.random.default_rng(13))
    fit = fit_latent_classes(train, LAYOUT, 2)
    assert log_density(law, fresh).mean() - log_density(fit, fresh).mean() < 0.02
    assert_allclose(np.sort(fit.weights), [0.4, 0.6], atol=0.05)


def test_sizes_double_and_any_size_is_fitted(rng):
    rows = drawn(two_classes(), 100, rng)
    assert [len(mixture.weights) for mixture in grow_latent_classes(rows, LAYOUT)] == [1, 2, 4, 8]
    assert [len(mixture.weights) for mixture in grow_latent_classes(rows, LAYOUT, most=3)] == [1, 2]
    assert [len(fit_latent_classes(rows, LAYOUT, size).weights) for size in (1, 2, 3, 5)] == [1, 2, 3, 5]
    for mixture in grow_latent_classes(rows, LAYOUT):
        assert mixture.weights.sum() == pytest.approx(1.0)
        ends = np.cumsum(LAYOUT.n_levels)[:-1]
        for P in np.split(mixture.levels, ends, axis=1):
            assert_allclose(P.sum(axis=1), 1.0)


def test_a_repeated_row_is_a_row_of_weight_two_and_order_is_nothing(rng):
    rows = with_gaps(drawn(two_classes(), 150, rng), 0.2, rng)
    weight = rng.integers(0, 4, 150)
    weighted = list(grow_latent_classes(rows, LAYOUT, weight=weight))
    repeated = list(grow_latent_classes(rows.at(rng.permutation(np.repeat(np.arange(150), weight))), LAYOUT))
    assert len(weighted) == len(repeated) > 3
    for one, other in zip(weighted, repeated, strict=True):
        assert_allclose(log_density(one, rows), log_density(other, rows), rtol=1e-7, atol=1e-7)


def test_units_and_origins_shift_the_log_density(rng):
    rows = with_gaps(drawn(two_classes(), 150, rng), 0.2, rng)
    scale = np.array([1e6, 1e-5, 3.0])
    other = Rows(rows.codes, 1e3 * scale + scale * rows.numbers)
    jacobian = (~np.isnan(rows.numbers)) @ np.log(scale)
    for one, same in zip(grow_latent_classes(rows, LAYOUT), grow_latent_classes(other, LAYOUT), strict=True):
        assert_allclose(log_density(same, other) + jacobian, log_density(one, rows), rtol=1e-8, atol=1e-8)


def test_a_column_that_few_rows_have(rng):
    rows = drawn(two_classes(), 400, rng)
    rows.numbers[5:, 2] = np.nan
    for mixture in grow_latent_classes(rows, LAYOUT):
        assert np.isfinite(log_density(mixture, rows)).all()
        assert np.linalg.eigvalsh(mixture.covariances).min() > 1e-3
    one = fit_latent_classes(rows, LAYOUT, 1)
    assert one.means[0, 2] == pytest.approx(rows.numbers[:5, 2].mean(), abs=0.2)
    rows.numbers[:, 2] = np.nan
    missing, without = (
        fit_latent_classes(these, layout, 2)
        for these, layout in (
            (rows, LAYOUT),
            (Rows(rows.codes, rows.numbers[:, :2]), Layout(LAYOUT.n_levels, LAYOUT.state[:2])),
        )
    )
    assert np.isfinite(log_density(missing, rows)).all()
    shorter = Rows(rows.codes, rows.numbers[:, :2])
    assert abs(log_density(missing, rows).mean() - log_density(without, shorter).mean()) < 0.01


def test_a_column_of_one_level_changes_nothing(rng):
    rows = drawn(two_classes(), 200, rng)
    wider = Rows(np.column_stack([rows.codes, np.zeros(200, dtype=np.int64)]), rows.numbers)
    layout = Layout((*LAYOUT.n_levels, 1), LAYOUT.state)
    for one, same in zip(grow_latent_classes(rows, LAYOUT, 2), grow_latent_classes(wider, layout, 2), strict=True):
        assert_allclose(same.levels[:, -1], 1.0, rtol=1e-12)
        assert log_density(same, wider).mean() == pytest.approx(log_density(one, rows).mean(), abs=0.02)


def test_numbers_alone_are_a_mixture_of_gaussians(rng):
    X = rng.standard_normal((400, 2)) + np.repeat([[-4.0, 0.0], [4.0, 1.0]], 200, axis=0)
    rows, layout = Rows(np.empty((400, 0), dtype=np.int64), X), Layout((), (ALWAYS, ALWAYS))
    pair = fit_latent_classes(rows, layout, 2)
    assert_allclose(np.sort(pair.means[:, 0]), [-4.0, 4.0], atol=0.2)
    parts = zip(pair.weights, pair.means, pair.covariances, strict=True)
    expected = logsumexp([np.log(w) + stats.multivariate_normal(m, C).logpdf(X) for w, m, C in parts], axis=0)
    assert_allclose(log_density(pair, rows), expected, rtol=1e-10)
    assert drawn(pair, 7, rng).numbers.shape == (7, 2)


def test_levels_alone_are_found_where_they_go_together(rng):
    """Three columns that agree in nine rows of ten, half of them 0 and half 1."""
    rows = Rows(np.where(rng.random((2000, 3)) < 0.9, 0, 1) ^ rng.integers(2, size=(2000, 1)), np.empty((2000, 0)))
    pair = fit_latent_classes(rows, Layout((2, 2, 2), ()), 2)
    assert_allclose(np.sort(pair.levels[:, ::2], axis=0), np.repeat([[0.1], [0.9]], 3, axis=1), atol=0.05)
    masses = np.exp(log_density(pair, Rows(np.array(list(product(range(2), repeat=3))), np.empty((8, 0)))))
    assert masses.sum() == pytest.approx(1.0, abs=1e-12)
    assert_allclose(masses[[0, 7]], 0.5 * (0.9**3 + 0.1**3), atol=0.03)
    assert drawn(pair, 7, rng).codes.shape == (7, 3)


def test_a_smaller_prior_follows_a_number_that_is_a_function_of_another(rng):
    x = rng.standard_normal((600, 1))
    rows, layout = Rows(np.empty((600, 0), dtype=np.int64), np.hstack([x, x**2])), Layout((), (ALWAYS, ALWAYS))
    train, fresh = rows.at(slice(400)), rows.at(slice(400, 600))
    large, small = (
        log_density(fit_latent_classes(train, layout, 16, prior_rows=prior_rows), fresh).mean()
        for prior_rows in (1.0, 0.03)
    )
    assert small > large + 0.5


@pytest.mark.parametrize("prior_rows", [1.0, 0.01])
def test_equal_rows_leave_a_density(prior_rows):
    rows = Rows(np.ones((40, 3), dtype=np.int64), np.tile([2.0, np.nan, 5.0], (40, 1)))
    for mixture in grow_latent_classes(rows, LAYOUT, prior_rows=prior_rows):
        assert np.isfinite(log_density(mixture, rows)).all()
