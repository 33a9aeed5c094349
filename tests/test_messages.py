"""What messages name exists: parameters as ``name=``, and every other name with an underscore in it."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import skscore
from skscore.models.catalog import MODELS

PARAMETER = re.compile(r"(?<![\w.])([A-Za-z]\w*)=")
OTHER_NAME = re.compile(r"(?<![\w.'])([a-z]\w*_\w*)(?!\w)")
OTHERS = {"n_quantiles", "remainder", "clip", "n_statistics"}  # parameters of scikit-learn, and a number in a shape


def messages(tree):
    """(line, text) of the sentences in a source file that are no docstrings, their values as {}."""
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if getattr(node, "body", None) and _is_text(node)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in docstrings | parts:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        else:
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if text.count(" ") > 3:
            yield node.lineno, text


def _is_text(node):
    return isinstance(node.body, list) and isinstance(node.body[0], ast.Expr)


def names_in(text):
    return {*PARAMETER.findall(text), *OTHER_NAME.findall(text)}


def public_names():
    """Parameters, methods and documented attributes of all that the package holds."""
    names = set()
    for module in walk_packages(skscore.__path__, "skscore."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(import_module(module.name)).values():
            if callable(value) and getattr(value, "__module__", "").startswith("skscore"):
                names |= names_of(value)
    return names


def names_of(value):
    methods = [member for _, member in inspect.getmembers(value, inspect.isfunction)]
    parameters = {name for function in (value, *methods) for name in inspect.signature(function).parameters}
    return parameters | set(dir(value)) | set(re.findall(r"\b\w+_\b", value.__doc__ or ""))


@pytest.fixture(scope="module")
def known():
    pytest.importorskip("torch")
    return public_names() | set(MODELS) | OTHERS


def sources():
    root = Path(skscore.__file__).parent
    return [path for path in sorted(root.rglob("*.py")) if path.name not in {"demo.py", "__main__.py"}]


@pytest.mark.torch
def test_messages_name_what_exists(known):
    found = [(path, line, text) for path in sources() for line, text in messages(ast.parse(path.read_text("utf-8")))]
    unknown = {f"{path.name}:{line}: {name}" for path, line, text in found for name in names_in(text) - known}
    assert len(found) > 150
    assert not unknown, "\n".join(sorted(unknown))


def test_names_are_seen():
    (message,) = messages(
        ast.parse('"""Of a_file."""\nraise ValueError(f"robust={c} is high: lower robust=, or a_b.")')
    )
    assert names_in(message[1]) == {"robust", "a_b"}
