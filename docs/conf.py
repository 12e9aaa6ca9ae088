"""The documentation as a site: `make docs` builds it without a network, and it opens from disk."""

import os
import sys
from pathlib import Path

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's greetings are no warnings of ours

project = "Espalier"
author = "the authors of Espalier"
extensions = ["myst_parser", "generators"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
smartquotes = False  # an option is --task, not –task
html_title = "Espalier"
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_js_files = ["page.js"]
html_copy_source = False
html_use_index = html_show_copyright = False
html_show_search_summary = False  # they are fetched, which a browser does not do from disk


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
