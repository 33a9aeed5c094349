r"""The residual network of a noise-conditional score, and several of them computed as one.

.. math::

   h_1 &= a(W_1 y + b_1(\sigma)), \\
   h_{l+1} &= h_l + a\bigl(W_{l+1}\,(1 + m_{l+1}(\sigma)) \odot \mathrm{n}(h_l) + b_{l+1}(\sigma)\bigr), \\
   F &= W_{out}\,\mathrm{n}(h_L) + b_{out}

with n the layer normalisation without parameters and a the activation. The noise label :math:`c = \tfrac14\log\sigma`
shifts and scales the units of every layer (Perez et al., 2018), :math:`b_l = V_l e + b_l^0` and :math:`m_l = S_l e`
with e its Fourier features and :math:`S_l` zero at first. Their frequencies are low: ripples that a label of high ones
leaves in F along the levels are no property of the data, and the steps of a log-density would have to follow them. If
two neighbouring layers differ in width, the skip between them is left out. The last layer starts at zero, so that at
step 0 the model is the reference Gaussian.

Networks that are trained together are one stack: weights, rows and labels have a leading axis, one entry for each
network, and each matrix product is one of all networks.

Every random number comes from a generator handed in: torch's global one is neither read nor moved.

References
----------
Perez, E., Strub, F., de Vries, H., Dumoulin, V., & Courville, A. (2018). FiLM: visual reasoning with a general
conditioning layer. AAAI.
Tancik, M., et al. (2020). Fourier features let networks learn high frequency functions in low dimensional domains.
NeurIPS.
"""

from __future__ import annotations

import math
from itertools import pairwise

from ._torch import nn, torch
from .fused_layer import fused_layer, fusible
from .layers import ACTIVATIONS, EPS, allocate, product, rounded_product
from .process_group import ALONE

__all__ = [
    "Dropout",
    "ResidualMLP",
    "fourier_features",
    "normalise",
    "scaled",
    "shifted",
    "wave_tangents",
    "waves",
]

FUSED = {"gelu": nn.GELU, "silu": nn.SiLU, "softplus": nn.Softplus, "tanh": nn.Tanh}  # one pass where autograd follows
N_FREQUENCIES = 4


def fourier_features(c_noise):
    """Features (c, cos 2πfc, sin 2πfc), f = ¼, ½, ¾, 1, of noise labels (…, 1), shape (…, 9)."""
    frequencies = torch.arange(1, N_FREQUENCIES + 1, dtype=c_noise.dtype, device=c_noise.device) / 4.0
    angle = 2.0 * math.pi * c_noise * frequencies
    return torch.cat([c_noise, angle.cos(), angle.sin()], dim=-1)


def waves(y, n_waves):
    """Rows y (…, d) followed by their sines and cosines at the frequencies π/2, π, 2π, …: (…, (1 + 2 n_waves) d)."""
    angles = [0.5 * math.pi * 2.0**k * y for k in range(n_waves)]
    return torch.cat([y, *(angle.sin() for angle in angles), *(angle.cos() for angle in angles)], dim=-1)


def wave_tangents(y, n_waves, directions):
    """Derivatives of `waves` along directions (K, d): (n, K, (1 + 2 n_waves) d), or (1, K, d) without waves."""
    if n_waves == 0:
        return directions[None]
    V, y = directions, y[:, None]
    frequencies = [0.5 * math.pi * 2.0**k for k in range(n_waves)]
    sines = [f * (f * y).cos() * V for f in frequencies]
    cosines = [-f * (f * y).sin() * V for f in frequencies]
    return torch.cat([V.expand(len(y), -1, -1), *sines, *cosines], dim=2)


def normalise(h):
    """Layer normalisation without parameters: (h − mean) / sd of each row, and 1 / sd (…, 1)."""
    unit, _, inverse_sd = torch.native_layer_norm(h, h.shape[-1:], None, None, EPS)
    return unit, inverse_sd


def shifted(h, shift):
    """H + b of units h (m, n, H), written over h; n/q rows, one after the other, share one of the shifts (m, q, H)."""
    return _by_label(h, shift).add_(shift[:, :, None]).flatten(1, 2)


def scaled(h, scale):
    """(1 + s) h of units h (m, n, H) and scales s (m, q, H), shared in the same way."""
    h = _by_label(h, scale)
    return torch.addcmul(h, h, scale[:, :, None]).flatten(1, 2)


