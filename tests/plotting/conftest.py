"""What the tests of the displays share: a canvas without a screen, closed after each, and a table."""

import pytest
from sklearn.datasets import load_wine

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def wine():
    return load_wine(as_frame=True).data
