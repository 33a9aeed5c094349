"""Smooth activations as iterators over a, a′ and a″, written out, from one transcendental; take as many as you need."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["ACTIVATIONS"]


def _gelu(z):
    Phi = 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))
    phi = torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    yield z * Phi
    yield Phi + z * phi
    yield phi * (2.0 - z * z)


def _silu(z):
    p = torch.sigmoid(z)
    yield (value := z * p)
    yield (slope := torch.lerp(value, p.new_ones(()), p))  # value + p (1 − value)
    yield (p - 1.0) * torch.sub(value, slope, alpha=2.0)


def _softplus(z):
    yield nn.functional.softplus(z)
    yield (p := torch.sigmoid(z))
    yield p * (1.0 - p)


def _tanh(z):
    yield (t := torch.tanh(z))
    yield (slope := 1.0 - t * t)
    yield -2.0 * t * slope


ACTIVATIONS = {"gelu": _gelu, "silu": _silu, "softplus": _softplus, "tanh": _tanh}
