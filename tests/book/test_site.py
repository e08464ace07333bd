"""The built site, in a real browser and with nothing but the site to load from."""

import gzip
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import pandas as pd
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from gradbook.errors import InputError
from gradbook.press import site
from gradbook.press.chapters import find_chapters
from gradbook.press.checkout import checkout
from gradbook.press.pdf import UNFOLD_AND_LINK, chromium
from gradbook.press.repository import current
from gradbook.press.sphinx.crosswalk import crosswalk, place
from gradbook.studies import results

ROOT = checkout(Path(__file__))
CHAPTERS = [f"notebooks/{chapter.name}" for chapter in find_chapters(ROOT)]
PAGES = [*site.pages(ROOT), "genindex", "search"]
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CUT_OFF = """
    [...document.querySelectorAll("article p, article li, article h1, article h2, article h3, article figcaption")]
    .filter(text => !text.closest(".output, table") && text.getBoundingClientRect().right > window.innerWidth + 1)
    .map(text => text.textContent.slice(0, 80))
"""
"""The beginnings of texts that reach beyond the right edge of the window; tables and outputs scroll on their own."""
LONG_SIGNATURE = ".sig dl"
"""Sphinx breaks a long signature into a list of definitions without terms, and offers no other way."""
SHOW = """() => {
    for (const picture of document.images) picture.loading = "eager";
    return Promise.allSettled([...document.images].map(picture => picture.decode()));
}"""
"""Loads the pictures that a reader would meet further down."""
MOST = 1_500_000
"""Bytes that a page with all it loads may take over the wire."""
SPREAD = """() => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    const colours = new Set();
    for (const token of document.querySelectorAll("pre span"))
        if (colours.has(token.className)) token.replaceWith(...token.childNodes);
        else colours.add(token.className);
}"""
"""Opens what is folded; code keeps one token of each colour, since axe takes three times as long for thousands."""
MARK_KINDS = """() => {
    const kinds = new Set();
    const behind = element => element ? behind(element.parentElement) + getComputedStyle(element).backgroundColor : "";
    for (const element of document.querySelectorAll("body *")) {
        const {color, fontSize, fontWeight} = getComputedStyle(element);
        const kind = color + fontSize + fontWeight + behind(element);
        const speaks = [...element.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim());
        const first = speaks && element.checkVisibility() && !kinds.has(kind);
        element.toggleAttribute("data-kind", first);
        if (first) kinds.add(kind);
    }
}"""
"""Marks the first text of each colour, size and background; axe takes ten times as long for the contrast of all."""


