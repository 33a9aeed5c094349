"""Numbers given levels by networks: the Gaussian that they begin at, and one law whose shape depends on the level.

Given a level c the law is x₁ ~ N(0, 1), x₂ = b_c (x₁² − 1) + s_c z: two arcs of different width, whose best
homogeneous Gaussian is one of independent columns.
"""

import pickle
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy import stats

from skscore.models.mixed.conditional_gaussian import fit_conditional_gaussian
from skscore.models.mixed.rows import ALWAYS, Layout, Rows
from skscore.neural import ScoreNetwork

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.conditional_rows import random_split  # noqa: E402
from skscore.neural.conditional_score import ConditionalScore, fit_conditional_score  # noqa: E402

BEND, WIDTH = np.array([-1.0, 1.0]), np.array([0.3, 0.8])


def rows_of_law(n, seed):
    rng = np.random.default_rng(seed)
    c, (x, z) = rng.integers(0, 2, n), rng.standard_normal((2, n))
    return Rows(c[:, None], np.column_stack([x, BEND[c] * (x**2 - 1.0) + WIDTH[c] * z]))


def log_density_of_law(rows):
    c, (x, y) = rows.codes[:, 0], rows.numbers.T
    return stats.norm.logpdf(x) + stats.norm.logpdf(y, BEND[c] * (x**2 - 1.0), WIDTH[c])


def fit(rows, layout, seed=3, watch=lambda state: False, **network):
    options = {"hidden_layer_sizes": (48, 48), "learning_rate": 0.01, "batch_size": 256, "dropout": 0.0} | network
    folds = [np.arange(0, rows.n, 6)]
    seen = [np.arange(rows.n), np.setdiff1d(np.arange(rows.n), folds[0])]
    whole, part = (fit_conditional_gaussian(rows.at(index), layout) for index in seen)
    network = ScoreNetwork(**options, device="cpu")
    return fit_conditional_score(whole, [part], rows, layout, folds, seed=seed, network=network, watch=watch)


@cache
def arcs():
    return fit(rows_of_law(2000, seed=0), Layout((2,), (ALWAYS, ALWAYS)), max_iter=400)


@cache
def widths():
    """The second column alone, and a third of its cells missing by a state."""
    rows, rng = rows_of_law(600, seed=1), np.random.default_rng(11)
    missing = rng.random(rows.n) < 1 / 3
    y = np.where(missing, np.nan, rows.numbers[:, 1])
    return fit(Rows(np.column_stack([rows.codes, missing]), y[:, None]), Layout((2, 2), (1,)), max_iter=150)


def rng(seed):
    return np.random.default_rng(seed)


def masks(n, kinds):
    """Cells asked for and given of n rows, from a letter for each column: b, a or a dash."""
    return tuple(np.tile([kind == letter for kind in kinds], (n, 1)) for letter in "ba")


# ---- networks that say nothing -------------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [2, 5])
def test_the_flow_of_networks_that_are_zero_is_the_gaussian(n_steps):
    rows, density = rows_of_law(60, seed=2), arcs()
    silent = [{name: 0.0 * array for name, array in weights.items()} for weights in density.networks.weights]
    networks = replace(density, networks=replace(density.networks, weights=silent), n_steps=n_steps)
    for kinds in ("bb", "ab", "ba", "b-", "-b"):
        cells = masks(rows.n, kinds)
        expected = density.gaussian.log_prob(rows.numbers, rows.codes, *cells)
        np.testing.assert_allclose(networks.log_prob(rows.numbers, rows.codes, *cells), expected, atol=1e-9)
    assert abs(networks.consistency(rows, np.random.default_rng(4))) < 1e-9


def test_cells_are_split_in_every_way_and_one_is_always_asked_for():
    holds = np.random.default_rng(5).random((4000, 3)) < 0.8
    target, given = random_split(holds, np.random.default_rng(6))
    assert not (target & given).any()
    assert not ((target | given) & ~holds).any()
    np.testing.assert_array_equal(target.any(axis=1), holds.any(axis=1))
    full = holds.all(axis=1)
    ways = {tuple(way) for way in (target + 2 * given)[full]}
    assert ways == {way for way in product(range(3), repeat=3) if 1 in way}
    assert target[full].all(axis=1).mean() == pytest.approx(0.7, abs=0.05)


