"""Names of the works that claims cite, from a bibliography in BibTeX."""

from pathlib import Path

from pybtex.database import Entry, parse_file

from gradbook.errors import InputError


def citations(path: Path) -> dict[str, str]:
    """Return every key of a bibliography with what readers know the work by, such as "Du (2018)".

    Raises:
        InputError: an entry without a person, or without a year.
    """
    return {key: _name(key, entry) for key, entry in parse_file(path, bib_format="bibtex").entries.items()}


def _name(key: str, entry: Entry) -> str:
    people = entry.persons.get("author") or entry.persons.get("editor")
    year = entry.fields.get("year") or entry.fields.get("date", "")[:4]  # BibLaTeX has dates
    if not people or not year:
        raise InputError(f"the entry {key!r} of the bibliography must have an author or an editor, and a year.")
    return f"{' '.join(people[0].last_names).strip('{}')} ({year})"