LIGHT_GROUND = """
    [...document.querySelectorAll("article *:not(button)")].filter(element => {
        const [red, green, blue, alpha = 1] = getComputedStyle(element).backgroundColor.match(/[\\d.]+/g) ?? [];
        return !element.closest("img, button") && alpha > 0.5 && red * 0.3 + green * 0.59 + blue * 0.11 > 115;
    }).map(element => element.outerHTML.slice(0, 80))
"""
"""What has a light ground on a dark page; figures have their own rule."""


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of the site, built from what is in the checkout now."""
    return site.build(ROOT).parent


@pytest.fixture(scope="module")
def address(built) -> Iterator[str]:
    """Where the site is served."""
    with site.server(ROOT, 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium that is installed on this machine."""
    try:
        found = chromium()
    except InputError as missing:
        pytest.skip(f"the site was not tried in a browser: {missing}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser, address) -> Iterator[Page]:
    """A tab that can reach the site only; at the end, nothing may have gone wrong in it."""
    troubles = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            troubles.append(message.text)

    def lost(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # cut short because the next page was opened
            troubles.append(f"{request.failure}: {request.url}")

    with browser.new_context(color_scheme="light") as context:
        tab = context.new_page()
        tab.on("console", heard)
        tab.on("requestfailed", lost)
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
        yield tab
        tab.wait_for_load_state()
        assert troubles == []


@cache
def read(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(page: Path) -> set[str]:
    return {element["id"] for element in read(page).find_all(id=True)}


def linked(built: Path, name: str, place: str = "article") -> set[str]:
    """Where the links in a part of a page lead, as written."""
    return {link["href"] for link in read(built / f"{name}.html").select(f"{place} a[href]")}


def test_the_first_page_shows_what_the_book_is_about_and_leads_to_every_chapter_and_the_index(built):
    assert set(CHAPTERS) <= set(site.pages(ROOT))
    assert {"../genindex.html", "#thread", *(f"../{chapter}.html" for chapter in CHAPTERS)} <= linked(
        built, "book/index"
    )
    assert read(built / "book/index.html").select("figure#thread img[alt]")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_numbers_all_that_is_referred_to_and_folds_what_answers_its_exercises(built, name):
    article = read(built / f"{name}.html").find("article")
    (chapter,) = re.findall(r"\d+", article.find("h1").find(class_="section-number").text)
    for numbered in (".caption-number", ".eqno"):
        numbers = [re.search(r"\d[\d.]*", number.text)[0] for number in article.select(numbered)]
        assert numbers == [f"{chapter}.{place}" for place, _ in enumerate(numbers, start=1)] != []
    exercises = article.find("section", id="exercises")
    words, code = (exercises.select(kind) for kind in ("details.sd-dropdown", "details.hide"))
    assert (
        0 < len(words) == len(code) < len(exercises.select("ol > li"))
    )  # one has a check, and its answer no page shows
    assert not exercises.select("details[open]")


def test_the_index_has_every_word_of_the_glossary_and_every_function(built):
    words = {f"book/glossary.html#{word['id']}" for word in read(built / "book/glossary.html").select("dl.glossary dt")}
    entries = linked(built, "genindex")
    assert words and words <= entries
    names = {entry.partition("#")[2] for entry in entries}
    assert {function for row in crosswalk(ROOT) for function in row.functions} <= names


def test_words_that_chapters_do_not_explain_lead_to_the_glossary(built):
    for chapter in CHAPTERS:
        assert any(link.startswith("../book/glossary.html#term-") for link in linked(built, chapter)), chapter


def test_chapters_are_called_by_their_titles(built):
    for name in PAGES:
        if article := read(built / f"{name}.html").select_one("article"):
            by_number = re.findall(r"[Cc]hapters?\s\d+\b", article.get_text())
            assert not by_number, f"{name}: the site numbers chapters in another way than their files"


def test_the_bibliography_leads_back_to_the_chapters_that_cite(built):
    citing = 0
    for chapter in CHAPTERS:
        for link in linked(built, chapter):
            if link.startswith("../book/bibliography.html#"):
                entry = link.partition("#")[2]
                assert f"../{chapter}.html" in linked(built, "book/bibliography", f"#{entry}")
                citing += 1
    assert citing


def visit(page: Page, address: str, name: str) -> None:
    """Open a page and wait until its formulas are set."""
    page.goto(f"{address}{name}.html")
    page.evaluate("window.MathJax?.startup?.promise")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_is_light_fits_a_phone_and_a_desk_and_shuts_nobody_out(page, address, built, name):
    asked = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url)))
    page.set_viewport_size(PHONE)
    visit(page, address, name)
    assert page.title()
    page.evaluate(SHOW)
    loaded = [built / url.path.lstrip("/") for url in asked if url.scheme == "http"]
    assert sum(len(gzip.compress(file.read_bytes())) for file in loaded) < MOST
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)") == []
    page.evaluate(SPREAD)
    page.evaluate(AXE_SCRIPT)
    for window in (PHONE, DESK):
        page.set_viewport_size(window)
        assert page.evaluate("document.documentElement.scrollWidth") <= window["width"]
        assert page.evaluate(CUT_OFF) == []
        assert barriers(page, {"exclude": [LONG_SIGNATURE]}, rules={"color-contrast": {"enabled": False}}) == []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.wait_for_selector(f"html[data-theme={theme}]")
        assert theme == "light" or page.evaluate(LIGHT_GROUND) == []
        page.evaluate(MARK_KINDS)
        assert barriers(page, {"include": ["[data-kind]"]}, runOnly=["color-contrast"]) == []


