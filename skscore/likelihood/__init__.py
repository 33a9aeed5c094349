"""Log-densities: the normaliser of a closed-form family; the density along the flow of a noise-conditional score."""

from .flow_likelihood import LikelihoodReport, adaptive_steps, antithetic_noise, denoising_gain, elbo, flow_log_density
from .normalizer import (
    LogNormalizer,
    Particles,
    adapted_chart,
    annealed_importance_sampling,
    annealed_particles,
    chart_target,
    importance_particles,
    importance_sampling,
    normalizer,
    quadrature,
    weighted_particles,
)

__all__ = [
    "LikelihoodReport",
    "LogNormalizer",
    "Particles",
    "adapted_chart",
    "adaptive_steps",
    "annealed_importance_sampling",
    "annealed_particles",
    "antithetic_noise",
    "chart_target",
    "denoising_gain",
    "elbo",
    "flow_log_density",
    "importance_particles",
    "importance_sampling",
    "normalizer",
    "quadrature",
    "weighted_particles",
]
