"""How Sphinx builds these pages: `sphinx-build -W docs build/docs`."""

import logitloss

project = "logitloss"
author = "the authors of logitloss"
copyright = author
release = version = logitloss.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_generated/*.md"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"logitloss {release}"
html_copy_source = False
html_show_copyright = False
