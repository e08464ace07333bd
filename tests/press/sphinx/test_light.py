"""A light site: only what pages use, and scripts that wait."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pydata_sphinx_theme
import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from PIL import Image

from gradbook.press.sphinx.light import lighten

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
PAGE = """\
<html><head>
<script src="_static/documentation_options.js?v=1"></script>
<script src="_static/doctools.js"></script>
<script>DOCUMENTATION_OPTIONS.pagename = 'a';</script>
<script data-a-b="c" src="_static/tabs.js"></script>
<script async src="_static/mathjax/tex-chtml.js"></script>
  <script defer src="_static/scripts/fontawesome.js?digest=1"></script>
</head><body><i class="fa-solid fa-moon"></i>
<img alt="A &gt; b." loading="lazy" src="a.png" /><img loading="lazy" src="a.svg" /></body></html>
"""


@pytest.fixture
def site(tmp_path) -> Path:
    """A site of one page with the theme's own files, and MathJax's in outline."""
    shutil.copytree(THEME, tmp_path / "_static")
    for name in ("tex-chtml.js", "tex-svg.js", "sre/mathmaps/en.json", "output/chtml/fonts/woff-v2/a.woff"):
        file = tmp_path / "_static/mathjax" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    for name in ("page.html", "search.html"):
        (tmp_path / name).write_text(PAGE)
    lighten(SimpleNamespace(builder=SimpleNamespace(name="html"), outdir=tmp_path), None)
    return tmp_path


def test_only_the_icons_of_pages_are_left_and_no_script_for_them(site):
    solid = TTFont(site / "_static/vendor/fontawesome/webfonts/fa-solid-900.ttf").getBestCmap()
    assert 0xF186 in solid  # the moon
    assert len(solid) < 60
    style = (site / "_static/styles/pydata-sphinx-theme.css").read_text()
    assert ".fa-moon:before" in style and ".fa-sun:before" not in style
    for font in re.findall(r"url\(([^)]*/webfonts/[^)]*)\)", style):
        assert (site / "_static/styles" / font).is_file()
    assert "fontawesome.js" not in (site / "page.html").read_text()
    assert not list(site.rglob("fontawesome.js*"))


def test_of_mathjax_the_bundle_and_its_fonts_are_left(site):
    left = {path.relative_to(site / "_static/mathjax").as_posix() for path in site.glob("_static/mathjax/**/*.*")}
    assert left == {"tex-chtml.js", "output/chtml/fonts/woff-v2/a.woff"}


def test_scripts_wait_but_for_the_options_that_others_add_to_and_on_the_page_that_searches(site):
    scripts = re.findall(r"<script ([^>]*)>", (site / "page.html").read_text())
    assert [words.split()[0] for words in scripts] == [
        'src="_static/documentation_options.js?v=1"',
        *["defer"] * 2,
        "async",
    ]
    assert '<script src="_static/doctools.js">' in (site / "search.html").read_text()


def test_pictures_that_are_loaded_late_have_their_room(site):
    pictures = BeautifulSoup((site / "page.html").read_text(), "html.parser").find_all("img")
    assert [(one.get("width"), one.get("height")) for one in pictures] == [("30", "20"), (None, None)]
    assert pictures[0]["alt"] == "A > b."