def _by_label(h, label):
    return h.unflatten(1, (label.shape[1], -1))


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
        self.generator, self.group = None, ALONE

    def forward(self, h):
        """Units of h zeroed at random, the others scaled up; h itself outside training."""
        mask = self.mask(h)
        return h if mask is None else h * mask

    def mask(self, h):
        """Factors of the units of h, zero or above one; None outside training."""
        drawn = self.drawn(h.shape, h.device)
        if drawn is None:
            return None
        kept = drawn.ge_(self.threshold)  # bytes compared in place: a mask of booleans is several times slower
        return kept.to(h.dtype).mul_(256.0 / (256 - self.threshold))

    def drawn(self, shape, device):
        """A random byte for each unit, which is dropped if it is below the threshold; None outside training.

        Rows (m, n, …) are a share of those of a group, for all of which bytes are drawn.
        """
        if not self.training or self.threshold == 0:
            return None
        number = self.group.size * math.prod(shape)
        words = torch.empty(-(-number // 8), dtype=torch.int64, device=device)
        drawn = words.random_(-(2**63), None, generator=self.generator).view(torch.uint8)[:number]
        if self.group.size == 1:
            return drawn.view(shape)
        m, n, *units = shape
        n_all = self.group.size * n
        return drawn.view(m, n_all, *units)[:, self.group.share(n_all)]


class ResidualMLP(nn.Module):
    """Networks (y, c_noise) → F of a noise-conditional score, or → a potential if ``n_outputs`` is 1.

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
    n_networks : int
        How many networks the stack has.
    """

    def __init__(
        self,
        n_features,
        n_outputs,
        hidden_layer_sizes=(256, 256, 256),
        activation="silu",
        dropout=0.0,
        n_waves=0,
        n_networks=1,
    ):
        super().__init__()
        self.n_waves, self.n_networks = n_waves, n_networks
        widths = [n_features * (1 + 2 * n_waves), *hidden_layer_sizes]
        self.sizes = [*widths[1:], *widths[1:-1]]  # of the shifts, then of the scales

        def empty(*shape):
            return nn.Parameter(torch.empty(n_networks, *shape, dtype=torch.float32, device="meta"))

        self.weights = nn.ParameterList(empty(*sizes) for sizes in pairwise(widths))
        self.biases = nn.ParameterList(empty(1, size) for size in widths[1:])
        self.labels = empty(1 + 2 * N_FREQUENCIES, sum(self.sizes))
        self.out, self.out_bias = empty(widths[-1], n_outputs), empty(1, n_outputs)
        self.activation, self.derivatives = FUSED[activation](), ACTIVATIONS[activation]
        self.dropout = Dropout(dropout)

    def initialise(self, generator, group=ALONE):
        """Uniform weights of variance 1 / (3 · fan-in), a zero head; dropout draws from `generator` from now on.

        It draws for the rows of all processes of the `group`.
        """
        allocate(self, generator.device)
        with torch.no_grad():
            for weight, bias in zip(self.weights, self.biases, strict=True):
                for parameter in (weight, bias):
                    _fill(parameter, weight.shape[1], generator)
            _fill(self.labels, self.labels.shape[1], generator)
            self.labels[:, :, sum(w.shape[2] for w in self.weights) :].zero_()
            self.out.zero_()
            self.out_bias.zero_()
        self.dropout.generator, self.dropout.group = generator, group
        return self

    def modulation(self, c_noise):
        """Shifts of each layer and scales of each but the first, at labels c_noise (m, q, 1): lists of (m, q, H)."""
        labels = product(fourier_features(c_noise), self.labels).split(self.sizes, -1)
        shifts = [label + bias for label, bias in zip(labels, self.biases, strict=False)]
        return shifts, labels[len(shifts) :]

    def forward(self, y, c_noise):
        """F of rows y (m, n, d) at noise labels c_noise (m, q, 1), each that of n/q rows, one after the other."""
        shifts, scales = self.modulation(c_noise)
        layer, rounded = self._layer_of(y), torch.is_autocast_enabled(y.device.type)
        h = layer(waves(y, self.n_waves), self.weights[0], shifts[0])
        for weight, shift, scale in zip(self.weights[1:], shifts[1:], scales, strict=True):
            h = layer(h, weight, shift, scale, self.dropout, rounded)
        return product(normalise(h)[0], self.out) + self.out_bias

    def _layer_of(self, y):
        """How a layer of rows y is computed."""
        return fused_layer if self.derivatives is ACTIVATIONS["silu"] and fusible(y) else self._layer

    def _layer(self, h, weight, shift, scale=None, dropout=None, rounded=False):
        """The same as `fused_layer`, in operations that autograd follows."""
        multiply = rounded_product if rounded else product
        if scale is None:
            return self.activation(shifted(multiply(h, weight), shift))
        unit = scaled(normalise(h)[0], scale)
        update = dropout(self.activation(shifted(multiply(unit, weight), shift)))
        return h + update if update.shape == h.shape else update


def _fill(parameter, fan_in, generator):
    parameter.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)
