"""The book's one Sphinx extension: its roles and directives, and what it adds to pages that other extensions make."""

from docutils import nodes
from sphinx.application import Sphinx

from gradbook.press.sphinx.bibliography import lead_back, open_entry
from gradbook.press.sphinx.crosswalk import Crosswalk, Notes
from gradbook.press.sphinx.directives import ChapterStatus, Cost, Provenance, StillToRun, Verdict
from gradbook.press.sphinx.explorer import Explorer
from gradbook.press.sphinx.faults import Faults
from gradbook.press.sphinx.feedback import ask
from gradbook.press.sphinx.found import describe, tell_address
from gradbook.press.sphinx.light import lazily, lighten
from gradbook.press.sphinx.outcomes import Outcomes
from gradbook.press.sphinx.question import Question
from gradbook.press.sphinx.signatures import own_words, readable
from gradbook.press.sphinx.source_link import open_source
from gradbook.press.sphinx.speeds import Speeds
from gradbook.press.sphinx.touch import Touch

ROLES = {"cost": Cost, "verdict": Verdict, "provenance": Provenance}
DIRECTIVES = {
    "chapter-status": ChapterStatus,
    "crosswalk": Crosswalk,
    "explorer": Explorer,
    "faults": Faults,
    "outcomes": Outcomes,
    "question": Question,
    "speeds": Speeds,
    "still-to-run": StillToRun,
    "touch": Touch,
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx, after the extensions that it builds on."""
    for needed in ("sphinx.ext.autodoc", "sphinxcontrib.bibtex"):
        app.setup_extension(needed)
    for name, role in ROLES.items():
        app.add_role(name, role())
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    app.add_transform(Notes)
    app.add_node(nodes.citation, override=True, html=(open_entry, None))
    for script in ("explorer.js", "question.js", "touch.js"):
        app.add_js_file(script, loading_method="defer")
    app.connect("autodoc-process-signature", readable)
    app.connect("autodoc-process-docstring", own_words)
    app.connect("doctree-resolved", lead_back)
    app.connect("doctree-resolved", ask)
    app.connect("doctree-resolved", lazily)
    app.connect("config-inited", tell_address)
    app.connect("html-page-context", describe, priority=400)  # before the cards of links, which look for it
    app.connect("html-page-context", open_source, priority=900)  # behind the theme, which makes the button
    app.connect("build-finished", lighten, priority=900)  # behind MathJax, which is copied then
    return {"parallel_read_safe": True, "parallel_write_safe": True}
