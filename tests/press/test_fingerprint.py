"""What a chapter depends on."""

import ast

from gradbook.press.fingerprint import PACKAGE, imported_modules, named_tables, tables_of


def names(code: str) -> set[str]:
    return {path.relative_to(PACKAGE).as_posix() for path in imported_modules(ast.parse(code))}


def test_imports_are_followed_through_the_library():
    found = names("from gradbook.press import compare")
    assert {"__init__.py", "press/__init__.py", "press/compare.py", "press/chapters.py", "errors.py"} <= found
    assert "cli.py" not in found


def test_attributes_of_the_package_count_as_imports():
    assert "seeds.py" in names("import gradbook\ngradbook.seeds.generator(0)")


def test_other_packages_do_not_count():
    assert names("import numpy, gradbookish") == set()


def test_a_table_counts_when_its_stem_is_named(root):
    tables = named_tables(ast.parse("load('10_concept')"))
    assert {path.name for path in tables} == {"10_concept.csv"}
    assert named_tables(ast.parse("load('10_conc')")) == set()


def test_a_table_counts_when_a_module_of_its_name_does():
    modules = imported_modules(ast.parse("from gradbook.studies import claims, ledger"))
    assert {path.name for path in tables_of(modules)} == {"claims.yml", "ledger.csv"}
    assert tables_of(imported_modules(ast.parse("from gradbook import published"))) == set()
