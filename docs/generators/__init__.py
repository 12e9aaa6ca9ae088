"""What the pages say of the code, made from the code each time they are built.

A page names it in a fence, ```{generated} architecture image cnn```: a function below, and its
arguments. It returns Markdown.
"""

import re
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

from generators import architecture, reference

FUNCTIONS = {
    "architecture": architecture.page,
    "architectures": architecture.overview,
    "command": reference.command,
    "http": reference.http,
    "metrics": reference.metrics,
    "params": reference.params,
    "tags": reference.tags,
    "training": reference.training,
}


class Generated(SphinxDirective):
    """The fence `{generated}`."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        """Return the nodes of what the named function wrote."""
        name, *arguments = self.arguments[0].split()
        markdown = FUNCTIONS[name](*arguments)
        return self.parse_text_to_nodes(markdown, allow_section_headings=True)


def _offer_pages_of_the_checkout(app, name, source):
    """Let a link to a .md file that is no page of the site lead to the file."""
    folder = Path(app.srcdir, name).parent

    def link(found):
        inside = (folder / found[1]).resolve().is_relative_to(app.srcdir)
        return found[0] if inside else f"](path:{found[1]})"

    source[0] = re.sub(r"\]\(((?:\.\./)+[^)#]+\.md)\)", link, source[0])


def setup(app):
    """Tell Sphinx of the fence, and of links that lead out of the site."""
    app.add_directive("generated", Generated)
    app.connect("source-read", _offer_pages_of_the_checkout)
    return {"parallel_read_safe": True}
