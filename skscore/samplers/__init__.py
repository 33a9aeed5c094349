"""Draw from a density known by its score: Langevin and Hamiltonian chains, and descents through noise levels."""

from . import diagnostics
from .adaptation import adapt_step_size
from .annealed import AnnealedLangevin
from .chains import Chains, run_chains
from .contract import Descent, Info, NoiseConditionalScore, State, Target
from .descent import descend, tweedie
from .flow import Flow
from .langevin import HMC, MALA, ULA
from .reverse import PredictorCorrector, ReverseSDE
from .sgld import SGLD

CHAIN_SAMPLERS = (HMC, MALA, SGLD, ULA)  # of a Target
DESCENT_SAMPLERS = (AnnealedLangevin, Flow, PredictorCorrector, ReverseSDE)  # of a NoiseConditionalScore

__all__ = [
    "CHAIN_SAMPLERS",
    "DESCENT_SAMPLERS",
    "HMC",
    "MALA",
    "SGLD",
    "ULA",
    "AnnealedLangevin",
    "Chains",
    "Descent",
    "Flow",
    "Info",
    "NoiseConditionalScore",
    "PredictorCorrector",
    "ReverseSDE",
    "State",
    "Target",
    "adapt_step_size",
    "descend",
    "diagnostics",
    "run_chains",
    "tweedie",
]
