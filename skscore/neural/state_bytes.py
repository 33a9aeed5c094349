"""The state of a training as bytes: one line of JSON, and the numbers of its tensors one after the other.

The line has dictionaries as pairs, and each tensor as its type and its shape, as files of safetensors do; the tensors
lie behind it in the order in which the line names them. So nothing is pickled and nothing compressed, no two tensors
share a place, and what is read takes no more memory than a small multiple of the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any

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
    numbers: list[bytes] = []
    line = json.dumps(_encoded(state, numbers))
    return b"".join((line.encode(), b"\n", *numbers))


def _encoded(part, numbers):
    """What JSON knows of a part; the bytes of its tensors are added to `numbers`."""
    if isinstance(part, torch.Tensor):
        numbers.append(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return {"tensor": [str(part.dtype).removeprefix("torch."), list(part.shape)]}
    if isinstance(part, Mapping):
        return {"dict": [[key, _encoded(value, numbers)] for key, value in part.items()]}
    if isinstance(part, list | tuple):
        return [_encoded(value, numbers) for value in part]
    return part


def from_bytes(content: bytes) -> Any:
    """Return the tree whose bytes these are, its tensors on the CPU; any Exception if they are of none."""
    line, _, numbers = content.partition(b"\n")
    left = memoryview(numbers)

    def decoded(part):
        nonlocal left
        if isinstance(part, list):
            return [decoded(value) for value in part]
        if not isinstance(part, dict):
            return part
        if "tensor" not in part:
            return {key: decoded(value) for key, value in part["dict"]}
        name, shape = part["tensor"]
        tensor, left = _tensor(name, shape, left)
        return tensor

    state = decoded(json.loads(line))
    if len(left):
        raise ValueError(f"{len(left)} bytes belong to no tensor")
    return state


def _tensor(name, shape, numbers):
    """The tensor whose bytes come first, and those behind it."""
    dtype = DTYPES[name]
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"{shape} is no shape")
    end = prod(shape) * dtype.itemsize
    if end > len(numbers):
        raise ValueError("a tensor is longer than the file")
    if end == 0:
        return torch.empty(shape, dtype=dtype), numbers
    return torch.frombuffer(bytearray(numbers[:end]), dtype=dtype).reshape(shape), numbers[end:]