# ---- the law -------------------------------------------------------------------------------------


def test_networks_learn_what_the_gaussian_cannot():
    rows, density = rows_of_law(400, seed=7), arcs()
    cells, truth = masks(rows.n, "bb"), log_density_of_law(rows).mean()
    start = density.gaussian.log_prob(rows.numbers, rows.codes, *cells).mean()
    log_p = density.log_prob(rows.numbers, rows.codes, *cells).mean()
    assert truth - start > 0.95  # 1.14 in the mean: log sd of x₂ less that of log s_c
    assert truth - log_p < 0.2
    assert log_p < truth + 0.02
    of_fold = density.part(0).log_prob(rows.numbers, rows.codes, *cells).mean()
    assert of_fold == pytest.approx(log_p, abs=0.05)


def test_they_learn_conditionals_too():
    rows = rows_of_law(200, seed=8)
    for kinds, gain in (("ab", 0.5), ("ba", 0.4), ("-b", 0.1)):
        pair = [each.log_prob(rows.numbers, rows.codes, *masks(rows.n, kinds)) for each in (arcs(), arcs().gaussian)]
        assert np.subtract(*pair).mean() > gain


def test_consistency_is_what_two_steps_lose_to_one():
    rows, density = rows_of_law(1500, seed=8), arcs()

    def mean(kinds):
        return density.log_prob(rows.numbers, rows.codes, *masks(rows.n, kinds)).mean()

    two_steps = mean("b-") + mean("ab"), mean("-b") + mean("ba")
    assert max(two_steps) < log_density_of_law(rows).mean() + 0.02
    assert density.consistency(rows, rng(9)) == pytest.approx(np.mean(two_steps) - mean("bb"), abs=0.1)


def test_conditionals_that_know_nothing_of_what_is_given_lose_the_mutual_information():
    correlation, n = 0.8, 40_000
    x, z = rng(12).standard_normal((2, n))
    rows = Rows(np.zeros((n, 0), dtype=int), np.column_stack([x, correlation * x + np.sqrt(1.0 - correlation**2) * z]))

    class Forgetful:
        """The true joint density of two numbers, and of each alone its marginal whatever is given."""

        def log_prob(self, numbers, codes, target, given):
            joint = stats.multivariate_normal(cov=[[1.0, correlation], [correlation, 1.0]]).logpdf(numbers)
            return np.where(target.all(axis=1), joint, np.where(target, stats.norm.logpdf(numbers), 0.0).sum(axis=1))

    mutual_information = -0.5 * np.log(1.0 - correlation**2)
    assert ConditionalScore.consistency(Forgetful(), rows, rng(13)) == pytest.approx(-mutual_information, abs=0.02)


@pytest.mark.parametrize("kinds", ["bb", "ab", "ba", "b-", "-b"])
def test_the_mass_of_a_row_is_one(kinds):
    step = 0.3 if kinds == "bb" else 0.1
    axes = np.arange(-4.8, 4.8, step), np.arange(-6.0, 18.0, step)
    axes = [axis if kind == "b" else np.array([0.4]) for axis, kind in zip(axes, kinds, strict=True)]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    target, given = masks(len(grid), kinds)
    numbers = np.where(target | given, grid, np.nan)
    log_p = arcs().log_prob(numbers, np.ones((len(grid), 1), dtype=int), target, given)
    assert np.exp(log_p).sum() * step ** kinds.count("b") == pytest.approx(1.0, abs=1e-3)


def test_the_mass_of_a_single_column_is_one():
    grid = np.linspace(-8.0, 12.0, 201)[:, None]
    for c in (0, 1):
        codes = np.tile([c, 0], (len(grid), 1))
        log_p = widths().log_prob(grid, codes, *masks(len(grid), "b"))
        assert np.exp(log_p).sum() * 0.1 == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("c", [0, 1])
