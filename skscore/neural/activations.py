"""Smooth activations with their first two derivatives, written out: a, a′ and a″ at once, from one transcendental."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["ACTIVATIONS"]


def _gelu(z):
    Phi = 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))
    phi = torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z * Phi, Phi + z * phi, phi * (2.0 - z * z)


def _silu(z):
    p = torch.sigmoid(z)
    value = z * p
    slope = torch.lerp(value, p.new_ones(()), p)  # value + p (1 − value)
    return value, slope, (p - 1.0) * torch.sub(value, slope, alpha=2.0)


def _softplus(z):
    p = torch.sigmoid(z)
    return nn.functional.softplus(z), p, p * (1.0 - p)


def _tanh(z):
    t = torch.tanh(z)
    slope = 1.0 - t * t
    return t, slope, -2.0 * t * slope


ACTIVATIONS = {"gelu": _gelu, "silu": _silu, "softplus": _softplus, "tanh": _tanh}
