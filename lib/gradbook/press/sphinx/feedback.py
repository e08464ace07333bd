"""Feedback: each section ends with a link to a new issue of the repository, which says where its reader was."""

from html import escape
from urllib.parse import urlencode

from docutils import nodes
from sphinx.application import Sphinx

BODY = "Where: {address}\n\nWhat is unclear, and what would have helped?\n"


def ask(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put the link at the end of each section of a page, or of the page where it has none."""
    if app.builder.name != "html":  # paper cannot ask
        return
    repository = app.config.html_theme_options["repository_url"]
    for top in _sections(doctree):
        for section in _sections(top) or [top]:
            place = f"{app.config.html_baseurl}{app.builder.get_target_uri(page)}#{section['ids'][0]}"
            section += _link(repository, section.next_node(nodes.title).astext(), place)


def _sections(element: nodes.Element) -> list[nodes.section]:
    return [child for child in element.children if isinstance(child, nodes.section)]


def _link(repository: str, title: str, address: str) -> nodes.raw:
    asked = urlencode({"title": f"Unclear: {title}", "body": BODY.format(address=address)})
    label = f'aria-label="Something unclear? {escape(title)}"'
    link = f'<a href="{escape(f"{repository}/issues/new?{asked}")}" {label}>Something unclear?</a>'
    return nodes.raw("", f'<p class="feedback">{link}</p>', format="html")
