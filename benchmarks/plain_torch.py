"""The residual network, its training and its divergence as written by hand in torch, and a training by torchebm."""

from __future__ import annotations

import math
from importlib.util import find_spec
from itertools import pairwise

import torch
from torch import nn

from skscore.formulas.schedules import Preconditioning
from skscore.samplers import NoiseConditionalScore


class PlainNetwork(nn.Module):
    """The architecture of ``skscore.neural.networks.ResidualMLP``, layer by layer."""

    def __init__(self, n_features, n_outputs, hidden_layer_sizes, dropout):
        super().__init__()
        widths = [n_features, *hidden_layer_sizes]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.labels = nn.ModuleList(nn.Linear(33, b, bias=False) for b in widths[1:])
        self.norms = nn.ModuleList(nn.LayerNorm(b, elementwise_affine=False) for b in widths[1:])
        self.out = nn.Linear(widths[-1], n_outputs)
        self.activation, self.dropout = nn.SiLU(), nn.Dropout(dropout)
        self.register_buffer("angles", 2 * math.pi * torch.arange(1, 17) / 4)

    def forward(self, y, c_noise):
        """F of rows y (n, d) at noise labels c_noise (n, 1)."""
        e = torch.cat([c_noise, torch.cos(c_noise * self.angles), torch.sin(c_noise * self.angles)], dim=1)
        h = self.activation(self.layers[0](y) + self.labels[0](e))
        for layer, label, norm in zip(self.layers[1:], self.labels[1:], self.norms[:-1], strict=True):
            h = h + self.dropout(self.activation(layer(norm(h)) + label(e)))
        return self.out(self.norms[-1](h))


def bare_step(network, rows, batch_size):
    """Return a function that takes one step: log-normal noise levels, a squared error, AdamW, and nothing else."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step():
        x = rows[torch.randint(len(rows), (batch_size,))]
        sigma = torch.exp(1.5 * torch.randn(batch_size, 1) - 1.0)
        noisy = x + sigma * torch.randn_like(x)
        r = torch.sqrt(sigma**2 + 1.0)
        target = (x - noisy / r**2) * r / sigma
        loss = ((network(noisy / r, 0.25 * sigma.log()) - target) ** 2).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def plain_target(network, variance, shrinkage):
    """Return the score of a network, and its divergence by one backward pass for each column."""

    def evaluate(x, sigma):
        y = torch.from_numpy(x / Preconditioning(sigma, variance).r).float().requires_grad_()
        return y, network(y, torch.full((len(y), 1), 0.25 * math.log(sigma)))

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
            return self.network(x, c_noise).squeeze(1)

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
