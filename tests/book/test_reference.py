"""The reference lists what the library offers."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from gradbook.press.files import checkout

ROOT = checkout(Path(__file__))
PAGES = "".join(page.read_text(encoding="utf-8") for page in ROOT.glob("book/reference/*.md"))
LISTED = set(re.findall(r"^\.\. auto(?:function|class|data):: (\S+)$", PAGES, re.MULTILINE))


@pytest.mark.parametrize("package", ["auxiliary", "synthetic", "gradnets", "data"])
def test_the_reference_has_an_entry_for_every_name_that_a_package_offers(package):
    offered = {f"gradbook.{package}.{name}" for name in import_module(f"gradbook.{package}").__all__}
    assert offered and offered <= LISTED
