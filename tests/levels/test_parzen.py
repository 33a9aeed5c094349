"""Windows over the rows: a density of scipy and scikit-learn, and a choice that is paid for by evidence."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity

from skscore.levels.mixture import LEAST, choose_mixture
from skscore.levels.parzen import NARROWEST, WIDEST, ParzenWindows, offer_windows

WEIGHTS = np.array([0.5, 0.0, 0.3, 0.2])


@pytest.fixture
def windows(rng):
    share = rng.random(50)
    return ParzenWindows(rng.standard_normal((50, 3)), share / share.sum(), 0.8, WEIGHTS)


def test_density_is_that_of_kernel_density(windows, rng):
    X = np.concatenate([rng.standard_normal((30, 3)), windows.centres[:5]])
    of_widths = [
        KernelDensity(bandwidth=h).fit(windows.centres, sample_weight=windows.share).score_samples(X)
        for h in windows.widths
    ]
    np.testing.assert_allclose(windows.log_densities(X).T, of_widths, rtol=1e-10, atol=1e-10)
    expected = logsumexp(of_widths, axis=0, b=WEIGHTS[:, None])
    np.testing.assert_allclose(windows.log_density(X), expected, rtol=1e-10, atol=1e-10)


def test_a_width_of_hardly_any_weight_has_hardly_any_share():
    windows = ParzenWindows(np.zeros((1, 1)), np.ones(1), 1.0, np.array([1e-312, 1.0]))
    x = np.array([[0.0], [1.5], [30.0]])
    likelier = stats.norm.logpdf(30.0) + np.log(1e-312)
    expected = [*stats.norm.logpdf([0.0, 1.5], scale=0.5), likelier]
    np.testing.assert_allclose(windows.log_density(x), expected, rtol=1e-9)


def test_a_row_left_out_is_as_if_it_had_never_been(windows):
    others = np.arange(50) != 7
    share = windows.share[others] / windows.share[others].sum()
    without = ParzenWindows(windows.centres[others], share, 0.8, WEIGHTS)
    left_out = windows.log_densities(windows.centres[7:8], np.array([7]))
    np.testing.assert_allclose(left_out, without.log_densities(windows.centres[7:8]), rtol=1e-12)


def test_far_away_and_in_many_columns(rng):
    """No density and no pull where a double ends; exact derivatives where heights span 10³⁶⁰."""
    wide = ParzenWindows(rng.standard_normal((4, 200)), np.full(4, 0.25), 0.8, np.full(7, 1 / 7))
    far = np.full((1, 200), 1e3)
    assert np.isneginf(wide.log_density(far))
    assert (wide.score(far) == 0.0).all()
    near = wide.centres[:1] + 0.01 * rng.standard_normal(200)
    one = ParzenWindows(wide.centres[:1], np.ones(1), wide.widths[-1], np.ones(1))
    np.testing.assert_allclose(wide.score(near), one.score(near), rtol=1e-9)
    np.testing.assert_allclose(wide.log_density(near), one.log_density(near) - np.log(28.0), rtol=1e-9)


def test_samples(rng):
    windows = ParzenWindows(np.array([[-3.0], [3.0]]), np.array([0.25, 0.75]), 1.0, np.array([0.4, 0.6]))
    x = windows.sample(20_000, rng)[:, 0]

    def cdf(t):
        pairs = [(a, c, w, h) for a, c in ((0.25, -3.0), (0.75, 3.0)) for w, h in ((0.4, 1.0), (0.6, 0.5))]
        return sum(a * w * stats.norm.cdf(t, c, h) for a, c, w, h in pairs)

    assert stats.kstest(x, cdf).pvalue > 1e-3


# ---- the choice --------------------


def choose_windows(log_p, own, Z, *parameters):
    return choose_mixture(log_p, {"windows": offer_windows(own, Z, *parameters)})


def pairs(rng, n, spread=0.02):
    return np.repeat(rng.standard_normal((n, 3)), 2, axis=0) + spread * rng.standard_normal((2 * n, 3))


def test_weights_are_of_largest_likelihood(rng):
    """Two fifths of the rows nearly repeat another: the weight says so, and no other choice is likelier."""
    Z = np.concatenate([pairs(rng, 200), rng.standard_normal((600, 3))])
    log_p, own = stats.norm.logpdf(Z).sum(axis=1), np.arange(1000)
    chosen = choose_windows(log_p, own, Z)
    (total, weight), windows = chosen.weights, chosen.parts["windows"]
    of_widths, best = windows.log_densities(Z, own), np.concatenate([[total], weight * windows.weights])
    columns = np.column_stack([log_p, of_widths])

    def likelihood(weights):
        return logsumexp(columns, axis=1, b=weights).mean()

    assert abs(weight - 0.4) < 4 * np.sqrt(0.4 * 0.6 / 1000)
    for other in np.eye(len(best)):
        assert likelihood(0.99 * best + 0.01 * other) <= likelihood(best) + 1e-4


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_the_density_itself_ask_for_nothing(seed):
    Z = np.random.default_rng(seed).standard_normal((500, 3))
    assert choose_windows(stats.norm.logpdf(Z).sum(axis=1), np.arange(500), Z) is None


def test_rows_that_were_not_held_out_do_not_judge_but_serve(rng):
    Z = pairs(rng, 300)
    own = np.sort(rng.permutation(600)[:100])
    chosen = choose_windows(stats.norm.logpdf(Z[own]).sum(axis=1), own, Z)
    assert len(chosen.parts["windows"].centres) == 600
    assert chosen.weight_of["windows"] > 0.9


def test_weights_count_rows(rng):
    Z, weight = pairs(rng, 100), rng.integers(1, 4, 200).astype(float)
    own = np.arange(0, 200, 2)
    chosen = choose_windows(stats.norm.logpdf(Z[own]).sum(axis=1), own, Z, weight)
    np.testing.assert_allclose(chosen.parts["windows"].share, weight / weight.sum())


@pytest.mark.parametrize("narrowest", [1e-6, 0.05, 0.7, 5.0])
def test_no_window_is_narrower_than_the_noise(rng, narrowest):
    Z = pairs(rng, 200, spread=0.001)
    offer = offer_windows(np.arange(400), Z, narrowest=narrowest)
    if narrowest > WIDEST:
        assert offer is None
    else:
        n_widths = offer.log_p.shape[1]
        widths = offer.part(np.full(n_widths, 1.0 / n_widths)).widths
        assert widths.min() >= max(narrowest, NARROWEST) * (1 - 1e-12)
        assert widths.min() < 2.0 * max(narrowest, NARROWEST)


def test_a_useless_density_hands_over_nearly_all(rng):
    Z = rng.standard_normal((300, 2))
    chosen = choose_windows(np.full(300, -1e5), np.arange(300), Z)
    assert chosen.weight_of["windows"] == pytest.approx(1.0 - LEAST, abs=1e-6)
    assert np.isfinite(chosen.log_density(np.full(300, -1e5), Z)).all()
