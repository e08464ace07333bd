"""What notebooks need besides plots, on Colab as in the book: values for the prose, sources, and a film player."""

import inspect
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from html import escape
from io import BytesIO
from textwrap import dedent
from typing import Any

from IPython.core.formatters import format_display_data
from IPython.display import HTML, Markdown, display
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation
from PIL import Image

from gradbook.errors import InputError

SYMBOLS = {
    "minus": "&minus;",
    "fast-backward": "«",
    "step-backward": "‹",
    "play fa-flip-horizontal": "◀",
    "pause": "‖",
    "play": "▶",
    "step-forward": "›",
    "fast-forward": "»",
    "plus": "+",
}


def glue(name: str, value: Any) -> None:
    """Keep a value of this page under a name, so that the prose can quote it: ``{glue:text}`name:.2f```.

    Does what ``myst_nb.glue`` does, where only the notebook and this library are installed; shows nothing.

    Args:
        name: unique on the page.
        value: anything that can be displayed; NumPy and TensorFlow scalars become Python's.
    """
    if callable(getattr(value, "numpy", None)):
        value = value.numpy()
    if getattr(value, "shape", None) == ():
        value = value.item()
    content, metadata = format_display_data(value)
    prefix = "application/papermill.record/"
    metadata["scrapbook"] = {"name": name, "mime_prefix": prefix}
    display({prefix + mime: text for mime, text in content.items()}, raw=True, metadata=metadata)


def source(*functions: Callable) -> Markdown:
    """Return the source of library functions and methods, as highlighted code headed by the module they stand in."""
    text = "\n\n".join(dedent(inspect.getsource(function)).strip() for function in functions)
    module = inspect.getmodule(functions[0]).__name__
    return Markdown(f"```python\n# {module}\n\n{text}\n```")


def player(animation: FuncAnimation, name: str, alt: str) -> HTML:
    """Return matplotlib's player for an animation, whose figure is closed.

    Made repeatable, self-contained and small: elements are named after ``name`` instead of at random, buttons carry
    symbols instead of icons from another host, frames are reduced to 64 colours, the image has an alternative text
    and the slider a label; arrow keys move it.

    Args:
        animation: a few dozen frames at most, each of which is embedded as an image of some kilobytes.
        name: unique on the page; letters, digits and underscores.
        alt: what a reader who cannot see the film learns from it.
    """
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise InputError(f"name must consist of letters, digits and underscores; received {name!r}.")
    figure = animation._fig
    animation._init_draw()  # the first frame, so that the layout leaves room for its title
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # once for all frames, which must not jump and are drawn faster so
    figure.canvas.draw_idle = lambda: None  # frames are saved, not shown
    html = animation.to_jshtml(default_mode="once")
    plt.close(figure)
    (random,) = set(re.findall(r"_anim_img([0-9a-f]{32})", html))
    html = re.sub(r"<link[^>]*>", "", html.replace(random, f"_{name}"))
    html = re.sub(r'<i class="fa fa-([^"]+)"></i>', lambda icon: SYMBOLS[icon[1]], html)
    html = re.sub(r"(?<=data:image/png;base64,)[^\"]+", lambda frame: _few_colours(frame[0]), html)
    html = html.replace("<img ", f'<img alt="{escape(alt)}" ').replace(
        'type="range"', 'type="range" aria-label="Frame"'
    )
    return HTML(html)


def _few_colours(png: str) -> str:
    """Return a picture in base64, with 64 colours at most."""
    picture, smaller = Image.open(BytesIO(b64decode(png))).convert("RGB"), BytesIO()
    picture.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(smaller, "PNG", optimize=True)
    return b64encode(smaller.getvalue()).decode()
