"""Draw from a law known by its score: Langevin and Hamiltonian samplers, their warm-up, chains and diagnostics."""

from . import diagnostics
from .adaptation import adapt_step_size
from .chains import Chains, run_chains
from .contract import Info, State, Target
from .langevin import HMC, MALA, ULA

__all__ = [
    "HMC",
    "MALA",
    "ULA",
    "Chains",
    "Info",
    "State",
    "Target",
    "adapt_step_size",
    "diagnostics",
    "run_chains",
]
