"""The directive ``{speeds}``: what ``make bench`` measured last, one table per benchmark, with day and machine."""

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from gradbook.press.checkout import read_json
from gradbook.press.sphinx.directives import table
from gradbook.press.status import machine

FOLDER = Path("benchmarks/results")
"""Where in a checkout the results lie, one JSON file per benchmark."""


class Speeds(SphinxDirective):
    """```` ```{speeds} NAME ````: a benchmark's results, or all; where there are none, a sentence that says so."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make title, table and origin of each benchmark."""
        name = self.arguments[0] if self.arguments else "*"
        files = sorted((Path(self.env.srcdir) / FOLDER).glob(f"{name}.json"))
        shown = [node for file in files for node in describe(read_json(file))]
        return shown or [nodes.paragraph("", "This has not been measured yet; make bench does it.")]


def describe(record: dict) -> list[nodes.Node]:
    """Show one benchmark's record, as ``python -m benchmarks`` writes it."""
    commit = record["commit"][:8] + (" with changes" if record["dirty"] else "")
    libraries = record["libraries"]
    peers = {"torch": "PyTorch", "jax": "JAX"}
    beside = "".join(f", {title} {libraries[name]}" for name, title in peers.items() if name in libraries)
    origin = (
        f"Measured {record['measured'][:10]} on {machine(record)}, {record['machine']['memory_gib']} GiB, "
        f"{record['machine']['system']}, at a load of {record['load']} before the start; Python {libraries['python']}, "
        f"TensorFlow {libraries['tensorflow']}{beside}, commit {commit}."
    )
    return [
        nodes.rubric("", record["title"]),
        table([record["headings"], *record["rows"]]),
        nodes.paragraph("", "", nodes.inline("", origin, classes=["provenance"])),
    ]
