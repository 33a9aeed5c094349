"""Formulas as MathML, which browsers draw by themselves: converted when pages are built, so that no network is needed.

latex2mathml converts; what it does not know it leaves in place, with its backslash. A formula in which that happens
stops the build, with its page and line. ``html_math_renderer = "mathml"`` chooses this renderer.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError

SPELLINGS = [  # what the converter does not know, or draws without its space: (as in LaTeX, as it is told)
    (r"\\(?:operatorname|mathrm)\{(\w+)\}(?= *[A-Z])", r"\\text{\1}\\,"),
    (r"\\(?:operatorname|mathrm)\{(\w+)\}", r"\\text{\1}"),
    (r"\\arg\b", r"\\text{arg}\\,"),
    (r"\\_", "_"),
    (r"(\\[bB]igg?[lr]?)\\([{}])", r"\1\2"),
    (r"(\\[bB]igg?[lr]?)\\\|", r"\1‖"),
    (r"(?<=[\w})]) *(\\(?:cosh?|det|exp|log|sinh?|tanh?)\b)", r"\\,\1"),
    (r"(\\(?:cosh?|det|exp|log|sinh?|tanh?)\b)(?= *(?:\w|\\(?!left|[bB]ig|\||,)))", r"\1\\,"),
]
LIMITS = r"\\(inf|max|min|sup)(?=_)", r"\\\1\\limits"  # on a line of its own a limit is below


def mathml(latex, display="inline"):
    r"""Return ``latex`` as a ``math`` element.

    >>> "\\" in mathml(r"\log p_\theta(x)")
    False
    """
    told = latex
    for spelling in SPELLINGS + [LIMITS] * (display == "block"):
        told = re.sub(*spelling, told)
    element = convert(told, display=display)
    if unknown := re.search(r"\\\w*", element):
        raise ValueError(f"{unknown.group()!r} is not known to latex2mathml, in the formula {latex!r}")
    return element


def visit_math(writer, node, display="inline"):
    """Write a formula within a line."""
    try:
        writer.body.append(mathml(node.astext(), display))
    except Exception as error:  # the converter has many kinds of its own
        raise ExtensionError(f"{writer.builder.current_docname}, line {node.line}: {error}") from error
    raise nodes.SkipNode


def visit_displaymath(writer, node):
    """Write a formula on a line of its own."""
    writer.body.append('<div class="math">')
    try:
        visit_math(writer, node, "block")
    except nodes.SkipNode:
        writer.body.append("</div>")
        raise


def setup(app):
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
