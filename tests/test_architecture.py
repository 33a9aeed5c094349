"""The rules of the house, held against the source.

Each rule takes one source file and yields what breaks it. It is tested twice: the package keeps it, and it
catches a small offender written for it.
"""

import ast
import configparser
import io
import re
import subprocess
import sys
import textwrap
import tokenize
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

# Rooms by floor. A room imports from its own floor and from those before it.
FLOORS = (
    ("_compat", "formulas", "domains", "_kernels"),
    ("maps", "fitting", "samplers", "datasets", "metrics"),
    ("models", "likelihood"),
    ("levels", "neural"),
    ("estimators", "tabular", "plotting", "inspection", "persistence", "cli", "demo", "__main__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Who may import what is heavy or private.
FENCES = {"torch": {"neural"}, "numba": {"_kernels"}, "matplotlib": {"plotting", "demo"}, "dask": {"estimators"}}
PRIVATE_SKLEARN = re.compile(r"sklearn\.(.*\.)?_(?!_)")
PRIVATE_SKLEARN_ROOM = "_compat"

WARNS, SHOWS = Path("skscore/estimators/checks.py"), Path("skscore/cli/progress.py")  # all others return remarks

DRAWERS = {"utils", "util", "helpers", "common", "core", "misc", "tools"}
OPEN_ENDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

MAX_FILE, MAX_FUNCTION, MAX_P95_FUNCTION, MAX_NESTING = 400, 60, 30, 3


@dataclass(frozen=True)
class Source:
    """A source file of the package, `path` relative to the root of the repository."""

    path: Path
    text: str

    @property
    def module(self):
        """Dotted name as a tuple."""
        parts = self.path.with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def room(self):
        """Name below ``skscore``; None for the face of the package."""
        return self.module[1] if len(self.module) > 1 else None

    @cached_property
    def tree(self):
        return ast.parse(self.text)

    @cached_property
    def code_lines(self):
        """Numbers of the lines that hold code: neither blank, nor comment, nor docstring."""
        silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        lines = {k for t in tokens if t.type not in silent for k in range(t.start[0], t.end[0] + 1)}
        for node in ast.walk(self.tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and _is_string(body[0].value):
                lines -= set(range(body[0].lineno, body[0].end_lineno + 1))
        return lines

    @cached_property
    def functions(self):
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    @cached_property
    def imports(self):
        """(absolute dotted name, line) of what is imported at run time."""
        typing_only = {
            id(inner)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
            for inner in ast.walk(node)
        }
        return [found for node in ast.walk(self.tree) if id(node) not in typing_only for found in self._imported(node)]

    def _imported(self, node):
        if isinstance(node, ast.Import):
            return [(alias.name, node.lineno) for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            package = self.module if self.path.name == "__init__.py" else self.module[:-1]
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += (node.module,) if node.module else ()
            return [(".".join((*base, alias.name)), node.lineno) for alias in node.names]
        return []

    def length(self, function):
        """Lines of code of a function, without its decorators."""
        return len(self.code_lines.intersection(range(function.lineno, function.end_lineno + 1)))


def _is_string(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@cache
def package_sources():
    return [Source(p.relative_to(ROOT), p.read_text("utf-8")) for p in sorted((ROOT / "skscore").rglob("*.py"))]


# ---- the rules --------------------


def rooms_are_those_of_the_plan(source):
    if source.room is not None and source.room not in FLOOR:
        yield f"the plan has no room {source.room!r}"


def imports_go_down(source):
    for name, line in source.imports:
        other = name.split(".")[1] if name.startswith("skscore.") else None
        if source.room in FLOOR and FLOOR.get(other, -1) > FLOOR[source.room]:
            yield f"{line}: {source.room} (floor {FLOOR[source.room] + 1}) imports {other} (floor {FLOOR[other] + 1})"


def heavy_imports_stay_in_their_room(source):
    for name, line in source.imports:
        top = name.split(".")[0]
        if top in FENCES and source.room not in FENCES[top]:
            yield f"{line}: imports {top}, which only {sorted(FENCES[top])} may"


def private_sklearn_has_one_door(source):
    for name, line in source.imports:
        if PRIVATE_SKLEARN.match(name) and source.room != PRIVATE_SKLEARN_ROOM:
            yield f"{line}: imports {name}, which belongs behind {PRIVATE_SKLEARN_ROOM}.py"


def warnings_point_at_the_user(source):
    for name, line in source.imports:
        if name.split(".")[0] == "warnings" and source.path not in (WARNS, SHOWS):
            yield f"{line}: imports warnings: return remarks, of which estimators warn at the user's line"


def imports_inside_are_relative(source):
    for node in ast.walk(source.tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if any(name.split(".")[0] == "skscore" for name in names):
            yield f"{node.lineno}: imports skscore by its absolute name"


def files_fit_on_the_desk(source):
    if (length := len(source.code_lines)) > MAX_FILE:
        yield f"{length} lines of code (at most {MAX_FILE})"


def functions_are_short(source):
    for function in source.functions:
        if (length := source.length(function)) > MAX_FUNCTION:
            yield f"{function.lineno}: {function.name} has {length} lines of code (at most {MAX_FUNCTION})"


def nesting_is_shallow(source):
    for function in source.functions:
        if (depth := _depth(function.body)) > MAX_NESTING:
            yield f"{function.lineno}: {function.name} nests {depth} deep (at most {MAX_NESTING})"


def _depth(statements):
    """Deepest nesting of blocks; an ``elif`` stands beside its ``if``, an inner function counts for itself."""
    return max((_depth_of(statement) for statement in statements), default=0)


def _depth_of(statement):
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return 0
    if isinstance(statement, ast.If) and len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
        return max(1 + _depth(statement.body), _depth_of(statement.orelse[0]))
    branches = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    branches += [part.body for name in ("handlers", "cases") for part in getattr(statement, name, [])]
    return 1 + max(_depth(branch) for branch in branches) if any(branches) else 0


def nothing_is_a_drawer(source):
    if drawers := DRAWERS.intersection(source.module):
        yield f"{sorted(drawers)} could hold anything: name the idea"


def no_end_is_left_open(source):
    for number, line in enumerate(source.text.splitlines(), 1):
        if OPEN_ENDS.search(line):
            yield f"{number}: {line.strip()}"


def modules_say_what_they_are(source):
    if not ast.get_docstring(source.tree):
        yield "the module has no docstring"


def errors_stand_alone(source):
    """A search prints the traceback of every refusal: one, without that of what led to it."""
    raises = [node for h in ast.walk(source.tree) if isinstance(h, ast.ExceptHandler) for node in ast.walk(h)]
    for node in raises:
        if isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.cause or node) != "None":
            yield f"{node.lineno}: raises an error while it handles another one: say from None"


def messages_are_one_line(source):
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Raise) and r"\n" in ast.unparse(node):
            yield f"{node.lineno}: breaks the line of its message"


OFFENDERS = {
    errors_stand_alone: ("skscore/models/x.py", "try:\n f()\nexcept ValueError as e:\n raise KeyError from e"),
    messages_are_one_line: ("skscore/models/x.py", 'raise ValueError(f"{a}:\\n{b}")'),
    rooms_are_those_of_the_plan: ("skscore/attic.py", ""),
    imports_go_down: ("skscore/formulas/x.py", "from ..estimators.density import y"),
    heavy_imports_stay_in_their_room: ("skscore/models/x.py", "def f():\n    import torch.nn"),
    private_sklearn_has_one_door: ("skscore/models/x.py", "from sklearn.utils.validation import _check_sample_weight"),
    warnings_point_at_the_user: ("skscore/models/x.py", "from warnings import warn"),
    imports_inside_are_relative: ("skscore/models/x.py", "from skscore.formulas import quadratic"),
    files_fit_on_the_desk: ("skscore/models/x.py", "a = 1\n" * (MAX_FILE + 1)),
    functions_are_short: ("skscore/models/x.py", "def f():\n" + "    a = 1\n" * MAX_FUNCTION),
    nesting_is_shallow: (
        "skscore/models/x.py",
        "def f():\n for i in x:\n  if i:\n   with i:\n    try:\n     g()\n    finally:\n     h()",
    ),
    nothing_is_a_drawer: ("skscore/models/helpers.py", ""),
    no_end_is_left_open: ("skscore/models/x.py", "a = 1  # TO" + "DO later"),
    modules_say_what_they_are: ("skscore/models/x.py", "a = 1"),
}


@pytest.mark.parametrize("rule", OFFENDERS, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule):
    offences = [f"{source.path}: {offence}" for source in package_sources() for offence in rule(source)]
    assert not offences, "\n".join(["", *offences])


@pytest.mark.parametrize("rule", OFFENDERS, ids=lambda rule: rule.__name__)
def test_the_rule_sees_its_offender(rule):
    path, text = OFFENDERS[rule]
    assert list(rule(Source(Path(path), text)))


def test_functions_are_short_as_a_whole():
    lengths = [source.length(function) for source in package_sources() for function in source.functions]
    assert np.percentile(lengths, 95) <= MAX_P95_FUNCTION


def test_the_face_imports_nothing_heavy():
    code = """
        import sys
        import sklearn.base  # which imports pandas itself where it finds it
        brought = set(sys.modules)
        import skscore
        print({"torch", "matplotlib", "pandas", "polars", "dask"} & (set(sys.modules) - brought))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "set()"


# ---- one home for each tool --------------------

PYPROJECT_TOOLS = {"setuptools", "ruff", "numpydoc_validation"}
SETUP_CFG_TOOLS = {"tool:pytest", "coverage", "mypy", "codespell"}
OTHER_HOMES = (
    "setup.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "mypy.ini",
    ".mypy.ini",
    "ruff.toml",
    ".ruff.toml",
    ".coveragerc",
    ".coveragerc.toml",
    ".codespellrc",
    ".flake8",
    "requirements.txt",
    "MANIFEST.in",
)


def test_each_tool_has_one_home():
    tools = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"])
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    sections = {re.sub(r"^(mypy)-.*|^(coverage):.*", r"\1\2", name, flags=re.DOTALL) for name in config.sections()}
    assert tools == PYPROJECT_TOOLS
    assert sections == SETUP_CFG_TOOLS
    assert [name for name in OTHER_HOMES if (ROOT / name).exists()] == []


# ---- nothing of the machine that a file was written on --------------------

ELSEWHERE = re.compile(r"""(?<![\w.])\.\./shared\b|(?<![\w./~-])/(?:work|home|root|tmp|Users|opt)/\w|\bfile:///""")
BUILT = {"_build", "generated", "auto_examples", "__pycache__"}


def test_a_path_elsewhere_is_seen():
    assert all(ELSEWHERE.search(text) for text in ("'../shared" + "/data'", "open('/ho" + "me/me/x')", "(/tm" + "p/x)"))
    assert not any(ELSEWHERE.search(text) for text in ("docs/work/x", "a/tmp/b", "/workers", "rate/home"))


@pytest.mark.parametrize("folder", ["skscore", "docs", "benchmarks"])
def test_no_file_points_outside_the_repository(folder):
    readable = {".py", ".rst", ".md", ".txt", ".json", ".css"}
    paths = [p for p in sorted((ROOT / folder).rglob("*")) if p.suffix in readable and not BUILT.intersection(p.parts)]
    lines = [(path, line) for path in paths for line in path.read_text("utf-8").splitlines()]
    offences = [f"{path.relative_to(ROOT)}: {line.strip()}" for path, line in lines if ELSEWHERE.search(line)]
    assert lines, f"{folder} has nothing to read"
    assert not offences, "\n".join(["", *offences])
