"""For teachers: slides of a chapter, each figure after the question that it answers, and its figures as SVG."""

import re
from ast import literal_eval
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from gradbook.errors import InputError
from gradbook.files import atomic_write
from gradbook.press.chapters import Chapter

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  html {{ scroll-snap-type: y mandatory; font: 1.6rem/1.4 system-ui, sans-serif; }}
  body {{ margin: 0; }}
  section {{ box-sizing: border-box; height: 100vh; padding: 4vh 6vw; scroll-snap-align: start; display: flex;
    flex-direction: column; justify-content: center; gap: 2vh; break-after: page; }}
  img {{ max-width: 100%; max-height: 70vh; object-fit: contain; }}
  figure {{ margin: 0; }}
  figcaption {{ font-size: 0.7em; }}
</style>
{slides}
</html>
"""

QUESTION = re.compile(r"^:::\{question\} \S+\n(?P<text>.*?)^:::", re.MULTILINE | re.DOTALL)
GLUED = re.compile(r"\{glue:text\}`([^`:]+):?([^`]*)`")
RECORD = "application/papermill.record/text/plain"
FORMULA = re.compile(r"(\$[^$]*\$)")
EMPHASIS = re.compile(r"(?<!\w)([*_]{1,2})(\S(?:.*?\S)?)\1(?!\w)")
ROLE = re.compile(r"\{[\w:]+\}`([^`<]*?)(?: <[^>]*>)?`")


def slides(chapter: Chapter) -> str:
    """Return one HTML page that needs no network: arrow keys and a page down lead from slide to slide.

    Raises:
        InputError: the chapter's twin has no figure.
    """
    notebook = nbformat.read(chapter.twin, as_version=4)
    title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    shown = [f"<section><h1>{escape(title[1] if title else chapter.name)}</h1></section>"]
    glued = {
        output.metadata.scrapbook.name: output.data[RECORD]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if RECORD in output.get("data", {})
    }
    for cell in notebook.cells:
        shown += _questions(_filled(cell.source, glued)) if cell.cell_type == "markdown" else _figures(cell)
    if not any("<img" in slide for slide in shown):
        raise InputError(f"{chapter.twin.name} has no figure to show; execute the chapter first.")
    return PAGE.format(title=escape(chapter.name), slides="\n".join(shown))


def _filled(text: str, glued: dict[str, str]) -> str:
    """Return a text with the values that the page's code has glued into it."""

    def value(found: re.Match) -> str:
        name, form = found.groups()
        try:
            return format(literal_eval(glued[name]), form)
        except (KeyError, ValueError, SyntaxError):
            return glued.get(name, name)

    return GLUED.sub(value, text)


def _questions(text: str) -> list[str]:
    """Make a slide for each question of a cell: its text and its answers, without their feedback."""
    made = []
    for found in QUESTION.finditer(text):
        asked, *answers = re.split(r"^- \[[ x]\] ", found["text"], flags=re.MULTILINE)
        items = "".join(f"<li>{_plain(answer.partition(chr(10))[0])}</li>" for answer in answers)
        made.append(f"<section><p>{_plain(asked)}</p><ul>{items}</ul></section>")
    return made


def _figures(cell: NotebookNode) -> list[str]:
    about = cell.metadata.get("mystnb", {})
    caption = _plain(about.get("figure", {}).get("caption", ""))
    alternative = escape(about.get("image", {}).get("alt", ""))
    pictures = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return [
        f'<section><figure><img alt="{alternative}" src="data:image/png;base64,{picture.strip()}">'
        f"<figcaption>{caption}</figcaption></figure></section>"
        for picture in pictures
    ]


def _plain(markdown: str) -> str:
    """Markdown as text for a slide: what a role names stands for it, emphasis goes, formulas stay."""
    parts = FORMULA.split(ROLE.sub(r"\1", markdown))
    return escape("".join(part if part.startswith("$") else EMPHASIS.sub(r"\2", part) for part in parts).strip())


def write(chapter: Chapter, folder: Path) -> Path:
    """Write a chapter's slides into a folder, and return their file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{chapter.name}.html"
    with atomic_write(path) as file:
        file.write(slides(chapter).encode())
    return path


def write_svg(executed: Path, folder: Path) -> list[Path]:
    """Write each figure of an executed chapter into a folder as ``LABEL.svg``, and return their files.

    Args:
        executed: a notebook whose job had ``figures="svg"``.
        folder: it is made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for cell in nbformat.read(executed, as_version=4).cells:
        label = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []):
            if label and "image/svg+xml" in output.get("data", {}):
                written.append(folder / f"{label}.svg")
                with atomic_write(written[-1]) as file:
                    file.write(output.data["image/svg+xml"].encode())
    return written
