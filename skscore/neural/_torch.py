"""torch, or an error that says how to install it; the other modules here import it from this one."""

try:
    import torch
    from torch import nn
except ImportError as error:
    raise ModuleNotFoundError(
        f"neural networks need torch, which is not installed, or damaged ({error}): pip install 'skscore[torch]'.",
        name="torch",
    ) from None

__all__ = ["nn", "torch"]
