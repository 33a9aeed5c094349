"""Score matching for tables, with the interface of scikit-learn.

Score matching fits s(x) = ∇ log p(x) without the normaliser of p. `ScoreMatchingDensity` does so in closed form for
exponential families, `DenoisingScoreEstimator` at all noise levels. Both replace `KernelDensity` or `GaussianMixture`:
in a Pipeline, in GridSearchCV, as a sampler and for anomaly scores.
"""

__version__ = "0.1.0"

from .estimators.conditional import ConditionalScoreDensity
from .estimators.denoising import DenoisingScoreEstimator
from .estimators.denoising_cv import DenoisingScoreEstimatorCV
from .estimators.ica import ScoreMatchingICA
from .estimators.outliers import DensityOutlierDetector
from .estimators.score_matching import ScoreMatchingDensity
from .estimators.score_matching_cv import ScoreMatchingDensityCV
from .estimators.sklearn_transformers import BijectiveTransformer
from .estimators.streams import fit_blocks
from .estimators.transformed import TransformedDensity
from .persistence.model_file import load, save
from .tabular import TabularDensity

__all__ = [
    "BijectiveTransformer",
    "ConditionalScoreDensity",
    "DenoisingScoreEstimator",
    "DenoisingScoreEstimatorCV",
    "DensityOutlierDetector",
    "ScoreMatchingDensity",
    "ScoreMatchingDensityCV",
    "ScoreMatchingICA",
    "TabularDensity",
    "TransformedDensity",
    "__version__",
    "fit_blocks",
    "load",
    "save",
]
