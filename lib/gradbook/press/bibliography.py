"""A Sphinx extension: a reader's software hears the bibliography as a list of entries."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def open_entry(translator: HTML5Translator, entry: nodes.citation) -> None:
    """Begin an entry as docutils does, but as an item of its list, which the deprecated ``doc-biblioentry`` is not."""
    type(translator).visit_citation(translator, entry)
    translator.body[-1] = translator.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_node(nodes.citation, override=True, html=(open_entry, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
