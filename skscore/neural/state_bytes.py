"""The state of a training as bytes: a tree of :mod:`skscore.neural.tree_bytes`, of dictionaries, lists and tensors.

A dictionary is written as its pairs, and a tensor as its type and its shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import tree_bytes
from ._torch import torch

__all__ = ["from_bytes", "to_bytes"]

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}


def to_bytes(state: Any) -> bytes:
    """Bytes of a tree of dictionaries, lists, tensors, numbers, texts and None; tuples become lists.

    Examples
    --------
    >>> import torch
    >>> from skscore.neural.state_bytes import from_bytes, to_bytes
    >>> content = to_bytes({"step": 3, "theta": torch.zeros(2)})
    >>> content[:-9]
    b'{"dict": [["step", 3], ["theta", {"tensor": ["float32", [2]]}]]}'
    >>> from_bytes(content)
    {'step': 3, 'theta': tensor([0., 0.])}
    """
    return tree_bytes.to_bytes(state, _encoded)


def _encoded(part, add):
    """What JSON knows of a part; the bytes of its tensors are added."""
    if isinstance(part, torch.Tensor):
        add(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return {"tensor": [str(part.dtype).removeprefix("torch."), list(part.shape)]}
    if isinstance(part, Mapping):
        return {"dict": [[key, _encoded(value, add)] for key, value in part.items()]}
    if isinstance(part, list | tuple):
        return [_encoded(value, add) for value in part]
    return part


def from_bytes(content: bytes) -> Any:
    """Return the tree whose bytes these are, its tensors on the CPU; any Exception if they are of none."""
    return tree_bytes.from_bytes(content, _decoded)


def _decoded(part, numbers):
    if isinstance(part, list):
        return [_decoded(value, numbers) for value in part]
    if not isinstance(part, dict):
        return part
    if "tensor" not in part:
        return {key: _decoded(value, numbers) for key, value in part["dict"]}
    name, shape = part["tensor"]
    own = numbers.take(shape, DTYPES[name].itemsize)
    if not len(own):
        return torch.empty(shape, dtype=DTYPES[name])
    return torch.frombuffer(bytearray(own), dtype=DTYPES[name]).reshape(shape)
