"""Sphinx: the user guide, the gallery and the API reference, built offline with warnings as errors."""

import sys
from pathlib import Path

import skscore

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "skscore"
author = "skscore developers"
copyright = f"2026, {author}"
version = release = skscore.__version__

extensions = [
    "mathml",
    "matplotlib.sphinxext.plot_directive",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_extensions", "pictures", "_templates", "examples", "api/generated/*.examples"]
templates_path = ["_templates"]
default_role = "code"  # `alpha` in a docstring is code
toc_object_entries_show_parents = "hide"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc types are the documented ones
numpydoc_show_class_members = False  # the class template lists them
numpydoc_validation_checks = set()  # `numpydoc lint` and tests/test_docstrings.py check docstrings

GALLERY = ["tables", "densities", "graphs", "noise", "kernels", "samplers"]  # in this order on its page
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "subsection_order": [f"examples/{name}" for name in GALLERY],
    "abort_on_example_error": True,
    "backreferences_dir": "api/generated",
    "doc_module": ("skscore",),
    "min_reported_time": 5,
    "show_memory": False,
    "write_computation_times": False,  # its page would load scripts from a content network
}
plot_formats = [("png", 160)]
plot_html_show_formats = False
plot_html_show_source_link = False
suppress_warnings = ["config.cache"]  # sphinx-gallery puts a function into its configuration
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme = "pydata_sphinx_theme"
html_title = "skscore"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
