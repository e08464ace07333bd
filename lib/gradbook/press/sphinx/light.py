"""A light site: what no page uses is left out, and no script holds up the page that it serves.

The theme brings two thousand icons, as a script and as fonts, and MathJax everything that it can do; a phone would load
more of these than of the book.
"""

import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.images import get_image_size

UNUSED = ("**/*.map", "locales", "scripts/fontawesome.js*", "vendor/fontawesome/webfonts/*.woff2")
"""What lies in the folder of static files and is used by no page."""

MATHJAX = ("tex-chtml.js", "input/tex/extensions", "output/chtml/fonts")
"""What pages use of MathJax: the bundle, TeX commands that it loads when they occur, and fonts."""

LAZY = re.compile(r'<img (?=[^>]*loading="lazy")(?=[^>]*src="([^"]+)")')
"""The beginning of a picture that is loaded late, and where it is."""

ICON = re.compile(r'((?:,?\.fa-[\w-]+:before)+)\{content:"\\([0-9a-f]+)"\}')
"""A rule that gives the character of an icon, with one selector for each of its names."""


def lazily(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Let browsers load pictures when a reader comes near them."""
    if app.builder.name == "html":  # printed pages need all of them at once
        for picture in doctree.findall(nodes.image):
            picture["loading"] = "lazy"


def lighten(app: Sphinx, error: Exception | None) -> None:
    """Reduce the site to what its pages use, once it is built."""
    if error or app.builder.name != "html":
        return
    site, static = Path(app.outdir), Path(app.outdir) / "_static"
    kept = [static / "mathjax" / name for name in MATHJAX]
    unused = {path for path in static.glob("mathjax/**/*.*") if not any(map(path.is_relative_to, kept))}
    for path in unused.union(*map(static.glob, UNUSED)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    texts = [unhindered(page) for page in site.rglob("*.html")]
    texts += [script.read_text(encoding="utf-8") for script in static.glob("scripts/*.js")]
    icons = {name for text in texts for name in re.findall(r"\bfa-[\w-]+", text)}
    characters = {code for style in static.glob("styles/*.css") for code in reduced(style, icons)}
    for font in static.glob("vendor/fontawesome/webfonts/*.ttf"):
        _subset(font, characters)


def unhindered(page: Path) -> str:
    """Let a page's scripts wait until it is read, in their order, keep room for its pictures, and return its text.

    All scripts but the options of the documentation, which those inside the page add to. Icons need no script.
    """
    text = page.read_text(encoding="utf-8")
    text = LAZY.sub(lambda picture: picture[0] + _room(page.parent / picture[1]), text)
    text = re.sub(r'\s*<script defer src="[^"]*/fontawesome\.js[^"]*"></script>', "", text)
    if page.name != "search.html":  # where a script inside the page begins the search
        text = re.sub(r'<script (?=(?:data-[\w-]+="[^"]*" )?src="(?!\S*documentation_options))', "<script defer ", text)
    page.write_text(text, encoding="utf-8")
    return text


def _room(picture: Path) -> str:
    """Return the size of a picture as attributes, so that no text jumps when it is loaded."""
    size = get_image_size(str(picture)) if picture.is_file() else None
    return f'width="{size[0]}" height="{size[1]}" ' if size else ""


def reduced(style: Path, icons: set[str]) -> set[int]:
    """Take the icons that no page has out of a style sheet, and return the characters that are left in it."""

    def kept(rule: re.Match) -> str:
        return rule[0] if icons & set(re.findall(r"fa-[\w-]+", rule[1])) else ""

    text = ICON.sub(kept, style.read_text(encoding="utf-8"))
    text = re.sub(r'url\([^)]*\.woff2\) format\("woff2"\),', "", text)
    style.write_text(text, encoding="utf-8")
    return {int(code, 16) for code in re.findall(r'"\\([ef][0-9a-f]{3})"', text)}


def _subset(font: Path, characters: set[int]) -> None:
    """Reduce a font to some characters."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options(layout_features=[], notdef_outline=True)
    with TTFont(font) as loaded:
        reducer = subset.Subsetter(options)
        reducer.populate(unicodes=characters)
        reducer.subset(loaded)
        loaded.save(font)
