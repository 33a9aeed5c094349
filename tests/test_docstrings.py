"""Every public name has a complete docstring and a place in the API reference; `numpydoc lint` checks the form."""

import importlib
import inspect
import re
from pathlib import Path

import pytest
from numpydoc.validate import validate
from sklearn.base import BaseEstimator

API = (Path(__file__).resolve().parents[1] / "docs" / "api" / "index.rst").read_text("utf-8")

COMPLETE = {
    "GL08": "no docstring",
    "PR01": "a parameter without an entry",
    "PR02": "an entry without a parameter",
    "PR03": "entries in another order",
    "PR04": "a parameter without a type",
    "PR07": "a parameter without a description",
    "RT01": "no Returns",
}


def listed():
    """(room, name) of each entry of the API reference."""
    room = None
    for line in API.splitlines():
        if found := re.match(r"\.\. currentmodule:: ([\w.]+)", line):
            room = found[1]
        elif found := re.match(r"   (\w+)$", line):
            yield room, found[1]


NAMES = list(listed())
ROOMS = sorted({room for room, _ in NAMES})
OBJECTS = {f"{room}.{name}": getattr(importlib.import_module(room), name) for room, name in NAMES}


def offered(room):
    """Functions, scorers and classes that a room names in ``__all__``, or else those it defines."""
    module = importlib.import_module(room)
    own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", None) == room]
    names = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
    things = {name: inspect.unwrap(getattr(module, name)) for name in names}
    return {name for name, thing in things.items() if inspect.isfunction(thing) or inspect.isclass(thing)}


def is_estimator(thing):
    return inspect.isclass(thing) and issubclass(thing, BaseEstimator) and hasattr(thing, "fit")


def is_record(thing):
    """A named tuple, whose fields stand under Attributes."""
    return inspect.isclass(thing) and issubclass(thing, tuple)


def documented():
    """Dotted names of public functions and classes, and of the methods that skscore gives to estimators."""
    for name, thing in OBJECTS.items():
        yield from () if is_record(thing) else (name,)
        for method, function in inspect.getmembers(thing, inspect.isfunction) if is_estimator(thing) else ():
            if function.__module__.startswith("skscore") and not method.startswith("_"):
                yield f"{name}.{method}"


@pytest.mark.parametrize("room", ROOMS)
def test_the_reference_lists_what_the_room_offers(room):
    assert {name for other, name in NAMES if other == room} == offered(room)


@pytest.mark.parametrize("name", list(documented()))
def test_the_docstring_is_complete(name):
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code in COMPLETE]
    assert not errors, "\n".join(["", *errors])


@pytest.mark.parametrize("name", [name for name, thing in OBJECTS.items() if not is_record(thing)])
def test_the_docstring_has_an_example(name):
    assert ">>> " in OBJECTS[name].__doc__
