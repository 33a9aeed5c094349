"""Metrics of scores, densities, samplers and synthetic tables.

Some compare a score with rows or with the true score, some two samples, some a table of synthetic rows with the real
one; scorers are for scikit-learn's searches.
"""

from .scorers import hyvarinen_scorer, log_likelihood_scorer
from .scores import fisher_divergence, hyvarinen_score, sliced_score
from .stein_test import SteinTest, kernel_stein_test
from .synthetic_rows import Quantity, SyntheticReport, synthetic_report
from .two_samples import classifier_two_sample_auc, energy_distance

__all__ = [
    "Quantity",
    "SteinTest",
    "SyntheticReport",
    "classifier_two_sample_auc",
    "energy_distance",
    "fisher_divergence",
    "hyvarinen_score",
    "hyvarinen_scorer",
    "kernel_stein_test",
    "log_likelihood_scorer",
    "sliced_score",
    "synthetic_report",
]
