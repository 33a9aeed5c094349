"""A fused layer and one that autograd follows are two routes to one network and one gradient."""

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural import networks  # noqa: E402
from skscore.neural.networks import ResidualMLP  # noqa: E402


def network(widths=(24, 24, 24), m=1, n_waves=0, activation="silu", dropout=0.0):
    """A stack in training whose heads and scales are not zero."""
    random = torch.Generator().manual_seed(0)
    mlp = ResidualMLP(3, 2, widths, activation, dropout, n_waves, m).initialise(random)
    with torch.no_grad():
        mlp.labels.normal_(generator=random).mul_(0.2)
        mlp.out.normal_(generator=random)
    return mlp.train()


def inputs(m=1, q=8):
    random = torch.Generator().manual_seed(1)
    y, c = torch.randn(m, 32, 3, generator=random), torch.randn(m, q, 1, generator=random)
    return y, c, torch.randn(m, 32, 2, generator=random)


def step(mlp, y, c, target, rounded=False):
    """The output, and the gradients of its squared error in all weights."""
    mlp.dropout.generator = torch.Generator().manual_seed(2)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
        F = mlp(y, c)
    return [F.detach(), *torch.autograd.grad(((F - target) ** 2).mean(), list(mlp.parameters()))]


@pytest.fixture
def fused_layers(monkeypatch):
    """The calls of the fused layer."""
    calls, fused = [], networks.fused_layer
    monkeypatch.setattr(networks, "fused_layer", lambda *args: calls.append(args) or fused(*args))
    return calls


@pytest.fixture
def both(monkeypatch, fused_layers):
    """Steps by the fused route, and by autograd's."""

    def steps(mlp, *args):
        by_hand = step(mlp, *args)
        assert len(fused_layers) == len(mlp.weights)
        with monkeypatch.context() as patch:
            patch.setattr(networks, "fusible", lambda y: False)
            return zip(by_hand, step(mlp, *args), strict=True)

    return steps


@pytest.mark.parametrize("q", [32, 8, 1])
@pytest.mark.parametrize("widths", [(24,), (24, 24, 24), (16, 24, 24, 9)])  # with skips and without
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("m", "n_waves"), [(1, 0), (3, 2)])
def test_a_step_is_that_of_autograd_to_rounding(both, q, widths, dropout, m, n_waves):
    for a, b in both(network(widths, m, n_waves, dropout=dropout), *inputs(m, q)):
        assert (a - b).abs().max() <= 3e-6 * b.abs().max()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_products_in_bfloat16_leave_a_step_two_digits(both, dropout):
    for a, b in both(network(m=2, dropout=dropout), *inputs(m=2), True):
        assert 0.0 < (a - b).norm() <= 0.01 * b.norm()


@pytest.mark.parametrize("activation", ["gelu", "softplus", "tanh"])
def test_other_activations_go_by_autograd(fused_layers, activation):
    step(network(activation=activation), *inputs())
    assert not fused_layers


def test_double_precision_and_second_derivatives_go_by_autograd(fused_layers):
    mlp, (y, c, target) = network(), inputs()
    step(network().double(), y.double(), c.double(), target.double())
    y.requires_grad_()
    (field,) = torch.autograd.grad(mlp(y, c).sum(), y, create_graph=True)
    assert torch.autograd.grad(field.square().sum(), mlp.weights[0])[0].norm() > 0.0
    assert not fused_layers


@pytest.mark.parametrize("rounded", [False, True])
def test_an_exploded_network_shows_it(rounded):
    mlp, (y, c, _) = network(), inputs()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
        mlp.weights[1][0, 0, 0] = torch.nan
        assert mlp(y, c).isnan().all()
