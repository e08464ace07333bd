"""What every chapter keeps to, so that readers find all of them alike."""

import ast
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode

from gradbook.parameters import NUMBER, problem
from gradbook.press.chapters import Chapter, find_chapters
from gradbook.press.checkout import checkout, read_json
from gradbook.press.fingerprint import modules
from gradbook.press.repository import current
from gradbook.press.status import published_record

ROOT = checkout(Path(__file__))
CHAPTERS = find_chapters(ROOT)
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
LINES_IN_A_CELL = 25
WORDS_IN_A_SENTENCE = 40
BYTES_IN_A_TWIN = 1_000_000

pytestmark = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)


def code_cells(chapter: Chapter) -> list[NotebookNode]:
    return [cell for cell in nbformat.read(chapter.twin, 4).cells if cell.cell_type == "code"]


def text(chapter: Chapter) -> str:
    cells = nbformat.read(chapter.twin, 4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def written(chapter: Chapter) -> list[NotebookNode]:
    """The cells of its source, from which its twin is made."""
    return jupytext.read(chapter.source).cells


def sentences(markdown: str) -> list[str]:
    """The sentences of prose: without code, tables, headings and directives; a formula or a role counts as one word."""
    prose = re.sub(r"^(`{3,})[^\n]*\n.*?^\1`*$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^\$\$.*?^\$\$[^\n]*$", "formula", prose, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^(\|.*|:{3,}.*|:\w+:.*|#+ .*)$", "\n", prose, flags=re.MULTILINE)
    prose = re.sub(r"\$[^$]+\$|\{[\w:]+\}`[^`]*`|`[^`]+`", "Formula", prose)
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", prose)
    ends = re.compile(r"(?<=[.!?])[\"”’)*]*\s+(?=[\"“(*]*[A-Z0-9])")
    return [sentence for block in blocks for sentence in ends.split(" ".join(block.split())) if sentence]


def pictures(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a cell that are figures or players."""
    return [
        output
        for output in cell.outputs
        if any(kind.startswith("image/") for kind in output.get("data", {}))
        or 'class="animation"' in output.get("data", {}).get("text/html", "")
    ]


def test_the_greatest_seed_leaves_room_for_those_after_it(chapter):
    """A seed is below 2³²; one that is refused shall be refused at the top of the page."""
    if "n_seeds" in chapter.declared:
        assert int(NUMBER.fullmatch(chapter.declared["seed"][1])["most"]) < 2**31


def test_its_name_gives_part_and_place(chapter):
    assert re.fullmatch(r"[1-9][0-9]_[a-z0-9_]+", chapter.name)


def test_its_twin_is_small(chapter):
    assert chapter.twin.stat().st_size < BYTES_IN_A_TWIN


def test_its_cells_are_short(chapter):
    lines = {cell.source: sum(1 for line in cell.source.splitlines() if line.strip()) for cell in code_cells(chapter)}
    assert [source for source, count in lines.items() if count > LINES_IN_A_CELL] == []


def test_a_value_is_thrown_away_only_where_its_cell_would_print_it(chapter):
    bodies = [ast.parse(cell.source).body for cell in code_cells(chapter)]
    discarded = [
        ast.unparse(node)
        for body in bodies
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_" and node is not body[-1]
    ]
    assert discarded == []


def test_the_headers_of_its_cells_are_short(chapter):
    lines = chapter.source.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(("# %%", "#|")) and len(line) > 120] == []


def test_its_first_code_cell_installs_the_library_as_in_the_template_and_no_other_installs_anything(chapter):
    template = jupytext.read(ROOT / "book/chapter_template.py")
    first, *others = code_cells(chapter)
    assert first.source == next(cell.source for cell in template.cells if cell.cell_type == "code")
    assert f'version, repository = "{VERSION}", "git+{current(ROOT)}"' in first.source
    assert [cell.source for cell in others if re.search(r"\bpip\b", cell.source)] == []


def test_its_parameters_are_literals_and_a_seed_is_among_them(chapter):
    assert "seed" in chapter.parameters  # anything but a literal raises


def test_its_first_cell_after_the_parameters_says_and_checks_what_each_may_be(chapter):
    cells = [cell for cell in written(chapter) if cell.cell_type == "code"]
    place = next(i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", []))
    assert re.match(
        r"from gradbook.parameters import check\n\nchanged = check\(\s*globals\(\)", cells[place + 1].source
    )
    assert {name: default for name, (default, _) in chapter.declared.items()} == chapter.parameters
    assert {name: problem(default, words) for name, (default, words) in chapter.declared.items()} == dict.fromkeys(
        chapter.parameters
    )


def test_it_asks_before_it_shows_and_one_of_its_exercises_has_a_check_and_no_shown_answer(chapter):
    text = "\n".join(cell.source for cell in written(chapter) if cell.cell_type == "markdown")
    assert "**Predict:**" not in text
    assert re.search(r"^:::\{question\} ", text, re.MULTILINE)
    code = [cell.source for cell in written(chapter) if cell.cell_type == "code"]
    checks = [name for source in code for name in re.findall(r"^(check_\w+) = exercise\(", source, re.MULTILINE)]
    assert checks
    assert [name for name in checks if not any(f"\n{name}(None)" in f"\n{source}" for source in code)] == []


def test_its_sentences_are_short(chapter):
    prose = [one for cell in written(chapter) if cell.cell_type == "markdown" for one in sentences(cell.source)]
    long = [one for one in prose if len(re.findall(r"[^\W_][\w'’.,/-]*", one)) > WORDS_IN_A_SENTENCE]
    assert prose
    assert long == []


def test_its_code_names_no_address_but_the_repository_s(chapter):
    code = "\n".join(cell.source for cell in code_cells(chapter))
    assert set(re.findall(r"https?://[^\s\"')]+", code)) <= {current(ROOT)}


def test_its_text_names_no_host_of_data(chapter):
    from gradbook.data import SOURCES

    hosts = {
        urlsplit(mirror).netloc
        for source in SOURCES.values()
        for download in source.downloads
        for mirror in download.mirrors
    }
    assert hosts
    assert {host for host in hosts if host in text(chapter)} == set()


def test_everything_in_it_was_executed_once_from_top_to_bottom(chapter):
    counts = [cell.execution_count for cell in code_cells(chapter)]
    assert counts == list(range(1, len(counts) + 1))


def test_it_shows_no_errors_no_warnings_and_no_progress_bars(chapter):
    outputs = [output for cell in code_cells(chapter) for output in cell.outputs]
    assert outputs
    assert [output for output in outputs if output.output_type == "error"] == []
    streams = [output for output in outputs if output.output_type == "stream"]
    assert [output.text for output in streams if output.name == "stderr" or "\r" in output.text] == []


def test_every_figure_stands_alone_and_has_a_caption_a_name_and_an_alternative_text(chapter):
    drawing = [cell for cell in code_cells(chapter) if pictures(cell)]
    assert drawing
    for cell in drawing:
        assert len(pictures(cell)) == 1, f"more than one figure from:\n{cell.source}"
        described = cell.metadata.get("mystnb", {})
        figure, alternative = described.get("figure", {}), described.get("image", {}).get("alt", "")
        bare = not (figure.get("caption") and figure.get("name") and len(alternative) > 20)
        assert not bare, f"caption, name or alternative text is missing from:\n{cell.source}"
        assert alternative.strip() != figure["caption"].strip(), "an alternative text says what a caption does not"


def test_every_figure_is_referred_to(chapter):
    names = [cell.metadata.mystnb.figure.name for cell in code_cells(chapter) if pictures(cell)]
    assert len(names) == len(set(names))
    referred = set(re.findall(r"\{(?:num)?ref\}`(?:[^`<]*<)?([^`>]+)>?`", text(chapter)))
    assert set(names) - referred == set()


def test_its_twin_depends_on_no_method_of_another_part(chapter):
    own = {"1": "auxiliary", "2": "synthetic", "3": "gradnets", "4": "lowrank"}
    files = modules(read_json(published_record(ROOT, chapter)).get("fingerprint", {}))  # none before it was recorded
    assert {file.split("/")[0] for file in files} & set(own.values()) <= {own.get(chapter.name[0])}


def test_its_headings_are_in_order(chapter):
    prose = re.sub(r"^(`{3,}|:{3,}).*?^\1", "", text(chapter), flags=re.MULTILINE | re.DOTALL)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, flags=re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(level <= before + 1 for before, level in pairwise(levels))
