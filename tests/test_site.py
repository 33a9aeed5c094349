"""The pages of the documentation: formulas that need no network, links that lead somewhere, code before theory."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GUIDE = sorted(path for path in (DOCS / "user_guide").glob("*.rst") if path.stem != "index")
EXAMPLES = sorted((DOCS / "examples").rglob("plot_*.py"))
SOURCES = [*DOCS.glob("[!_a]*/**/*.rst"), DOCS / "index.rst", *EXAMPLES, *(ROOT / "skscore").rglob("*.py")]
DISPLAYED = re.compile(r"^( *#? *)\.\. math:: *(.*\n(?:\1 .*\n|\1?\n(?=\1   ))*)", re.MULTILINE)

sys.path.insert(0, str(DOCS / "_extensions"))
from mathml import mathml  # noqa: E402  # an extension of the site lies beside the site


def formulas(text):
    """(LaTeX, how it is displayed) of a page, a script or a module."""
    for block in DISPLAYED.finditer(text):
        yield re.sub(r"\n[ #]*", " ", block[2]).strip(), "block"
    for latex in re.findall(r":math:`([^`]+)`", text):
        yield re.sub(r"\n[ #]*", " ", latex), "inline"


def test_every_formula_is_one_that_browsers_draw():
    found = {formula for path in SOURCES for formula in formulas(path.read_text("utf-8"))}
    assert {how for _, how in found} == {"block", "inline"}
    drawn = [mathml(latex, how) for latex, how in found]
    assert all(element.startswith("<math") and "\\" not in element for element in drawn)


def test_a_formula_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match=r"'\\\\unheard' is not known .* 'x \\\\unheard y'"):
        mathml(r"x \unheard y")


@pytest.mark.parametrize("path", GUIDE, ids=lambda path: path.stem)
def test_a_page_of_the_guide_starts_with_code(path):
    text = path.read_text("utf-8")
    code = re.search(r"^>>> |^\.\. code-block:: |^\.\. list-table::", text, re.MULTILINE).start()
    before = text[:code]
    assert ".. math::" not in before
    assert len(re.findall(r"^([-=~])\1{3,}$", before, re.MULTILINE)) <= 2  # the title, and one heading
    assert len(before.split()) <= 150


def test_links_to_examples_lead_to_examples():
    pages = "\n".join(path.read_text("utf-8") for path in [*DOCS.glob("*.rst"), *GUIDE, *EXAMPLES])
    links = {
        name.replace("/", "_").removesuffix(".py")
        for name in re.findall(r"(?:sphx_glr_auto_examples_|/?auto_examples/)([\w/]*plot_\w+(?:\.py)?)", pages)
    }
    assert len(links) > 10
    assert links <= {"_".join(path.relative_to(DOCS / "examples").with_suffix("").parts) for path in EXAMPLES}
