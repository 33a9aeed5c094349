"""Records of numbers as bytes: a tree of :mod:`skscore.neural.tree_bytes`, of lists, records and arrays.

A record is written as its name and its fields, and an array as its type, its shape and its order of memory, which
decides the last bits of products with it. Only records of given classes are made, so that reading runs no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Any, Literal

import numpy as np

from ..neural import tree_bytes

__all__ = ["from_bytes", "to_bytes"]

DTYPES = ("float64", "float32")
Order = Literal["C", "F"]


def to_bytes(tree: Any, classes: Sequence[type]) -> bytes:
    """Bytes of a tree of lists, records, arrays, numbers and None; tuples become lists.

    Parameters
    ----------
    tree : list, dataclass, ndarray, float, int or None
        Arrays are of real numbers in single or double precision.
    classes : sequence of type
        Those of the records: dataclasses whose fields are such trees.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If a part of the tree is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> from skscore.persistence.record_bytes import from_bytes, to_bytes
    >>> form = QuadraticForm(np.eye(1), np.zeros(1), 0.5, 3.0)
    >>> content = to_bytes([form, None], [QuadraticForm])
    >>> from_bytes(content, [QuadraticForm])
    [QuadraticForm(Gamma=array([[1.]]), g=array([0.]), c=0.5, n=3.0), None]
    """
    return tree_bytes.to_bytes(tree, partial(_encoded, {kind.__name__ for kind in classes}))


def _encoded(names, part, add):
    """What JSON knows of a part; the bytes of its arrays are added."""
    if isinstance(part, list | tuple):
        return [_encoded(names, value, add) for value in part]
    if part is None or isinstance(part, int):
        return part
    if isinstance(part, float):
        return float(part)
    if (name := type(part).__name__) in names:
        own = {field.name: _encoded(names, getattr(part, field.name), add) for field in fields(part)}
        return {"record": [name, own]}
    if not isinstance(part, np.ndarray) or part.dtype.name not in DTYPES:
        raise ValueError(f"{name} is no array of real numbers")
    order: Order = "F" if part.flags.f_contiguous and not part.flags.c_contiguous else "C"
    add(part.astype(part.dtype.newbyteorder("<")).tobytes(order))
    return {"array": [part.dtype.name, list(part.shape), order]}


def from_bytes(content: bytes, classes: Sequence[type]) -> Any:
    """Return the tree whose bytes these are; any Exception if they are of none."""
    return tree_bytes.from_bytes(content, partial(_decoded, {kind.__name__: kind for kind in classes}))


def _decoded(by_name, part, numbers):
    if isinstance(part, list):
        return [_decoded(by_name, value, numbers) for value in part]
    if not isinstance(part, dict):
        return part
    if "record" in part:
        name, own = part["record"]
        return by_name[name](**{key: _decoded(by_name, value, numbers) for key, value in own.items()})
    name, shape, order = part["array"]
    if name not in DTYPES or order not in ("C", "F"):
        raise ValueError(f"{name}, {order} is no array of real numbers")
    dtype = np.dtype(name).newbyteorder("<")
    return np.frombuffer(numbers.take(shape, dtype.itemsize), dtype=dtype).astype(name).reshape(shape, order=order)
