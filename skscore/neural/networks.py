r"""The residual network of a noise-conditional score.

.. math::

   h_1 &= a(W_1 y + V_1 e), \\
   h_{l+1} &= h_l + a(W_{l+1}\,\mathrm{n}(h_l) + V_{l+1} e), \\
   F &= W_{out}\,\mathrm{n}(h_L)

with n the layer normalisation without parameters, a the activation and e the Fourier features of the noise label
:math:`c = \tfrac14\log\sigma`. Where two neighbouring layers differ in width the skip between them is left out. The
last layer starts at zero, so that at step 0 the model is the reference Gaussian.

Every random number comes from a generator handed in: torch's global one is neither read nor moved.

References
----------
Tancik, M., et al. (2020). Fourier features let networks learn high frequency functions in low dimensional domains.
NeurIPS.
"""

from __future__ import annotations

import math
from itertools import pairwise

from ._torch import nn, torch
from .layers import ACTIVATIONS, product

__all__ = ["Dropout", "ResidualMLP", "fourier_features", "normalise", "wave_tangents", "waves"]

FUSED = {"gelu": nn.GELU, "silu": nn.SiLU, "softplus": nn.Softplus, "tanh": nn.Tanh}  # one pass where autograd follows
N_FREQUENCIES = 16
EPS = 1e-5  # of the layer normalisation


def fourier_features(c_noise):
    """Features (c, cos 2πfc, sin 2πfc), f = ¼, ½, …, 4, of noise labels (n, 1), of one alone where it was expanded."""
    if c_noise.stride(0) == 0:  # the same label n times
        c_noise = c_noise[:1]
    frequencies = torch.arange(1, N_FREQUENCIES + 1, dtype=c_noise.dtype, device=c_noise.device) / 4.0
    angle = 2.0 * math.pi * c_noise * frequencies
    return torch.cat([c_noise, angle.cos(), angle.sin()], dim=1)


def waves(y, n_waves):
    """Rows y (n, d) followed by their sines and cosines at the frequencies π/2, π, 2π, …: (n, (1 + 2 n_waves) d)."""
    angles = [0.5 * math.pi * 2.0**k * y for k in range(n_waves)]
    return torch.cat([y, *(angle.sin() for angle in angles), *(angle.cos() for angle in angles)], dim=1)


def wave_tangents(y, n_waves, directions):
    """Derivatives of `waves` along directions (K, d): (K, n, (1 + 2 n_waves) d), or (K, 1, d) without waves."""
    V = directions[:, None, :]
    if n_waves == 0:
        return V
    frequencies = [0.5 * math.pi * 2.0**k for k in range(n_waves)]
    sines = [f * (f * y).cos() * V for f in frequencies]
    cosines = [-f * (f * y).sin() * V for f in frequencies]
    return torch.cat([V.expand(-1, len(y), -1), *sines, *cosines], dim=2)


def normalise(h):
    """Layer normalisation without parameters: (h − mean) / sd of each row, and 1 / sd (n, 1)."""
    unit, _, inverse_sd = torch.native_layer_norm(h, h.shape[1:], None, None, EPS)
    return unit, inverse_sd


def affine(x, features, layer, label):
    """Wx + (Ve + b) of rows x (n, a) and features e (n, 33) or (1, 33)."""
    kind = x.device.type
    if kind == "cpu" and not torch.is_autocast_enabled(kind):
        return product(x, layer.weight.T).add_(product(features, label.weight.T) + layer.bias)
    return torch.addmm(nn.functional.linear(features, label.weight, layer.bias), x, layer.weight.T)


class Dropout(nn.Module):
    """Dropout in steps of 1/256 of the rate, its masks read off random bytes of a generator of its own.

    One byte for each unit costs a fifth of torch's own dropout on a CPU, which there is as slow as the matrix product.

    Parameters
    ----------
    rate : float
        Fraction of units dropped, in [0, 1).
    """

    def __init__(self, rate):
        super().__init__()
        self.threshold = min(255, round(256 * rate))
        self.generator = None

    def forward(self, h):
        """Units of h zeroed at random, the others scaled up; h itself outside training."""
        mask = self.mask(h)
        return h if mask is None else h * mask

    def mask(self, h):
        """Factors of the units of h, zero or above one; None outside training."""
        if not self.training or self.threshold == 0:
            return None
        words = torch.empty(-(-h.numel() // 8), dtype=torch.int64, device=h.device)
        drawn = words.random_(-(2**63), None, generator=self.generator).view(torch.uint8)[: h.numel()].view(h.shape)
        kept = drawn.ge_(self.threshold)  # bytes compared in place: a mask of booleans is several times slower
        return kept.to(h.dtype).mul_(256.0 / (256 - self.threshold))


class ResidualMLP(nn.Module):
    """Network (y, c_noise) → F of a noise-conditional score, or → a potential where ``n_outputs`` is 1.

    Parameters
    ----------
    n_features : int
        Width d of y.
    n_outputs : int
    hidden_layer_sizes : tuple of int
    activation : {"gelu", "silu", "softplus", "tanh"}
    dropout : float
        Fraction of each hidden layer's update that is dropped in training.
    n_waves : int
        Frequencies of the sines and cosines that stand beside y. A plain network of few columns learns narrow shapes
        slowly (Tancik et al., 2020).
    """

    def __init__(
        self, n_features, n_outputs, hidden_layer_sizes=(256, 256, 256), activation="silu", dropout=0.0, n_waves=0
    ):
        super().__init__()
        self.n_waves = n_waves
        widths = [n_features * (1 + 2 * n_waves), *hidden_layer_sizes]
        n_labels = 1 + 2 * N_FREQUENCIES
        with torch.device("meta"):  # memory and values come with `initialise`
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
            self.labels = nn.ModuleList(nn.Linear(n_labels, b, bias=False) for b in widths[1:])
            self.out = nn.Linear(widths[-1], n_outputs)
        self.float()  # whatever torch's default is
        self.activation, self.derivatives = FUSED[activation](), ACTIVATIONS[activation]
        self.dropout = Dropout(dropout)

    def initialise(self, generator):
        """Uniform weights of variance 1 / (3 · fan-in), a zero head; dropout draws from `generator` from now on."""
        self.to_empty(device=generator.device)
        with torch.no_grad():
            for layer in [*self.layers, *self.labels]:
                bound = layer.in_features**-0.5
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)
            for parameter in self.out.parameters():
                parameter.zero_()
        self.dropout.generator = generator
        return self

    def forward(self, y, c_noise):
        """F of rows y (n, d) at noise labels c_noise (n, 1)."""
        features = fourier_features(c_noise)
        h = self.activation(affine(waves(y, self.n_waves), features, self.layers[0], self.labels[0]))
        for layer, label in zip(self.layers[1:], self.labels[1:], strict=True):
            update = self.dropout(self.activation(affine(normalise(h)[0], features, layer, label)))
            h = h + update if update.shape == h.shape else update
        return self.out(normalise(h)[0])
