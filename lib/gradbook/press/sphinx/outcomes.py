"""The directive ``{outcomes}``: what became of the book's methods, from the ledger."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd
import yaml
from docutils import nodes
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from sphinx.util.docutils import SphinxDirective

from gradbook.book_claims import overview
from gradbook.claims import claim, ledger
from gradbook.claims.verdict import INCONCLUSIVE, NOT_REPRODUCED, REDUCED, REPRODUCED
from gradbook.press.sphinx.directives import grid, reference
from gradbook.untrusted import refusal


class Method(BaseModel):
    """A row: a method, the page that explains it, what it does, and patterns of the ids of its claims."""

    model_config = ConfigDict(extra="forbid")

    method: str
    page: str
    does: str
    claims: list[str]


class Outcomes(SphinxDirective):
    """One row per method, a list in YAML; or, without content, one sentence per part of the book."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the table, or the sentences."""
        book = Path(self.env.srcdir) / "book"
        claims, table = claim.load(book / "claims.yml").claims, ledger.load(book / "ledger.csv")
        if not self.content:
            return [_sentences(overview(claims, table))]
        try:
            methods = TypeAdapter(list[Method]).validate_python(yaml.safe_load("\n".join(self.content)))
        except (yaml.YAMLError, ValidationError) as error:
            reason = refusal(error) if isinstance(error, ValidationError) else str(error)
            raise self.error(f"outcomes needs a list of methods: {reason}") from None
        known = {one.id: one for one in claims}
        headings = ["method", "what it does", "held here", "did not hold", "undecided"]
        rows = [self._row(method, known, table) for method in methods]
        return [grid(headings, rows, (3, 5, 6, 5, 2), "outcomes")]

    def _row(self, method: Method, known: dict[str, claim.Claim], table: pd.DataFrame) -> list[list[nodes.Node]]:
        chosen = [any(fnmatchcase(name, pattern) for pattern in method.claims) for name in table["id"]]
        outcome = table[chosen].set_index("id")["verdict"].str.removeprefix(REDUCED)
        if outcome.empty:
            raise self.error(f"no claim of the ledger is called {' or '.join(method.claims)}.")
        title = reference("std", "doc", method.page, nodes.inline("", method.method), as_shown=True)
        cells = [
            _words(known[name] for name in outcome.index[outcome == kind]) for kind in (REPRODUCED, NOT_REPRODUCED)
        ]
        undecided = (outcome == INCONCLUSIVE).sum()
        return [[title], [nodes.Text(method.does)], *cells, [nodes.Text(str(undecided))]]


def _words(claims: Iterable[claim.Claim]) -> list[nodes.Node]:
    """Return what was claimed; of several counts of parameters only how many there were."""
    chosen = list(claims)
    counts = [one for one in chosen if isinstance(one.test, claim.Exact)]
    said = [one.claim for one in chosen if one not in counts or len(counts) == 1]
    more = [f"{len(counts)} published counts."] if len(counts) > 1 else []
    return [nodes.Text(" ".join([*said, *more]) or "nothing")]


def _sentences(said: dict[str, str]) -> nodes.bullet_list:
    def item(name: str, text: str) -> nodes.list_item:
        return nodes.list_item("", nodes.paragraph("", "", nodes.strong("", f"{name}:"), nodes.Text(f" {text}.")))

    return nodes.bullet_list("", *(item(name, text) for name, text in said.items()))
