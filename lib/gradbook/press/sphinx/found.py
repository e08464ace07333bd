"""Found and shared: what search engines, Scholar and cards of links learn of each page.

The site's address is that of ``html_baseurl``; the extensions that name it elsewhere take it from there.
"""

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

LENGTH = 200
"""Characters of a description, at most."""


def tell_address(app: Sphinx, config: Config) -> None:
    """Tell the cards of links and the page for lost readers where the site is."""
    config.ogp_site_url = config.html_baseurl
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Describe a chapter by its claim, and the first page, the book, as a work that can be cited."""
    if doctree is None:
        return
    if claim := _claim(doctree):
        context["metatags"] += f'<meta name="description" content="{escape(claim)}" />\n'
        context["meta"] = (context["meta"] or {}) | {"og:description": claim}
    if page == app.config.root_doc:
        context["metatags"] += "".join(
            f'<meta name="citation_{name}" content="{escape(text)}" />\n'
            for name, text in citation(Path(app.srcdir), app.config.html_baseurl).items()
        )


def _claim(doctree: nodes.document) -> str:
    """Return what a chapter's card says after "Claim.", on one line; nothing where there is no card."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text.startswith("Claim. "):
            text = text.removeprefix("Claim. ")
            return text if len(text) <= LENGTH else text[:LENGTH].rpartition(" ")[0] + " …"
    return ""


def citation(root: Path, address: str) -> dict[str, str]:
    """Return what Scholar reads of the book, from ``CITATION.cff``."""
    known = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    return {
        "title": known["title"],
        "author": known["authors"][0]["name"],
        "publication_date": f"{known['date-released']:%Y/%m/%d}",
        "pdf_url": f"{address}book.pdf",
        "language": "en",
    }
