"""What a notebook is made of, and what is cleaned from it once it was executed."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from nbformat import v4
from PIL import Image

from gradbook.errors import InputError
from gradbook.press.twin import clean, from_source

GREETING = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795296437.704833    4797 stub.cc:31] Could not find a driver on your machine.
Matplotlib is building the font cache; this may take a moment.
"""


def outputs_after_cleaning(*outputs):
    cell = v4.new_code_cell("x", outputs=list(outputs))
    return clean(v4.new_notebook(cells=[cell])).cells[0].outputs


def stream(name, text):
    return v4.new_output("stream", name=name, text=text)


def test_greetings_of_native_libraries_go_and_warnings_stay():
    assert outputs_after_cleaning(stream("stderr", GREETING)) == []
    (left,) = outputs_after_cleaning(stream("stderr", f"{GREETING}UserWarning: look here\n"))
    assert left.text == "UserWarning: look here\n"
    (printed,) = outputs_after_cleaning(stream("stdout", GREETING))
    assert printed.text == GREETING


def test_pieces_of_a_stream_are_joined_in_order():
    first, second, third = outputs_after_cleaning(
        stream("stdout", "a"), stream("stdout", "b"), stream("stderr", "c"), stream("stdout", "d")
    )
    assert [first.text, second.text, third.text] == ["ab", "c", "d"]


def test_addresses_lose_their_digits():
    shown = v4.new_output("execute_result", {"text/plain": "<object at 0x7f00aa>"}, execution_count=1)
    assert outputs_after_cleaning(shown)[0].data["text/plain"] == "<object at 0x…>"


def test_a_styled_table_made_twice_is_the_same():
    def shown() -> tuple[str, str]:
        html = pd.DataFrame({"x": [1, 2]}).style.to_html()
        cell = v4.new_code_cell("x", id="cell", outputs=[v4.new_output("display_data", {"text/html": html})])
        return html, clean(v4.new_notebook(cells=[cell])).cells[0].outputs[0].data["text/html"]

    (first, cleaned), (second, again) = shown(), shown()
    assert first != second
    assert cleaned == again
    assert 'id="T_cell_0_row1_col0"' in cleaned


def test_pictures_take_few_colours_and_hardly_change():
    figure = Figure(facecolor="white")
    axes = figure.subplots()
    for phase in range(12):
        axes.plot(np.sin(np.linspace(0, 6, 200) + phase))
    axes.imshow(np.add.outer(np.arange(50), np.arange(50)) / 50, extent=(50, 150, -0.5, 0.5), aspect="auto")
    file = io.BytesIO()
    figure.savefig(file)
    drawn = np.asarray(Image.open(file).convert("RGB")).astype(float)
    shown = v4.new_output("display_data", {"image/png": base64.b64encode(file.getvalue()).decode()})
    kept = base64.b64decode(outputs_after_cleaning(shown)[0].data["image/png"])
    with Image.open(io.BytesIO(kept)) as picture:
        assert len(picture.getcolors()) <= 256
        pixels = np.asarray(picture.convert("RGB")).astype(float)
    assert len(kept) < len(file.getvalue()) / 2
    assert np.abs(pixels - drawn).mean() < 1
    assert (pixels[0] == 255).all(), "the ground stays white"


FIGURE = """\
# %%
#| label: fig-sum
#| fig-cap: >-
#|   Left: a sum, $\\theta$.
#|   Right: its "double".
#| fig-alt: A line.
figure = 1
"""


def test_a_figure_is_described_in_comments_that_become_what_the_site_s_builder_reads(tmp_path):
    source = tmp_path / "10_sum.py"
    source.write_text(FIGURE)
    (cell,) = from_source(source).cells
    assert cell.source == "figure = 1"
    caption = r'Left: a sum, $\theta$. Right: its "double".'
    assert cell.metadata == {"mystnb": {"figure": {"caption": caption, "name": "fig-sum"}, "image": {"alt": "A line."}}}


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("label: [", "while parsing a flow node expected the node content"),
        ("fig-capt: A sum.", "label: field required"),
        ("just words", "valid dictionary"),
    ],
)
def test_options_that_are_no_figure_s_are_refused_in_a_sentence(tmp_path, option, sentence):
    source = tmp_path / "10_sum.py"
    source.write_text(f"# %%\n#| {option}\n1\n")
    with pytest.raises(InputError) as error:
        from_source(source)
    assert str(error.value).startswith("10_sum.py: options of a figure: ") and sentence in str(error.value)
    assert len(str(error.value).splitlines()) == 1
