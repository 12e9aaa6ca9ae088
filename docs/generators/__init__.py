"""What the pages say of the code, made from the code each time they are built.

A page names it in a fence, ```{generated} architecture image cnn```: a function below, and its
arguments. It returns Markdown.
"""

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


def setup(app):
    """Tell Sphinx of the fence."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True}
