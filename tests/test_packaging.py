"""What is shipped and what is said about it: metadata, wheel, pins, README's commands and quick start."""

import ast
import configparser
import doctest
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import skscore

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def name_of(requirement):
    """Normalised name of the distribution that a requirement line asks for."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def requirements():
    """Every requirement of the core and of the extras, but for the project's own extras."""
    lines = [line for group in (PROJECT["dependencies"], *EXTRAS.values()) for line in group]
    return sorted({line for line in lines if name_of(line) != PROJECT["name"]})


def fenced(mark):
    """The fenced block of README.md that follows a comment."""
    return re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, flags=re.DOTALL)[1]


def test_the_version_is_a_literal():
    tree = ast.parse(Path(skscore.__file__).read_text("utf-8"))
    literals = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"
    ]
    assert literals == [skscore.__version__]


@pytest.mark.parametrize("path", ["CITATION.cff", "docs/changes/index.rst"])
def test_the_version_is_told(path):
    text = (ROOT / path).read_text("utf-8")
    major_minor = ".".join(skscore.__version__.split(".")[:2])
    assert f"version: {skscore.__version__}\n" in text or f"v{major_minor}\n" in text


def test_the_floors_are_those_of_the_readme():
    floors = [re.sub(r"\[.*\]", "", line).split(">=") for line in [*PROJECT["dependencies"], *EXTRAS["torch"]]]
    table = {}
    for names, versions in re.findall(r"^\| ([a-zP][^|]*) \| ([\d., ]+) \|$", README, flags=re.MULTILINE):
        table |= zip(names.removesuffix(" (optional)").split(", "), versions.split(", "), strict=True)
    assert table == {**dict(floors), "Python": PROJECT["requires-python"].removeprefix(">=")}


def test_requirements_have_a_floor_and_no_cap():
    assert [line for line in requirements() if not re.fullmatch(r"[\w.-]+(\[\w+\])?>=[\d.]+", line)] == []


@pytest.mark.parametrize("requirement", requirements())
def test_constraints_pin_what_is_installed(requirement):
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    pinned = {name_of(name): version for name, version in pins.items()}[name_of(requirement)]
    floor = requirement.split(">=")[1]
    assert [int(part) for part in pinned.split(".")] >= [int(part) for part in floor.split(".")]


def test_all_is_every_other_extra():
    assert set(re.findall(r"\w+", EXTRAS["all"][0])[1:]) == set(EXTRAS) - {"all"}


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"docs", "test", "all"}))
def test_an_extra_exists_only_if_code_uses_it(extra):
    package = "\n".join(path.read_text("utf-8") for path in (ROOT / "skscore").rglob("*.py"))
    for requirement in EXTRAS[extra]:
        assert re.search(rf"^ *(import|from) {name_of(requirement)}\b", package, re.MULTILINE)


def test_setup_cfg_holds_no_packaging():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert {"metadata", "options"}.isdisjoint(config.sections())


def test_the_wheel_holds_the_package(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "skscore", source / "skscore", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"skscore-{skscore.__version__}-py3-none-any.whl"
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("skscore/")}
    assert shipped == {str(p.relative_to(source)) for p in (source / "skscore").rglob("*") if p.is_file()}
    described = metadata.PathDistribution(zipfile.Path(wheel, f"skscore-{skscore.__version__}.dist-info/")).metadata
    assert described["License-Expression"] == "BSD-3-Clause"
    assert "skscore/py.typed" in shipped


@pytest.mark.parametrize("command", ["demo", "test"])
def test_a_readme_command_is_one_line_that_needs_only_the_clone(command):
    (line,) = fenced(f"command: {command}").splitlines()
    set_up, install, work = line.split(" && ")
    assert set_up == "python3 -m venv .venv"
    (asked,) = re.fullmatch(r'\.venv/bin/pip install -c constraints\.txt -e "\.\[([\w,]+)\]"', install).groups()
    assert set(asked.split(",")) <= set(EXTRAS)
    assert work.startswith(".venv/bin/python -m ")


def test_the_quick_start_prints_what_it_says():
    test = doctest.DocTestParser().get_doctest(fenced("example: quick start"), {}, "README.md", None, 0)
    assert test.examples
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert result.failed == 0


def test_readme_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
