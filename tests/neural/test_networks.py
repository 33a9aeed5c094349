"""The residual network: where it starts, what it drops, and which random numbers it uses."""

import math

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.networks import Dropout, ResidualMLP, fourier_features  # noqa: E402


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate):
    layer = Dropout(rate).train()
    layer.generator = generator()
    n = 200_003  # not a whole number of words
    out = layer(torch.ones(n))
    kept = out > 0
    actual = round(256 * rate) / 256
    assert abs(actual - rate) <= 1 / 512
    assert abs((~kept).double().mean().item() - actual) < 5 * math.sqrt(actual * (1 - actual) / n)
    assert out[kept].unique().item() == pytest.approx(1 / (1 - actual))
    assert abs(out.double().mean().item() - 1) < 5 * math.sqrt(actual / (1 - actual) / n)


def test_neighbouring_units_drop_independently():
    layer = Dropout(0.5).train()
    layer.generator = generator()
    dropped = layer(torch.ones(100_000)).eq(0).double() - 0.5
    for lag in (1, 2, 4, 8):
        assert abs(4 * (dropped[lag:] * dropped[:-lag]).mean().item()) < 5 / math.sqrt(100_000)


def test_dropout_uses_its_own_generator_alone():
    layer = Dropout(0.5).train()
    before = torch.random.get_rng_state()
    masks = []
    for seed in (3, 3, 4):
        layer.generator = generator(seed)
        masks.append(layer(torch.ones(64)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_no_dropout_outside_training_or_at_rate_zero():
    h = torch.arange(5.0)
    assert torch.equal(Dropout(0.5).eval()(h), h)
    assert torch.equal(Dropout(0.0).train()(h), h)


def test_the_head_starts_at_zero_and_the_seed_decides():
    networks = [ResidualMLP(3, 3, (8, 8)).initialise(generator(seed)) for seed in (0, 0, 1)]
    y, c = torch.ones(1, 4, 3), torch.zeros(1, 4, 1)
    assert torch.equal(networks[0](y, c), torch.zeros(1, 4, 3))
    first = [next(network.parameters()) for network in networks]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_initial_weights_have_variance_one_third_of_fan_in():
    weight = ResidualMLP(16, 16, (400, 400)).initialise(generator()).weights[1]
    assert weight.var().item() == pytest.approx(1 / (3 * 400), rel=0.02)


def test_features_of_the_noise_label():
    features = fourier_features(torch.tensor([[0.5]], dtype=torch.float64))[0]
    angles = 2 * math.pi * 0.5 * torch.arange(1, 5, dtype=torch.float64) / 4
    torch.testing.assert_close(features, torch.cat([torch.tensor([0.5]).double(), angles.cos(), angles.sin()]))


def stack(m=3, activation="silu"):
    """A stack of networks in float64 whose heads and scales are not zero."""
    random = generator(2)
    mlp = ResidualMLP(2, 2, (5, 5, 4), activation, n_networks=m).initialise(random).double()
    with torch.no_grad():
        for parameter in (mlp.labels, mlp.out, mlp.out_bias):
            parameter.normal_(generator=random)
    return mlp.eval()


def test_networks_of_a_stack_do_not_see_each_other():
    random, mlp = generator(1), stack()
    y = torch.randn(3, 6, 2, generator=random, dtype=torch.float64)
    c = torch.randn(3, 6, 1, generator=random, dtype=torch.float64)
    together = mlp(y, c)
    for k in range(3):
        alone = ResidualMLP(2, 2, (5, 5, 4)).initialise(generator()).double().eval()
        with torch.no_grad():
            for own, stacked in zip(alone.parameters(), mlp.parameters(), strict=True):
                own.copy_(stacked[k : k + 1])
        torch.testing.assert_close(alone(y[k : k + 1], c[k : k + 1])[0], together[k])


def test_rows_in_turn_share_a_label():
    random, mlp = generator(1), stack()
    y = torch.randn(3, 6, 2, generator=random, dtype=torch.float64)
    c = torch.randn(3, 2, 1, generator=random, dtype=torch.float64)
    torch.testing.assert_close(mlp(y, c), mlp(y, c.repeat_interleave(3, dim=1)))
    torch.testing.assert_close(mlp(y, c[:, :1]), mlp(y, c[:, :1].expand(-1, 6, -1)))


def test_the_label_shifts_and_scales_the_units():
    """The formula of the module, written out for one row of one network."""
    mlp, c = stack(m=1), torch.full((1, 1, 1), 0.3, dtype=torch.float64)
    y = torch.tensor([[[0.4, -1.1]]], dtype=torch.float64)
    labels = (fourier_features(c[0, 0]) @ mlp.labels[0]).split([5, 5, 4, 5, 5])
    a = torch.nn.functional.silu

    def n(h):
        return (h - h.mean()) / (h.var(unbiased=False) + 1e-5).sqrt()

    h = a(y[0, 0] @ mlp.weights[0][0] + labels[0] + mlp.biases[0][0, 0])
    h = h + a((1 + labels[3]) * n(h) @ mlp.weights[1][0] + labels[1] + mlp.biases[1][0, 0])
    h = a((1 + labels[4]) * n(h) @ mlp.weights[2][0] + labels[2] + mlp.biases[2][0, 0])
    torch.testing.assert_close(mlp(y, c)[0, 0], n(h) @ mlp.out[0] + mlp.out_bias[0, 0])
