"""The reference lists what the library offers, and the crosswalk leads from every equation to function and test."""

import re
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import pytest

from gradbook.errors import InputError
from gradbook.press.checkout import checkout
from gradbook.press.sphinx.crosswalk import crosswalk, labelled, place

ROOT = checkout(Path(__file__))
PAGES = "".join(page.read_text(encoding="utf-8") for page in ROOT.glob("book/reference/*.md"))
LISTED = set(re.findall(r"^\.\. auto(?:function|class|data):: (\S+)$", PAGES, re.MULTILINE))
ROWS = crosswalk(ROOT)


@pytest.mark.parametrize("package", ["auxiliary", "synthetic", "synthetic.without_backward", "gradnets", "data"])
def test_the_reference_has_an_entry_for_every_name_that_a_package_offers(package):
    offered = {f"gradbook.{package}.{name}" for name in import_module(f"gradbook.{package}").__all__}
    assert offered and offered <= LISTED


def test_every_equation_with_a_label_is_in_the_crosswalk_once():
    sources = [*ROOT.glob("notebooks/*.py"), *ROOT.glob("book/*.md")]
    labels = [label for path in sources for label in re.findall(r"\$\$ \((\S+)\)$", path.read_text(), re.MULTILINE)]
    assert sorted(row.label for row in ROWS) == sorted(labels) == sorted(labelled(ROOT))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_a_row_of_the_crosswalk_leads_somewhere(row):
    assert bool(row.functions) == bool(row.tests) != bool(row.reason)
    assert set(row.functions) <= LISTED
    tests = "".join((ROOT / test.partition("::")[0]).read_text(encoding="utf-8") for test in row.tests)
    for function in row.functions:
        assert callable(resolve_name(function))
        assert re.search(rf"\b{function.rpartition('.')[2]}\b", tests)
    for test in row.tests:
        file, first, last = re.fullmatch(r"(.+)#L(\d+)-L(\d+)", place(test, ROOT)).groups()
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(first) - 1 : int(last)]
        assert lines[0].startswith(f"def {test.partition('::')[2]}(") and "assert" in "".join(lines)


def test_a_test_or_an_equation_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="test_nothing"):
        place("tests/book/test_reference.py::test_nothing", ROOT)
    (tmp_path / "book").mkdir()
    (tmp_path / "book/crosswalk.yml").write_text("nowhere: a reason\n")
    with pytest.raises(InputError, match="nowhere"):
        crosswalk(tmp_path)
