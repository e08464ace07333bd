"""The table of faults: every row has tests that exist, or says why it has none, and the page shows every table."""

import re
from pathlib import Path

import pytest

from gradbook.errors import InputError
from gradbook.press.checkout import checkout
from gradbook.press.sphinx.crosswalk import place
from gradbook.press.sphinx.faults import faults

ROOT = checkout(Path(__file__))


def test_every_fault_has_tests_that_exist_or_the_reason_why_not():
    rows = [row for table in faults(ROOT).values() for row in table]
    assert rows
    for row in rows:
        assert (row.tests is None) != (row.untested is None), row.fault
        for test in row.tests or []:
            assert place(test, ROOT)


def test_a_test_that_does_not_exist_is_named():
    with pytest.raises(InputError, match="did you mean 'test_importing_is_cheap'"):
        place("tests/test_cli.py::test_importing_is_chep", ROOT)


def test_the_page_shows_every_table():
    page = (ROOT / "book/trust.md").read_text(encoding="utf-8")
    assert re.findall(r"^```\{faults\} (\w+)$", page, re.MULTILINE) == [*faults(ROOT)]
