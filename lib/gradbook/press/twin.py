"""The twin of a chapter: its executed notebook with all that differs between two equal executions removed."""

import base64
import io
import re
from itertools import takewhile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gradbook.errors import InputError
from gradbook.files import atomic_write
from gradbook.press.checkout import digest
from gradbook.untrusted import refusal

ADDRESS = re.compile(r"(?<= at )0x[0-9a-f]+")

# pandas names a styled table at random, and each of its cells after it.
STYLED = re.compile(r"\bT_[0-9a-f]{5}(?![0-9a-f])")

# TensorFlow's native libraries greet before their log level can be set, with the time and the process in each line;
# matplotlib, which finds no list of fonts in its new home, says so if making one takes longer than five seconds.
GREETING = re.compile(
    r"^(WARNING: All log messages before absl|To enable the following|Matplotlib is building the font cache|"
    r"[IWE]\d{4} \d\d:\d\d:\S+ +\d+ \S+:\d+\]).*\n?",
    re.MULTILINE,
)


class Figure(BaseModel):
    """The options of a cell that draws.

    Attributes:
        label: what the text refers to the figure by.
        caption: the option ``fig-cap``.
        alternative: the option ``fig-alt``, a text for readers who cannot see the figure.
    """

    model_config = ConfigDict(extra="forbid")

    label: str
    caption: str = Field(alias="fig-cap")
    alternative: str = Field(alias="fig-alt")

    @property
    def metadata(self) -> dict[str, Any]:
        """The same in MyST-NB's words."""
        return {"figure": {"caption": self.caption, "name": self.label}, "image": {"alt": self.alternative}}


def from_source(source: Path) -> NotebookNode:
    """Return the notebook of a py:percent source, with cell ids that depend on its content alone.

    A cell that draws begins with the options of its `Figure`, in the form that Quarto gave them::

        #| label: fig-name
        #| fig-cap: >-
        #|   What a reader sees, in as many lines as it takes.
        #| fig-alt: >-
        #|   What a reader who sees nothing learns.

    They become the metadata of the cell that MyST-NB reads.

    Raises:
        InputError: such options are not YAML, or are not those of a figure.
    """
    notebook = jupytext.read(source)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        lines = cell.source.splitlines()
        if options := [line[2:] for line in takewhile(lambda line: line.startswith("#|"), lines)]:
            cell.source = "\n".join(lines[len(options) :])
            cell.metadata["mystnb"] = _figure("\n".join(options), source.name).metadata
        name = digest(cell.cell_type.encode(), cell.source.encode())[:8]
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return notebook


def _figure(options: str, where: str) -> Figure:
    try:
        return Figure.model_validate(yaml.safe_load(options))
    except (yaml.YAMLError, ValidationError) as error:
        complaint = refusal(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        raise InputError(f"{where}: options of a figure: {complaint}") from None


def clean(notebook: NotebookNode) -> NotebookNode:
    """Strip, in place, what was measured about the execution, and make its outputs repeatable.

    Timings, papermill's notes and the greetings of native libraries go; streams that arrived in pieces are joined;
    memory addresses lose their digits, styled tables are named after their cell. Pictures keep 256 colours, with which
    curves and their smooth edges take a third of the bytes.
    """
    notebook.metadata.pop("papermill", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in _joined(cell.outputs) if not _is_greeting(output)]
            for number, output in enumerate(cell.outputs):
                _forget_addresses(output)
                _reduce_colours(output)
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = STYLED.sub(f"T_{cell.id}_{number}", output.data["text/html"])
    return notebook


def write_twin(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in one step, keys sorted, in a folder that is made if need be."""
    text = nbformat.writes(notebook, indent=1, sort_keys=True, ensure_ascii=False).rstrip("\n") + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode())


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" and output.get("name") == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _is_greeting(output: NotebookNode) -> bool:
    """Return whether nothing is left of an output once greetings are removed from it, which this does."""
    if output.output_type != "stream" or output.name != "stderr":
        return False
    output.text = GREETING.sub("", output.text)
    return not output.text.strip()


def _forget_addresses(output: NotebookNode) -> None:
    if "text" in output:
        output.text = ADDRESS.sub("0x…", output.text)
    if "text/plain" in output.get("data", {}):
        output.data["text/plain"] = ADDRESS.sub("0x…", output.data["text/plain"])


def _reduce_colours(output: NotebookNode) -> None:
    if "image/png" not in output.get("data", {}):
        return
    full = base64.b64decode(output.data["image/png"])
    with Image.open(io.BytesIO(full)) as picture:
        reduced = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    file = io.BytesIO()
    reduced.save(file, "PNG", optimize=True)
    output.data["image/png"] = base64.b64encode(min(full, file.getvalue(), key=len)).decode()
