"""What the tests of hand-written rules share: the way round them."""

import pytest


@pytest.fixture(scope="session")
def wrapped():
    """The same network under another class: no rule by hand is known for it."""
    torch = pytest.importorskip("torch")

    class Wrapped(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, y, c_noise):
            return self.network(y, c_noise)

    return Wrapped
