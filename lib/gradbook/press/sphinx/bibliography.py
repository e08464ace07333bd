"""The bibliography: it leads back to the pages that cite an entry, and sounds as a list of entries."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from gradbook.press.sphinx.directives import listed


def open_entry(translator: HTML5Translator, entry: nodes.citation) -> None:
    """Begin an entry as docutils does, but as an item of its list, which the deprecated ``doc-biblioentry`` is not."""
    type(translator).visit_citation(translator, entry)
    translator.body[-1] = translator.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def lead_back(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Name in each entry the pages that cite it."""
    domain = app.env.get_domain("cite")
    keys = {citation.citation_id: citation.key for citation in domain.citations}
    for entry in doctree.findall(nodes.citation):
        key = keys[entry["ids"][0]]
        citing = {place.docname for place in domain.citation_refs if key in (target.key for target in place.targets)}
        links = [
            nodes.reference(
                "", app.env.titles[name].astext(), internal=True, refuri=app.builder.get_relative_uri(page, name)
            )
            for name in sorted(citing)
        ]
        if links:
            entry[-1] += [nodes.Text(" Cited in "), *listed([link] for link in links), nodes.Text(".")]