def test_draws_follow_the_density(c):
    grid, codes = np.linspace(-8.0, 12.0, 201)[:, None], np.tile([c, 0], (201, 1))
    mass = np.exp(widths().log_prob(grid, codes, *masks(len(grid), "b"))) * 0.1
    drawn = widths().sample(np.full((1000, 1), np.nan), np.tile([c, 0], (1000, 1)), *masks(1000, "-")[1:], rng(12))
    place = np.interp(drawn[:, 0], grid[:, 0] + 0.05, np.cumsum(mass))
    assert stats.kstest(place, "uniform").pvalue > 0.01


def test_draws_keep_what_is_given_and_follow_it():
    n = 800
    x, codes = rng(13).standard_normal(n), rng(14).integers(0, 2, (n, 1))
    numbers = np.column_stack([x, np.full(n, np.nan)])
    drawn = arcs().sample(numbers, codes, masks(n, "a-")[1], rng(15))
    np.testing.assert_array_equal(drawn[:, 0], x)
    for c in (0, 1):
        rest = (drawn[:, 1] - BEND[c] * (x**2 - 1.0))[codes[:, 0] == c]
        assert abs(np.median(rest)) < 0.3
        assert np.subtract(*np.percentile(rest, [75, 25])) / 1.349 < 1.5 * WIDTH[c] + 0.3  # of the Gaussian: 1.5


def test_cells_without_a_number_are_neither_scored_nor_drawn():
    codes = np.array([[0, 1], [1, 0]])
    numbers = np.array([[np.nan], [0.5]])
    log_p = widths().log_prob(numbers, codes, ~np.isnan(numbers), np.zeros((2, 1), dtype=bool))
    assert log_p[0] == 0.0 != log_p[1]
    drawn = widths().sample(numbers, codes, np.zeros((2, 1), dtype=bool), rng(16))
    np.testing.assert_array_equal(np.isnan(drawn), np.isnan(numbers))


# ---- what every density of the package keeps -----------------------------------------------------


def test_a_row_depends_on_no_other():
    rows = rows_of_law(150, seed=17)
    cells = masks(150, "bb")
    cells[0][::3, 0], cells[1][::3, 0] = False, True
    together = arcs().log_prob(*rows[::-1], *cells)
    for index in ([5], [0, 149, 3]):
        alone = arcs().log_prob(rows.numbers[index], rows.codes[index], cells[0][index], cells[1][index])
        np.testing.assert_allclose(alone, together[index], rtol=1e-6)  # the last digit of single precision


def test_it_is_pickled():
    rows = rows_of_law(20, seed=18)
    again = pickle.loads(pickle.dumps(arcs()))
    values = (density.log_prob(*rows[::-1], *masks(20, "bb")) for density in (arcs(), again))
    np.testing.assert_array_equal(*values)


def test_the_seed_decides():
    rows, layout, curves = rows_of_law(200, seed=19), Layout((2,), (ALWAYS, ALWAYS)), []
    for seed in (1, 1, 2):
        fit(rows, layout, seed, hidden_layer_sizes=(8,), max_iter=20, watch=lambda s: curves.append(s.train_curve[-1]))
    assert curves[0] == curves[1] != curves[2]


def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path):
    rows, layout = rows_of_law(300, seed=21), Layout((2,), (ALWAYS, ALWAYS))
    options = {"hidden_layer_sizes": (8,), "max_iter": 200, "dropout": 0.1}
    file, steps = tmp_path / "training", []

    def interrupts(state):
        steps.append(state.step)
        if state.step == 150:
            raise KeyboardInterrupt

    whole = fit(rows, layout, **options)
    saved = {**options, "checkpoint": file, "checkpoint_every": 50}
    with pytest.raises(KeyboardInterrupt):
        fit(rows, layout, watch=interrupts, **saved)
    assert file.exists()
    resumed = fit(rows, layout, watch=lambda state: steps.append(state.step), **saved)
    assert steps == [50, 100, 150, 150, 200]
    assert not file.exists()
    values = (density.log_prob(*rows[::-1], *masks(rows.n, "bb")) for density in (whole, resumed))
    np.testing.assert_array_equal(*values)


def test_networks_that_cannot_know_levels_are_refused():
    with pytest.raises(ValueError, match="parametrization='energy': numbers given levels need"):
        fit(rows_of_law(30, seed=20), Layout((2,), (ALWAYS, ALWAYS)), parametrization="energy")
