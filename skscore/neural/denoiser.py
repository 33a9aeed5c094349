r"""A trained network as a noise-conditional score in numpy.

With λ the variances of the reference Gaussian, :math:`r_j = \sqrt{\sigma^2+\lambda_j}` and :math:`y = x/r`, the network
F corrects the score of that Gaussian (Karras et al., 2022, eq. 7, in each direction):

.. math:: s_j(x, \sigma) = -\frac{x_j}{r_j^2} + \frac{\sqrt{\lambda_j}}{\sigma r_j} F_j(y;\ \tfrac14\log\sigma)

F is the mean of several networks. They compute in float32, the sum above is in float64, and rows pass in blocks of a
fixed size, the last one padded: so a row's value depends neither on its neighbours nor on their number. On a CPU that
multiplies in bfloat16 the divergence behind a log-density is computed in it, which moves rows by less than 0.001 nat in
the mean.

References
----------
Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based generative
models. NeurIPS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np

from ..formulas.schedules import Preconditioning
from ._torch import torch
from .devices import available, multiplies_bfloat16, threads_for
from .one_level import output_at
from .stacks import Architecture, load_weights
from .tangents import output_and_curvature, output_and_traces

__all__ = ["Denoiser"]

LOADED: WeakKeyDictionary = WeakKeyDictionary()  # networks at work, and their device, as long as a denoiser lives
SCORE_ROWS = {"cpu": 512, "cuda": 65536, "mps": 16384}  # rows of one block; on a CPU its activations stay in cache
TANGENT_ROWS = {"cpu": 1408, "cuda": 262144, "mps": 65536}  # rows times directions
FEWEST_ROWS = 8  # of a block


@dataclass(frozen=True, eq=False)
class Denoiser:
    """Networks trained together, their outputs averaged: a ``NoiseConditionalScore`` with directional derivatives.

    Parameters
    ----------
    build : Architecture
    weights : list of dict of ndarray
        Trained weights of each network, by name.
    variance : ndarray of shape (d,)
        λ.
    shrinkage : callable, optional
        κ(σ), factor of the averaged output.
    probes : ndarray of shape (K, d), optional
        Rademacher directions that estimate the divergence; None if it is exact.
    n_folds : int
        Folds of the rows; networks of one fold, which have not seen it, follow each other.
    device : str
        Where the networks compute; the CPU if this machine has no such device.
    """

    build: Architecture
    weights: list
    variance: np.ndarray
    shrinkage: Callable | None = None
    probes: np.ndarray | None = None
    n_folds: int = 1
    device: str = "cpu"

    def part(self, index):
        """The networks that have not seen the fold of this index."""
        size = len(self.weights) // self.n_folds
        return replace(self, weights=self.weights[index * size : (index + 1) * size])

    @property
    def _loaded(self):
        """The trained networks, and the device that they are on."""
        return LOADED.get(self) or LOADED.setdefault(self, self._load(torch.device(available(self.device))))

    @torch.inference_mode(False)
    def _load(self, device):
        stacks = self.build.stacks(len(self.weights))
        try:
            load_weights(stacks, self.weights)
        except (KeyError, RuntimeError):
            raise ValueError(
                "the weights of this density are those of another network than this version of skscore builds: fit it "
                "anew, or read it with the version that fitted it."
            ) from None
        return [stack.to(device).requires_grad_(False).eval() for stack in stacks], device

    @property
    def rounds(self):
        """Whether the divergence behind a log-density is computed in bfloat16."""
        return multiplies_bfloat16(self._loaded[1])

    def output(self, Y, sigma):
        """F of rows (n, d), or of more columns if the networks know more, shape (n, d)."""
        (F,) = self._blocks(lambda stack, c: _single(output_at(stack, c)), sigma, SCORE_ROWS, Y)
        return F

    def output_and_traces(self, Y, sigma, directions, covectors, rounded=False):
        """F, and ℓ_kᵀ (∂F/∂y) v_k for directions and covectors (K, d), shape (n, K); see ``tangents``."""
        V, L = (_tensor(A, self._loaded[1]) for A in (directions, covectors))
        rows = {kind: number // len(directions) for kind, number in TANGENT_ROWS.items()}
        return self._blocks(lambda stack, c: output_and_traces(stack, c, V, L, rounded), sigma, rows, Y)

    def score(self, X, sigma):
        """∇ log p_σ of rows (n, d)."""
        level = Preconditioning(sigma, self.variance)
        return level.score(self.output(X / level.r, sigma), X)

    def score_and_divergence(self, X, sigma):
        """∇ log p_σ of rows (n, d) and its divergence, a column for each probe, one if it is exact."""
        directions = np.eye(len(self.variance)) if self.probes is None else self.probes
        score, traces = self._score_and_traces(X, sigma, directions, self.rounds)
        return score, traces.sum(axis=1, keepdims=True) if self.probes is None else traces

    def traces(self, X, sigma, directions):
        """Σ_k v_kᵀ ∇² log p_σ v_k of rows (n, d) over directions (K, d), shape (n,)."""
        return self._score_and_traces(X, sigma, directions)[1].sum(axis=1)

    def _score_and_traces(self, X, sigma, directions, rounded=False):
        level = Preconditioning(sigma, self.variance)
        axes = directions / level.r, directions * level.out / sigma**2
        F, traces = self.output_and_traces(X / level.r, sigma, *axes, rounded)
        return level.score(F, X), traces - (directions**2 / level.r**2).sum(axis=1)

    def curvature(self, X, sigma, V):
        """vᵀ ∇² log p_σ v of rows (n, d) along directions V (d,) or (n, d), shape (n,)."""
        level = Preconditioning(sigma, self.variance)
        V = np.broadcast_to(V, X.shape)
        inputs = X / level.r, V / level.r, V * level.out / sigma**2
        _, bent = self._blocks(lambda stack, c: partial(output_and_curvature, stack, c), sigma, SCORE_ROWS, *inputs)
        return bent - (V**2 / level.r**2).sum(axis=1)

    def log_potential(self, X, sigma):
        """Log-density of rows (n, d) up to a constant, for networks that are gradients of a potential, shape (n,)."""
        r = Preconditioning(sigma, self.variance).r
        (potential,) = self._blocks(
            lambda stack, c: lambda y: (stack.potential(_repeated(y, c), c),), sigma, SCORE_ROWS, X / r
        )
        return potential / sigma - 0.5 * (X**2 / r**2).sum(axis=1)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _blocks(self, rule_of, sigma, rows_of, *inputs):
        """Means over the networks of what their rules return, in float64, from blocks of exactly as many rows."""
        stacks, device = self._loaded
        n, together = len(inputs[0]), stacks[0].n_networks
        rows = max(FEWEST_ROWS, rows_of[device.type] // together) // 8 * 8
        padded = np.zeros((len(inputs), -(-n // rows) * rows, inputs[0].shape[1]), dtype=np.float32)
        padded[:, :n] = inputs
        label = torch.full((together, 1, 1), 0.25 * np.log(sigma), dtype=torch.float32, device=device)
        blocks = torch.from_numpy(padded).split(rows, 1)
        size = together * sum(value.size for value in self.weights[0].values())
        with threads_for(rows * size):
            values = [_passed(rule_of(stack, label), blocks, device) for stack in stacks]
        means = (sum(value) / len(value) for value in zip(*values, strict=True))
        factor = 1.0 if self.shrinkage is None else self.shrinkage(sigma)
        return [factor * mean[:n] for mean in means]


@torch.inference_mode(False)
def _tensor(array, device):
    return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(device)


def _single(output):
    """A rule with one result."""
    return lambda y: (output(y),)


def _repeated(y, c_noise):
    """Rows y (n, d) for each network of a stack, (m, n, d)."""
    return y.expand(len(c_noise), -1, -1)


def _passed(rule, blocks, device):
    """Means over a stack's networks of what their rule returns for all blocks."""
    parts = [rule(*block.to(device)) for block in blocks]
    return [torch.cat(part, 1).cpu().double().mean(0).numpy() for part in zip(*parts, strict=True)]
