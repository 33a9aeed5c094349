"""Log-densities: the normaliser of an exponential family, and the density along the probability flow."""

from .flow_likelihood import LikelihoodReport, adaptive_steps, antithetic_noise, denoising_gain, elbo, flow_log_density
from .normalizer import (
    LogNormalizer,
    Particles,
    adapted_map,
    annealed_importance_sampling,
    annealed_particles,
    importance_particles,
    importance_sampling,
    mapped_target,
    normalizer,
    quadrature,
    weighted_particles,
)

__all__ = [
    "LikelihoodReport",
    "LogNormalizer",
    "Particles",
    "adapted_map",
    "adaptive_steps",
    "annealed_importance_sampling",
    "annealed_particles",
    "antithetic_noise",
    "denoising_gain",
    "elbo",
    "flow_log_density",
    "importance_particles",
    "importance_sampling",
    "mapped_target",
    "normalizer",
    "quadrature",
    "weighted_particles",
]