def barriers(page: Page, context: dict, **options: object) -> list[str]:
    """What axe-core finds serious or critical for readers with impairments, a line each."""
    options |= {"resultTypes": ["violations"], "preload": False}
    found = page.evaluate("([context, options]) => axe.run(context, options)", [context, options])
    return [
        f"{violation['help']}: {node['html']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def test_the_root_leads_to_the_first_page(page, address):
    page.goto(address)
    page.wait_for_url("**/book/index.html")
    assert page.locator("article h1").inner_text().startswith("Gradients, Rewritten")


@pytest.mark.parametrize("name", PAGES)
def test_every_internal_link_leads_somewhere(built, name):
    broken = []
    for tag, attribute in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")):
        for element in read(built / f"{name}.html").find_all(tag, **{attribute: True}):
            target = urlsplit(urljoin(f"/{name}.html", element[attribute]))
            file, anchor = built / unquote(target.path).lstrip("/"), unquote(target.fragment)
            outside = target.scheme or target.netloc
            lost = not file.is_file() or (anchor and file.suffix == ".html" and anchor not in anchors(file))
            if lost and not outside:
                broken.append(element[attribute])
    assert broken == []


def test_a_link_in_the_printed_book_leads_to_the_place_that_its_page_means(browser):
    with browser.new_page() as page:
        page.set_content("""<article><div class="toctree-wrapper">
            <section class="a"><p id="check"></p><a href="#check"></a><a href="book/index.html#id1"></a></section>
            <section class="b"><p id="check"></p><p id="id1"></p><a href="#check"></a></section>
            <section class="c"><details><div class="citation" id="id1"></div></details><a href="#id2"></a></section>
        </div></article>""")
        page.evaluate(UNFOLD_AND_LINK)
        assert page.locator("a").evaluate_all(
            "links => links.map(link => document.querySelector(link.hash)?.closest('section').className)"
        ) == ["a", "c", "b", None]
        assert page.locator("details[open]").count() == 1


@pytest.mark.parametrize("name", site.pages(ROOT))
def test_a_page_reads_well_without_eyes(built, name):
    article = read(built / f"{name}.html").find("article")
    assert [str(image)[:200] for image in article.find_all("img") if not image.get("alt", "").strip()] == []
    levels = [int(heading.name[1]) for heading in article.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def meta(page: Path) -> dict[str, str]:
    """What the head of a page says of it, by name."""
    tags = [tag for tag in read(page).find_all("meta", content=True) if tag.get("name") or tag.get("property")]
    return {tag.get("name") or tag["property"]: tag["content"] for tag in tags}


@pytest.mark.parametrize("name", site.pages(ROOT))
def test_a_page_says_to_machines_what_it_is_about_and_where_it_stands(built, name):
    said = meta(built / f"{name}.html")
    home = said["og:url"].removesuffix(f"{name}.html")
    assert len(said["description"]) > 40 and said["og:description"] == said["description"]
    assert said["og:title"] and said["og:site_name"] == "Gradients, Rewritten"
    assert (built / said["og:image"].removeprefix(home)).is_file()
    assert f"<loc>{said['og:url']}</loc>" in (built / "sitemap.xml").read_text()


@pytest.mark.parametrize("name", site.pages(ROOT))
def test_each_section_asks_what_is_unclear_and_says_where(built, name):
    article, home = read(built / f"{name}.html").find("article"), current(ROOT)
    parts = article.select("section section:has(> h2)") or article.select("section:has(> h1)")
    for part in parts:
        (link,) = part.select("p.feedback a")
        asked = parse_qs(urlsplit(link["href"]).query)
        assert link["href"].startswith(f"{home}/issues/new?")
        assert f"{name}.html#{part['id']}\n" in asked["body"][0]
        assert asked["title"][0].removeprefix("Unclear: ") in part.find(["h1", "h2"]).text
        assert link["aria-label"].startswith(link.text)


def test_the_first_page_can_be_cited(built):
    said = meta(built / "book/index.html")
    assert said["citation_title"] == "Gradients, Rewritten"
    assert {said["citation_pdf_url"]} <= linked(built, "book/index")


def test_the_page_for_lost_readers_leads_back_from_any_folder(built):
    page, home = read(built / "404.html"), urlsplit(meta(built / "book/index.html")["og:url"]).path
    links = [tag["href"] for tag in page.select("a[href^='/'], link[href^='/']")]
    assert links and "There is no such page" in page.find("article").text
    root = home.removesuffix("book/index.html")
    assert [link for link in links if not (built / urlsplit(link).path.removeprefix(root)).is_file()] == []


def test_the_site_s_own_scripts_are_small():
    assert sum(path.stat().st_size for path in ROOT.glob("book/_static/**/*.js")) < 60_000


@pytest.mark.parametrize(
    ("words", "found"), [("censoring", "glossary"), ("attention transfer", "40_low_rank"), ("agreement", "studies")]
)
def test_the_search_finds_words_and_names_and_leads_to_them(page, address, words, found):
    page.goto(f"{address}search.html?q={words}")
    results = page.locator("#search-results ul.search li a")
    expect(page.locator("#search-results .search-summary")).to_contain_text("finished", timeout=30_000)
    assert any(found in link.get_attribute("href") for link in results.all())
    page.goto(results.first.evaluate("link => link.href"))  # a click misses while summaries push the links down
    article = expect(page.locator("article"))
    article.to_contain_text(words.split()[0], ignore_case=True, use_inner_text=True, timeout=30_000)


def test_the_slider_of_every_player_moves_its_frame(page, address):
    moved = 0
    for name in CHAPTERS:
        visit(page, address, name)
        for player in page.locator(".animation").all():
            picture, slider = player.locator("img"), player.locator("input[type=range]")
            slider.focus()
            slider.press("Home")
            first = picture.get_attribute("src")
            slider.press("End")
            assert picture.get_attribute("src") != first
            slider.press("Home")
            assert picture.get_attribute("src") == first
            moved += 1
    assert moved


def test_the_ledger_is_filtered_by_keyboard(page, address):
    visit(page, address, "notebooks/90_ledger")
    rows, menu = page.locator("#ledger tbody tr"), page.locator("#ledger select").first
    everything = rows.count()
    assert page.locator("#ledger output").inner_text() == f"{everything} of {everything} rows"
    menu.focus()
    menu.press("ArrowDown")
    chosen, left = menu.input_value(), page.locator("#ledger tbody tr:visible")
    assert 0 < left.count() < everything
    assert {row.locator("td").first.inner_text() for row in left.all()} == {chosen}
    assert page.locator("#ledger output").inner_text() == f"{left.count()} of {everything} rows"


def test_an_explorer_moves_by_keyboard_and_says_what_the_runs_say(page, address):
    page.set_viewport_size(PHONE)
    visit(page, address, "book/explorers")
    explorer, runs = page.locator("#explorer-imdb"), results.load("imdb")
    runs = runs.select(shuffle_buffer=1000, last_batch="keep", scope="variable")
    runs = runs.astype({"weight": float, "alpha": float})
    seen = set()
    for control, field in {"λ": "weight", "rule": "rule"}.items():
        group = explorer.get_by_role("group", name=control)
        for _ in range(group.get_by_role("radio").count()):
            group.locator(":checked").press("ArrowRight")
            rule, weight, alpha, *_ = explorer.locator(":checked").evaluate_all(
                "radios => radios.map(radio => radio.nextSibling.textContent.trim())"
            )
            chosen = {"rule": rule.replace(" ", "_"), "weight": float(weight), "alpha": float(alpha)}
            matches = runs[list(chosen)] == pd.Series(chosen)
            losses = runs.loc[matches.all(axis=1), "test_loss"]
            expected = f"{len(losses)} runs: mean {losses.mean():.4f}, standard deviation {losses.std():.4f}."
            said = explorer.locator("output").inner_text()
            assert said.startswith("Not measured." if losses.empty else expected)
            assert explorer.locator("circle").count() == matches.drop(columns=field).all(axis=1).sum()
            seen.add(losses.empty)
    assert seen == {True, False}
    group.locator(":checked").press("Enter")
    assert page.url == f"{address}book/explorers.html"
    assert explorer.locator("svg").evaluate("picture => picture.getBoundingClientRect().right") <= PHONE["width"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_explorer_can_be_read_by_day_and_by_night(page, address, theme):
    page.emulate_media(color_scheme=theme)
    visit(page, address, "book/explorers")
    assert page.locator("html").get_attribute("data-theme") == theme
    assert contrast(page, ".explorer svg .title") >= 7
    assert min(contrast(page, f".explorer {text}") for text in ("output", "label", ".unmeasured", "svg .none")) >= 4.5
    assert contrast(page, ".explorer circle") >= 3


def test_light_turns_to_dark_and_both_can_be_read(page, address):
    visit(page, address, "book/index")
    seen = {}
    for _ in range(3):
        theme = page.locator("html").get_attribute("data-theme")
        seen[theme] = contrast(page)
        page.locator("button.theme-switch-button:visible").first.click()
    assert set(seen) == {"light", "dark"}
    assert min(seen.values()) >= 7


def contrast(page: Page, element: str = "article p") -> float:
    """The contrast ratio of an element to the page behind it, from 1 to 21 (WCAG 2, relative luminance)."""
    colours = page.evaluate(
        "element => [getComputedStyle(document.querySelector(element)).color,"
        " getComputedStyle(document.body).backgroundColor]",
        element,
    )
    lights = []
    for colour in colours:
        channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_buttons_of_a_chapter_lead_to_its_notebook_and_its_source(page, address, name):
    visit(page, address, name)
    repository = current(ROOT)
    owner_and_name = urlsplit(repository).path.strip("/")
    buttons = {link.get_attribute("href") for link in page.locator(".article-header-buttons a[href]").all()}
    assert {
        f"https://colab.research.google.com/github/{owner_and_name}/blob/main/{name}.ipynb",
        f"https://mybinder.org/v2/gh/{owner_and_name}/main?urlpath=lab/tree/{name}.ipynb",
        f"{repository}/blob/main/{name}.py?plain=1",
        repository,
    } <= buttons
    downloaded = page.request.get(f"{address}_sources/{name}.ipynb")
    assert f"../_sources/{name}.ipynb" in buttons
    assert downloaded.body() == (ROOT / f"{name}.ipynb").read_bytes()


@pytest.mark.parametrize("row", [row for row in crosswalk(ROOT) if row.functions], ids=lambda row: row.label)
def test_an_equation_leads_to_its_functions_and_they_lead_back(built, row):
    (note,) = read(built / f"{row.page}.html").select(f"#equation-{row.label} + p.crosswalk")
    links = [link["href"] for link in note.find_all("a")]
    assert [link.partition("#")[2] for link in links] == [
        *row.functions,
        *(place(t, ROOT).partition("#")[2] for t in row.tests),
    ]
    for function, link in zip(row.functions, links, strict=False):
        page = (built / row.page).parent / link.partition("#")[0]
        entry = read(page.resolve()).find(id=function).find_next_sibling("dd")
        assert f"#equation-{row.label}" in str(entry.find("p", class_="crosswalk"))


def test_the_page_on_own_chapters_shows_the_commands_that_the_guide_tells(built):
    (guide,) = re.findall(
        r"^## Add a chapter.*?(?=^## )", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL
    )
    shown = read(built / "book/own_chapter.html").find("article").get_text()
    commands = re.findall(r"^```bash\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert commands and all(command in shown for command in commands)
