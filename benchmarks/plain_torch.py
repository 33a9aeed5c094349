"""The residual network, its training and its divergence as written by hand in torch, and a training by torchebm."""

from __future__ import annotations

import math
from importlib.util import find_spec
from itertools import pairwise

import torch
from torch import nn

from skscore.formulas.schedules import Preconditioning
from skscore.neural.networks import N_FREQUENCIES
from skscore.samplers import NoiseConditionalScore


class PlainNetwork(nn.Module):
    """The architecture of ``skscore.neural.networks.ResidualMLP``, for one network, layer by layer."""

    def __init__(self, n_features, n_outputs, hidden_layer_sizes, dropout):
        super().__init__()
        widths = [n_features, *hidden_layer_sizes]
        self.sizes = [*widths[1:], *widths[1:-1]]  # of the shifts, then of the scales
        self.weights = nn.ParameterList(uniform(a, b) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(uniform(1, b) for b in widths[1:])
        self.labels = uniform(1 + 2 * N_FREQUENCIES, sum(self.sizes))
        self.out, self.out_bias = uniform(widths[-1], n_outputs), uniform(1, n_outputs)
        self.activation, self.dropout = nn.SiLU(), nn.Dropout(dropout)
        self.register_buffer("angles", 2 * math.pi * torch.arange(1, 1 + N_FREQUENCIES) / 4)

    def forward(self, y, c_noise):
        """F of rows y (n, d) at noise labels c_noise (q, 1), each that of n/q rows in turn."""
        e = torch.cat([c_noise, torch.cos(c_noise * self.angles), torch.sin(c_noise * self.angles)], dim=1)
        labels = (e @ self.labels).repeat_interleave(len(y) // len(c_noise), dim=0).split(self.sizes, dim=1)
        shifts, scales = labels[: len(self.weights)], labels[len(self.weights) :]
        h = self.activation(y @ self.weights[0] + self.biases[0] + shifts[0])
        for weight, bias, shift, scale in zip(self.weights[1:], self.biases[1:], shifts[1:], scales, strict=True):
            unit = (1 + scale) * normalised(h)
            h = h + self.dropout(self.activation(unit @ weight + bias + shift))
        return normalised(h) @ self.out + self.out_bias


def uniform(fan_in, size):
    """Return a matrix of weights as torch's linear layers begin with."""
    return nn.Parameter((2 * torch.rand(fan_in, size) - 1) / fan_in**0.5)


def normalised(h):
    """Return the layer normalisation of units without parameters."""
    return nn.functional.layer_norm(h, h.shape[-1:])


def bare_step(network, rows, batch_size):
    """Return a function that takes one step: noise in fours of one level, a squared error, AdamW, and nothing else."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step():
        x = rows[torch.randint(len(rows), (batch_size,))]
        levels = torch.exp(1.6 * torch.randn(batch_size // 4, 1) - 1.5)
        sigma = levels.repeat_interleave(4, dim=0)
        noisy = x + sigma * torch.randn_like(x)
        r = torch.sqrt(sigma**2 + 1.0)
        target = (x - noisy / r**2) * r / sigma
        loss = ((network(noisy / r, 0.25 * levels.log()) - target) ** 2).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def plain_target(network, variance, shrinkage):
    """Return the score of a network, and its divergence by one backward pass for each column."""

    def evaluate(x, sigma):
        y = torch.from_numpy(x / Preconditioning(sigma, variance).r).float().requires_grad_()
        return y, network(y, torch.full((1, 1), 0.25 * math.log(sigma)))

    def numpy(F, sigma):
        return shrinkage(sigma) * F.detach().double().numpy()

    def score(x, sigma):
        with torch.no_grad():
            return Preconditioning(sigma, variance).score(numpy(evaluate(x, sigma)[1], sigma), x)

    def score_and_divergence(x, sigma):
        level, (y, F) = Preconditioning(sigma, variance), evaluate(x, sigma)
        slopes = [torch.autograd.grad(F[:, j].sum(), y, retain_graph=True)[0][:, j] for j in range(len(variance))]
        slopes = numpy(torch.stack(slopes, dim=1), sigma) * level.out / (sigma**2 * level.r)
        return level.score(numpy(F, sigma), x), (slopes - 1 / level.r**2).sum(axis=1, keepdims=True)

    return NoiseConditionalScore(score, score_and_divergence, variance)


def torchebm_step(network, rows, batch_size):
    """Return the same for torchebm's denoising score matching of an energy; None where torchebm is not installed."""
    if find_spec("torchebm") is None:
        return None
    from torchebm.core import BaseModel
    from torchebm.losses import DenoisingScoreMatching

    class Energy(BaseModel):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x, c_noise):
            return self.network(x[None], c_noise[None])[0, :, 0]

    model = Energy()
    loss_of, optimizer = (
        DenoisingScoreMatching(model=model, noise_scale=0.1),
        torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True),
    )

    def step():
        x = rows[torch.randint(len(rows), (batch_size,))]
        c_noise = 0.25 * (1.5 * torch.randn(batch_size, 1) - 1.0)
        loss = loss_of(x, model_kwargs={"c_noise": c_noise})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
