"""The gradient of a potential by hand and by autograd are two routes to one field and one training."""

import gc
import weakref

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.networks import ResidualMLP  # noqa: E402
from skscore.neural.potential import Potential  # noqa: E402
from skscore.neural.potential_gradient import potential_gradient  # noqa: E402


def network(widths=(6, 6), activation="silu", dropout=0.0, n_waves=0):
    """Two residual networks in float64 whose heads and scales are not zero."""
    generator = torch.Generator().manual_seed(0)
    mlp = ResidualMLP(3, 1, widths, activation, dropout, n_waves, 2).initialise(generator)
    with torch.no_grad():
        mlp.labels.normal_(generator=generator).mul_(0.2)
        mlp.out.normal_(generator=generator)
    return mlp.double()


def inputs(n=6, n_labels=6):
    generator = torch.Generator().manual_seed(1)
    y, target = torch.randn(2, 2, n, 3, generator=generator, dtype=torch.float64)
    return y, torch.randn(2, n_labels, 1, generator=generator, dtype=torch.float64), target


def training(potential, y, c_noise, target):
    """The field, and the gradients of its squared error in y and in all weights."""
    parameters = list(potential.parameters())
    for module in potential.modules():
        if hasattr(module, "generator"):
            module.generator.manual_seed(2)
    y = y.clone().requires_grad_()
    F = potential(y, c_noise)
    gradients = torch.autograd.grad((F - target).square().sum(), [y, *parameters], allow_unused=True)
    return [F.detach(), *gradients]


@pytest.mark.parametrize("activation", ["gelu", "silu", "softplus", "tanh"])
@pytest.mark.parametrize("widths", [(5,), (3, 6, 6), (4, 7, 7, 5)])  # with skips, without, as wide as y
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_two_routes_to_one_training(activation, widths, dropout, wrapped):
    mlp, variance = network(widths, activation, dropout), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    for n_labels in (6, 2, 1):
        by_hand, by_autograd = (
            training(Potential(m, variance), *inputs(n_labels=n_labels)) for m in (mlp, wrapped(mlp))
        )
        for a, b in zip(by_hand, by_autograd, strict=True):
            assert (a is None) == (b is None)  # the constant of the head has no part in it
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_frozen_weights_are_left_alone():
    mlp = network().requires_grad_(False)
    y, c, _ = inputs()
    y.requires_grad_()
    (row,) = torch.autograd.grad(potential_gradient(mlp, y, c)[..., 0].sum(), y)
    (gradient,) = torch.autograd.grad(mlp(y, c).sum(), y, create_graph=True)
    (expected,) = torch.autograd.grad(gradient[..., 0].sum(), y)
    torch.testing.assert_close(row, expected, rtol=1e-9, atol=1e-9)


def test_a_step_leaves_no_tensor_to_the_garbage_collector():
    mlp = network()
    gc.disable()
    try:
        F = potential_gradient(mlp, *inputs()[:2])
        F.square().sum().backward()
        field = weakref.ref(F)
        del F
        assert field() is None
    finally:
        gc.enable()


def test_waves_and_bfloat16_go_by_autograd(wrapped):
    variance = torch.ones(3, dtype=torch.float64)
    y, c, target = inputs()
    waved = [training(Potential(m, variance), y, c, target) for m in (network(n_waves=2), wrapped(network(n_waves=2)))]
    for a, b in zip(*waved, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    mlp = network().float()
    exact = Potential(mlp, variance.float())(y.float(), c.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = Potential(mlp, variance.float())(y.float(), c.float())
    assert 1e-5 < (rounded - exact).abs().max() / exact.abs().max() < 0.1
