r"""A trained network as a noise-conditional score in numpy.

With λ the variances of the reference Gaussian, :math:`r_j = \sqrt{\sigma^2+\lambda_j}` and :math:`y = x/r`, the network
F corrects the score of that Gaussian (Karras et al., 2022, eq. 7, in each direction):

.. math:: s_j(x, \sigma) = -\frac{x_j}{r_j^2} + \frac{\sqrt{\lambda_j}}{\sigma r_j} F_j(y;\ \tfrac14\log\sigma)

The network computes in float32, the sum above is in float64, and rows pass in blocks of a fixed size, the last one
padded: so a row's value depends neither on its neighbours nor on their number.

References
----------
Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based generative
models. NeurIPS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..formulas.schedules import Preconditioning
from .devices import available, threads_for
from .tangents import field_and_curvature, field_and_traces

__all__ = ["Denoiser", "NoisyField"]

SCORE_ROWS = {"cpu": 256, "cuda": 65536, "mps": 16384}  # rows of one block; on a CPU its activations stay in cache
TANGENT_ROWS = {"cpu": 2048, "cuda": 262144, "mps": 65536}  # rows times directions


@dataclass(frozen=True, eq=False)
class Denoiser:
    """Networks that share one job, their fields averaged.

    Parameters
    ----------
    build : callable
        Makes an untrained network.
    weights : list of dict of ndarray
        Trained weights of each network, by name.
    variance : ndarray of shape (d,)
        λ.
    shrinkage : callable, optional
        κ(σ), factor of the averaged output.
    probes : ndarray of shape (K, d), optional
        Rademacher directions that estimate the divergence; exact where None.
    n_folds : int
        Folds of the rows; networks of one fold, which have not seen it, follow each other.
    """

    build: Callable
    weights: list
    variance: np.ndarray
    shrinkage: Callable | None = None
    probes: np.ndarray | None = None
    n_folds: int = 1

    def field(self, device="cpu"):
        """The averaged networks on `device`, or on the CPU where this machine has no such device."""
        return NoisyField(self, available(device))

    def part(self, index):
        """The networks that have not seen the fold of this index."""
        size = len(self.weights) // self.n_folds
        return replace(self, weights=self.weights[index * size : (index + 1) * size])

    @torch.inference_mode(False)
    def networks(self, device):
        """The trained networks, on `device`."""
        loaded = []
        for weights in self.weights:
            network = self.build()
            tensors = {name: torch.tensor(value, device=device) for name, value in weights.items()}
            network.load_state_dict(tensors, assign=True)
            loaded.append(network.to(device).requires_grad_(False).eval())
        return loaded


class NoisyField:
    """Score of a denoiser at every noise level: a ``NoiseConditionalScore``, with directional derivatives.

    Parameters
    ----------
    denoiser : Denoiser
    device : str
    """

    def __init__(self, denoiser, device):
        self.variance, self.device = denoiser.variance, device
        self._networks = denoiser.networks(device)
        self._size = sum(value.size for value in denoiser.weights[0].values())
        self._shrinkage = denoiser.shrinkage or (lambda sigma: 1.0)
        d = len(self.variance)
        self._probes = np.eye(d) if denoiser.probes is None else denoiser.probes
        self._exact = denoiser.probes is None
        self._kind = torch.device(device).type

    def score(self, X, sigma):
        """∇ log p_σ of rows (n, d)."""
        level = Preconditioning(sigma, self.variance)
        (F,) = self._blocks(lambda network, c: lambda y: (network(y, c),), sigma, SCORE_ROWS[self._kind], X / level.r)
        return level.score(F, X)

    def score_and_divergence(self, X, sigma):
        """∇ log p_σ of rows (n, d) and its divergence, a column for each probe, one where it is exact."""
        score, traces = self._score_and_traces(X, sigma, self._probes)
        return score, traces.sum(axis=1, keepdims=True) if self._exact else traces

    def traces(self, X, sigma, directions):
        """Σ_k v_kᵀ ∇² log p_σ v_k of rows (n, d) over directions (K, d), shape (n,)."""
        return self._score_and_traces(X, sigma, directions)[1].sum(axis=1)

    def _score_and_traces(self, X, sigma, directions):
        level = Preconditioning(sigma, self.variance)
        V, L = (self._tensor(A) for A in (directions / level.r, directions * level.out / sigma**2))
        rows = max(8, TANGENT_ROWS[self._kind] // len(directions) // 8 * 8)
        F, traces = self._blocks(lambda network, c: field_and_traces(network, c[:1], V, L), sigma, rows, X / level.r)
        return level.score(F, X), traces - (directions**2 / level.r**2).sum(axis=1)

    def curvature(self, X, sigma, V):
        """vᵀ ∇² log p_σ v of rows (n, d) along directions V (d,) or (n, d), shape (n,)."""
        level = Preconditioning(sigma, self.variance)
        V = np.broadcast_to(V, X.shape)
        inputs = X / level.r, V / level.r, V * level.out / sigma**2
        _, bent = self._blocks(
            lambda network, c: lambda y, v, ell: field_and_curvature(network, y, c, v, ell),
            sigma,
            SCORE_ROWS[self._kind],
            *inputs,
        )
        return bent - (V**2 / level.r**2).sum(axis=1)

    def log_potential(self, X, sigma):
        """Log-density of rows (n, d) up to a constant, for networks that are gradients of a potential, shape (n,)."""
        r = Preconditioning(sigma, self.variance).r
        rows = SCORE_ROWS[self._kind]
        (potential,) = self._blocks(lambda network, c: lambda y: (network.potential(y, c),), sigma, rows, X / r)
        return potential / sigma - 0.5 * (X**2 / r**2).sum(axis=1)

    @torch.inference_mode(False)
    def _tensor(self, array):
        return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(self.device)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _blocks(self, rule_of, sigma, rows, *inputs):
        """Means over the networks of what their rules return, in float64, from blocks of exactly `rows` rows."""
        n = len(inputs[0])
        padded = np.zeros((len(inputs), -(-n // rows) * rows, inputs[0].shape[1]), dtype=np.float32)
        padded[:, :n] = inputs
        label = torch.full((1, 1), 0.25 * np.log(sigma), dtype=torch.float32, device=self.device).expand(rows, 1)
        blocks = torch.from_numpy(padded).split(rows, 1)
        with threads_for(rows * self._size):
            values = [self._passed(rule_of(network, label), blocks) for network in self._networks]
        means = (sum(value) / len(value) for value in zip(*values, strict=True))
        return [self._shrinkage(sigma) * mean[:n] for mean in means]

    def _passed(self, rule, blocks):
        """What a network's rule returns for all blocks."""
        parts = [rule(*block.to(self.device)) for block in blocks]
        return [torch.cat(part).cpu().double().numpy() for part in zip(*parts, strict=True)]
