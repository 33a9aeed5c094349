"""What the archive of a model may hold: data, and records of skscore, numpy and scikit-learn.

The archive is one of skops: a schema in JSON, in which each part names its type and how it is put together again, and
arrays. Before anything is put together, all of these are checked:

- **names**: the schema, and arrays with a number for a name. Nothing is unpacked to the disk;
- **size**: nothing in the archive is compressed, and no array stands in two places, so that what is read is never
  larger than the file; a part that comes twice is written twice, so that the schema does not unfold either;
- **loaders**: the ways of `LOADERS` alone. Bound methods, partial functions, calls of constructors are not among them;
- **types**: classes that skscore defines, which are made without their constructor, those of `OTHER_TYPES`, and what
  skops trusts: estimators of scikit-learn, ufuncs of numpy and scipy, plain values.
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from io import BytesIO
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from sklearn import model_selection

__all__ = ["trusted_types"]

ENTRY = re.compile(r"schema\.json|\d+\.npy")
LOADERS = {
    *("JsonNode", "DictNode", "ListNode", "TupleNode", "SetNode", "SliceNode"),
    *("NdArrayNode", "DTypeNode", "RandomStateNode", "RandomGeneratorNode"),
    *("ObjectNode", "TypeNode", "FunctionNode"),
}
OF_RECORDS = {"ObjectNode", "TupleNode"}  # the loaders that make classes of skscore
SPLITTERS = {
    f"{value.__module__}.{value.__name__}"
    for value in vars(model_selection).values()
    if isinstance(value, type) and hasattr(value, "split")
}
OTHER_TYPES = {"numpy.dtype", *SPLITTERS}  # that kernels keep of their columns; a parameter `cv`


def trusted_types(archive: bytes) -> list[str]:
    """Return the types that an archive asks for beyond those of skops; a ValueError if one is not to be trusted.

    Parameters
    ----------
    archive : bytes
        As ``skops.io.dumps`` returns it.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the archive holds what is not listed above. One that is damaged raises any Exception.
    """
    import skops.io

    with ZipFile(BytesIO(archive)) as files:
        entries = files.infolist()
        schema = json.loads(files.read("schema.json"))
    if strange := [entry.filename for entry in entries if not ENTRY.fullmatch(entry.filename)]:
        raise ValueError(f"it holds {strange[0]!r}, which is no part of a model")
    if any(entry.compress_type != ZIP_STORED for entry in entries):
        raise ValueError("its parts are compressed, which those of a model are not")
    if sum(entry.file_size for entry in entries) > len(archive):
        raise ValueError("its parts are larger than the file")
    if schema.get("__loader__") != "ObjectNode":
        raise ValueError("it holds no estimator")
    _check(schema, {})
    types = skops.io.get_untrusted_types(data=archive)
    if foreign := [name for name in types if name not in OTHER_TYPES and not _is_of_skscore(name)]:
        raise ValueError(f"it holds {', '.join(foreign)}, of which skscore does not know what it would run")
    return types


def _check(part: Any, sizes: dict[int, int]) -> int:
    """Number of values in a part of the schema, after a check of each; `sizes` has that of those that have come."""
    if isinstance(part, list):
        return 1 + sum(_check(value, sizes) for value in part)
    if not isinstance(part, dict):
        return 1
    size = 1 + sum(_check(value, sizes) for value in part.values())
    if isinstance(part.get("__loader__", 0), dict):  # a dictionary of the user with such a key
        return size
    if "__loader__" in part or "__id__" in part:
        _check_node(part)
        if sizes.setdefault(part["__id__"], size) != size:
            raise ValueError("it gives one name to two parts")
    return size


def _check_node(node):
    """Raise a ValueError if this part is put together in a way that is not to be trusted."""
    loader, identity = node["__loader__"], node["__id__"]
    name = f"{node['__module__']}.{node['__class__']}"
    if loader not in LOADERS or (name.startswith("skscore.") and loader not in OF_RECORDS):
        raise ValueError(f"it holds {name} by way of {loader}")
    if type(identity) is not int or identity <= 0 or node.get("file", f"{identity}.npy") != f"{identity}.npy":
        raise ValueError(f"it has lost the name of a part of type {name}")


def _is_of_skscore(name):
    """Whether a dotted name is that of a class that a module of skscore defines."""
    module, _, own = name.rpartition(".")
    if not module.startswith("skscore."):
        return False
    value = getattr(import_module(module), own, None)
    return isinstance(value, type) and value.__module__ == module
