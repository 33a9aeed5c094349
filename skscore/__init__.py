"""Score matching for tables, behind scikit-learn's door.

Score matching fits s(x) = ∇ log p(x) without the normaliser of p. `ScoreMatchingDensity` does so in closed form for
exponential families, and stands where `KernelDensity` or `GaussianMixture` would: in Pipelines, in GridSearchCV, as a
sampler and as an anomaly score.
"""

from .estimators.conditional import ConditionalScoreDensity
from .estimators.denoising import DenoisingScoreEstimator
from .estimators.ica import ScoreMatchingICA
from .estimators.score_matching import ScoreMatchingDensity
from .estimators.score_matching_cv import ScoreMatchingDensityCV
from .estimators.sklearn_transformers import BijectiveTransformer
from .estimators.transformed import TransformedDensity

__version__ = "0.1.0"

__all__ = [
    "BijectiveTransformer",
    "ConditionalScoreDensity",
    "DenoisingScoreEstimator",
    "ScoreMatchingDensity",
    "ScoreMatchingDensityCV",
    "ScoreMatchingICA",
    "TransformedDensity",
    "__version__",
]
