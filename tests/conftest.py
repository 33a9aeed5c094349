"""What the tests share: a seeded generator, reference material beside the checkout, and what each marker needs."""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

# scikit-learn's array-API checks skip without it, and scipy reads it when it is first imported.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

BESIDE = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def rng():
    """Seeded generator, a fresh one for each test."""
    return np.random.default_rng(0)


def _beside_the_checkout(name):
    folder = BESIDE / name
    if not folder.is_dir():
        pytest.skip(f"no folder {name}/ beside the checkout")
    return folder


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real tables."""
    return _beside_the_checkout("data")


@pytest.fixture(scope="session")
def reference():
    """Folder of numbers that independent implementations printed."""
    return _beside_the_checkout("reference")


def _missing(marker):
    """What a test with this marker lacks here, or None."""
    if marker == "gpu":
        return None if _has_gpu() else "no accelerator that torch can use"
    return None if find_spec(marker) else f"{marker} is not installed"


def _has_gpu():
    if not find_spec("torch"):
        return False
    import torch

    return torch.accelerator.is_available() if hasattr(torch, "accelerator") else torch.cuda.is_available()


def pytest_collection_modifyitems(items):
    """Skip what this machine cannot run, and say why."""
    for marker in ("gpu", "torch", "dask"):
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = _missing(marker) if marked else None
        for item in marked if reason else ():
            item.add_marker(pytest.mark.skip(reason=reason))
