"""The documentation as a site: `make docs` builds it without a network, and it opens from disk."""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = "Espalier"
author = "the authors of Espalier"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_title = "Espalier"
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_copy_source = False
html_use_index = False


def setup(app):
    """Take MathML for equations: a browser draws it by itself."""
    app.add_html_math_renderer("mathml", (_inline_equation, None), (_equation, None))


def _inline_equation(translator, node):
    translator.body.append(convert(node.astext()))
    raise SkipNode


def _equation(translator, node):
    equation = convert(node.astext(), display="block")
    translator.body.append(f'<div class="equation" tabindex="0">{equation}</div>')
    raise SkipNode
