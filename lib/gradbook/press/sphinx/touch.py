"""The directive ``{touch}``: a figure that computes in the page, offline and without a kernel.

Its module stands in ``book/_static/touch/NAME.js``, its first state as a still picture beside it in ``NAME.svg``, for
print and for browsers without scripts; the directive's text says to readers who cannot see it what there is to learn.
"""

from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from gradbook.errors import unknown

FOLDER = "book/_static/touch"


class Touch(SphinxDirective):
    """``:::{touch} descents``, with the caption as its content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the still picture, which the module replaces, and the caption."""
        (name,) = self.arguments
        folder = Path(self.env.srcdir) / FOLDER
        known = sorted(path.stem for path in folder.glob("*.svg"))
        if name not in known:
            raise self.error(str(unknown("figure to touch", name, known)))
        caption = self.parse_content_to_nodes(allow_section_headings=False)
        words = escape(" ".join(node.astext() for node in caption))
        still = (folder / f"{name}.svg").read_text(encoding="utf-8")
        opened = (
            f'<figure class="touch"><div class="stage" data-module="{escape(name)}" aria-label="{words}">{still}</div>'
        )
        return [
            nodes.raw("", f"{opened}<figcaption>", format="html"),
            *caption,
            nodes.raw("", "</figcaption></figure>", format="html"),
        ]
