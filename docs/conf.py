"""Sphinx: the user guide, the gallery and the API reference, built offline with warnings as errors."""

import skscore

project = "skscore"
author = "skscore developers"
copyright = f"2026, {author}"
version = release = skscore.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "examples", "api/generated/*.examples"]
templates_path = ["_templates"]
default_role = "code"  # `alpha` in a docstring is code
toc_object_entries_show_parents = "hide"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc types are the documented ones
numpydoc_show_class_members = False  # the class template lists them
numpydoc_validation_checks = set()  # `numpydoc lint` and tests/test_docstrings.py check docstrings

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "backreferences_dir": "api/generated",
    "doc_module": ("skscore",),
    "min_reported_time": 5,
    "show_memory": False,
}
suppress_warnings = ["config.cache"]  # sphinx-gallery puts a function into its configuration
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

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
