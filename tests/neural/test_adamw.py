"""AdamW in one pass, in torch's operations, and torch's own."""

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural.adamw import BETAS, AdamW  # noqa: E402

RATES = [1e-3, 3e-2, 1e-2]
CLIP, DECAY, AVERAGING = 3.0, 0.1, 0.9


def tensors(dtype=torch.float32):
    """Weights of two networks of 37 weights, and gradients of which some are too long."""
    random = torch.Generator().manual_seed(0)
    theta, *gradients = torch.randn(4, 2, 37, generator=random, dtype=torch.float64)
    gradients = [gradient * torch.tensor([[0.1], [2.0]], dtype=torch.float64) for gradient in gradients]
    return theta.to(dtype), [gradient.to(dtype) for gradient in gradients]


def trained(dtype=torch.float32):
    theta, gradients = tensors(dtype)
    weights = AdamW(theta, DECAY, CLIP)
    for gradient, rate in zip(gradients, RATES, strict=True):
        weights.step(gradient, rate, AVERAGING)
    return weights


def test_steps_are_those_of_torch_with_each_network_clipped_on_its_own():
    networks, gradients = tensors(torch.float64)
    averages = networks.clone()
    for k, (theta, average) in enumerate(zip(networks, averages, strict=True)):
        optimizer = torch.optim.AdamW([theta], weight_decay=DECAY, betas=BETAS)
        for gradient, rate in zip(gradients, RATES, strict=True):
            theta.grad = gradient[k].clone()
            torch.nn.utils.clip_grad_norm_([theta], CLIP)
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            average.lerp_(theta, 1.0 - AVERAGING)
    weights = trained(torch.float64)
    torch.testing.assert_close(weights.theta, networks)
    torch.testing.assert_close(weights.average, averages)
    assert gradients[0][1].norm() > CLIP > gradients[0][0].norm()


def test_one_pass_is_the_operations_to_rounding():
    single, double = trained(), trained(torch.float64)
    for name in ("theta", "average", "first", "second"):
        torch.testing.assert_close(getattr(single, name).double(), getattr(double, name), rtol=1e-5, atol=1e-7)


def test_a_state_is_all_that_the_next_step_depends_on():
    weights, (theta, gradients) = trained(), tensors()
    other, kept = AdamW(theta, DECAY, CLIP), weights.state()
    other.restore(kept)
    for each in (weights, other):
        each.step(gradients[0], 0.1, AVERAGING)
    assert torch.equal(weights.theta, other.theta)
    assert torch.equal(weights.average, other.average)
    assert not torch.equal(weights.theta, kept["theta"])
