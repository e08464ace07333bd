"""Names of the works that claims cite, from a bibliography in BibTeX."""

from pathlib import Path

from pybtex.database import Entry, parse_file


def citations(path: Path) -> dict[str, str]:
    """Return every key of a bibliography with what readers know the work by, such as "Du (2018)"."""
    return {key: _name(entry) for key, entry in parse_file(path, bib_format="bibtex").entries.items()}


def _name(entry: Entry) -> str:
    author = " ".join(entry.persons["author"][0].last_names).strip("{}")
    return f"{author} ({entry.fields['year']})"
