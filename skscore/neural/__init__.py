"""The torch floor: the only rooms that import torch."""
