"""Noise levels and noisy batches on the device are those of formulas.schedules, and the weight in nats is one."""

import numpy as np
import pytest

from skscore.formulas.schedules import Preconditioning, geometric_ladder, log_normal, log_uniform

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.noise_schedule import NoiseSchedule, noise_schedule, noisy_batch  # noqa: E402

ENDS = 0.01, 20.0
SCHEDULES = {
    "lognormal": noise_schedule(*ENDS),
    "loguniform": noise_schedule(*ENDS, distribution="loguniform"),
    "ladder": noise_schedule(*ENDS, levels=geometric_ladder(*ENDS, 7)),
    "one level": noise_schedule(0.3, 0.3, levels=np.array([0.3])),
}
VARIANCE = np.array([2.5, 0.4, 1.0])


@pytest.fixture(params=SCHEDULES)
def levels(request):
    return SCHEDULES[request.param]


def uniforms(n):
    return (torch.arange(n) + 0.5) / n


@pytest.mark.parametrize(
    ("name", "quantile"), [("lognormal", lambda u: log_normal(u, -1.5, 1.6, *ENDS)), ("loguniform", None)]
)
def test_quantiles_are_the_schedule(name, quantile):
    quantile = quantile or (lambda u: log_uniform(u, *ENDS))
    u = np.linspace(0.0, 1.0, 401)
    log_sigma, _ = SCHEDULES[name](torch.tensor(u, dtype=torch.float32))
    np.testing.assert_allclose(log_sigma.exp(), quantile(u), rtol=0.02)
    np.testing.assert_allclose(log_sigma[[0, -1]].exp(), ENDS, rtol=1e-6)


def test_a_ladder_draws_each_level_equally_often():
    log_sigma, _ = SCHEDULES["ladder"](uniforms(700))
    values, counts = torch.unique(log_sigma, return_counts=True)
    np.testing.assert_allclose(values.exp(), geometric_ladder(*ENDS, 7)[::-1], rtol=1e-6)
    assert counts.tolist() == [100] * 7


def test_the_slope_turns_means_into_integrals(levels):
    """E[slope f(log σ)] = ∫ f d log σ; by the trapezoidal rule on a ladder, times one for a level alone."""
    log_sigma, slope = levels(uniforms(100_000))

    def f(t):
        return np.exp(-(t**2) / 4)

    if len(levels.table) == 1:
        expected = f(np.log(0.3))
    elif len(levels.table) == 7:
        nodes = np.log(geometric_ladder(*ENDS, 7)[::-1])
        expected = np.gradient(nodes) @ f(nodes)
    else:
        fine = np.linspace(*np.log(ENDS), 10_001)
        expected = np.trapezoid(f(fine), fine)
    found = (slope.double().numpy() * f(log_sigma.double().numpy())).mean()
    assert found == pytest.approx(expected, rel=2e-3)


def test_noisy_batch_is_the_preconditioning(levels, rng):
    x, z = rng.standard_normal((2, 50, 3))
    rows, noise = torch.tensor(x).float(), torch.tensor(z).float()
    batch = noisy_batch(rows, uniforms(50), noise, levels, torch.tensor(VARIANCE).float())
    level = Preconditioning(batch.sigma.double().numpy(), VARIANCE)
    noisy = x + level.sigma * z
    np.testing.assert_allclose(batch.y, noisy / level.r, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batch.c_noise, 0.25 * np.log(level.sigma), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(batch.target, level.target(x, noisy), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(batch.nats, level.skip * levels(uniforms(50))[1].numpy()[:, None], rtol=1e-5)


@pytest.mark.parametrize("name", ["lognormal", "loguniform"])
def test_the_loss_in_nats_is_a_difference_of_log_likelihoods(name):
    """Rows of N(0, v), a reference N(0, λ), and the best denoiser of the rows, which is linear and so is its F.

    Exactly, t = (x − λx̃/r²)/out, F = (v/(v + σ²) − λ/r²) x̃/out; the expected gain is an integral in closed form.
    """
    levels = SCHEDULES[name]
    true, reference, n = 0.3, 1.0, 400_000
    generator = torch.Generator().manual_seed(0)
    rows = np.sqrt(true) * torch.randn(n, 1, generator=generator)
    noise = torch.randn(n, 1, generator=generator)
    batch = noisy_batch(rows, uniforms(n), noise, levels, torch.ones(1))
    s2, t = batch.sigma**2, batch.target
    r = (s2 + reference).sqrt()
    F = (true / (true + s2) - reference / r**2) * batch.y * r * r / (batch.sigma * np.sqrt(reference))
    gain = (batch.nats * (t**2 - (F - t) ** 2)).sum(dim=1).double()
    # KL of N(0, true) from N(0, reference), both with noise: the bottom level less the top one
    bottom, top = ((_kl(true + s**2, reference + s**2)) for s in ENDS)
    assert gain.mean().item() == pytest.approx(bottom - top, abs=5 * gain.std().item() / np.sqrt(n) + 2e-3)


def _kl(v, w):
    return 0.5 * (v / w - 1 + np.log(w / v))


def test_quantiles_stay_between_the_ends(levels):
    log_sigma, _ = levels(torch.tensor([0.0, 1.0 - 1e-7, 1.0]))
    assert torch.isfinite(log_sigma).all()
    assert (log_sigma >= levels.table[0]).all()
    assert (log_sigma <= levels.table[-1] + 1e-5).all()


def test_ladders_are_sorted():
    assert NoiseSchedule.ladder([1.0, 0.1, 10.0], "cpu").table.diff().gt(0).all()
