"""What notebooks rely on gives the same everywhere, and nothing from elsewhere."""

import json
import re
from base64 import b64decode
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.animation import FuncAnimation
from PIL import Image

from gradbook import notebook
from gradbook.auxiliary import rules
from gradbook.errors import InputError


@pytest.fixture
def published():
    """What display() sends to the page."""
    shell = InteractiveShell.instance()
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    shell.display_pub = before


@pytest.mark.parametrize("value", (0.25, "a word", 7, np.float64(0.1), np.array([1.0, 2.0])))
def test_glue_publishes_what_myst_nb_s_own_does(published, value):
    from myst_nb import glue

    notebook.glue("name", value)
    glue("name", value.item() if isinstance(value, np.generic) else value, display=False)
    mine, theirs = published
    assert (mine["data"], mine["metadata"]) == (theirs["data"], theirs["metadata"])


@pytest.mark.parametrize("value", (np.float32(0.5), np.array(0.5), np.int64(3)))
def test_glued_scalars_are_python_s_so_that_formats_apply(published, value):
    notebook.glue("name", value)
    text = published[0]["data"]["application/papermill.record/text/plain"]
    assert float(text) == float(value)
    json.dumps(published)


def test_glued_tensors_are_numbers(published):
    import tensorflow as tf

    notebook.glue("name", tf.constant(0.5))
    assert published[0]["data"]["application/papermill.record/text/plain"] == "0.5"


def test_sources_are_the_library_s_own_lines():
    shown = notebook.source(rules.projection, rules.orthogonal).data
    assert shown.startswith("```python\n# gradbook.auxiliary.rules\n")
    for function in (rules.projection, rules.orthogonal):
        assert f"def {function.__name__}(u: Tensor" in shown


def film(name: str) -> str:
    figure, axes = plt.subplots(figsize=(2, 1))
    (line,) = axes.plot([0, 1], [0, 1])
    animation = FuncAnimation(figure, lambda frame: line.set_data([0, 1], [0, frame]), frames=3)
    return notebook.player(animation, name, alt='A line that "rises" & rises.').data


def test_a_film_made_twice_is_the_same_and_needs_no_other_host():
    open_before = plt.get_fignums()
    html = film("line")
    assert html == film("line")
    assert not re.search(r"(href|src)=\"?https?:", html)
    assert not re.search(r"[0-9a-f]{32}", re.sub(r"base64,[^\"]*", "", html, flags=re.DOTALL))
    assert plt.get_fignums() == open_before


def test_a_film_is_small_and_its_frames_are_whole():
    html = film("line")
    frames = re.findall(r'"data:image/png;base64,([^"]+)"', html)
    pictures = [Image.open(BytesIO(b64decode(frame))) for frame in frames]
    assert [picture.size for picture in pictures] == [pictures[0].size] * 3
    assert all(len(picture.getcolors()) <= 64 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert len(html) < 30_000


def test_a_title_that_frames_set_is_not_cut_off():
    figure, axes = plt.subplots(figsize=(2, 1), layout="constrained")
    animation = FuncAnimation(figure, lambda frame: axes.set_title(f"step {frame}"), frames=2)
    (first, _) = re.findall(r'"data:image/png;base64,([^"]+)"', notebook.player(animation, "title", alt="Steps.").data)
    picture = np.array(Image.open(BytesIO(b64decode(first))).convert("L"))
    assert picture[:2].min() > 250
    assert picture[:20].min() < 100


def test_a_film_can_be_used_by_keyboard_and_ear():
    html = film("line")
    assert 'alt="A line that &quot;rises&quot; &amp; rises."' in html
    slider = re.search(r'<input id="_anim_slider_line"[^>]*>', html)[0]
    assert 'type="range"' in slider and "aria-label" in slider
    assert "fa-" not in html


def test_a_film_s_name_must_do_as_an_identifier():
    with pytest.raises(InputError, match="letters, digits and underscores; received 'a-b'"):
        notebook.player(None, "a-b", alt="")
