"""The whole book on paper: every page in one document, printed by Chromium."""

import shutil
from pathlib import Path

from gradbook.errors import InputError
from gradbook.files import atomic_write
from gradbook.press import site

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Commands that Chromium goes by."""

UNFOLD_AND_LINK = """() => {
    for (const folded of document.querySelectorAll("details:not(.question details)")) folded.open = true;
    const page = element => element.closest(".toctree-wrapper > section");
    const elements = [...document.querySelectorAll("article [id]")];
    const named = Map.groupBy(elements, element => element.id);
    elements.forEach((element, number) => element.id = `place-${number}`);
    for (const link of document.querySelectorAll('a[href*="#"]:not([href*="://"])')) {
        const [file, name] = link.getAttribute("href").split("#"), places = named.get(decodeURIComponent(name)) ?? [];
        const meant = places.find(place => file ? place.matches(".citation") : page(place) === page(link)) ?? places[0];
        if (meant) link.href = `#${meant.id}`;
    }
}"""
"""What is folded opens, but for the answers to questions. Pages that were one file each share names in one document, so
a link leads to its own page's; names with a file before them are of another page, where only those of citations are
numbered alike."""

FOOTER = '<p style="width: 100%; text-align: center; font-size: 8pt"><span class="pageNumber"></span></p>'
PAPER = {
    "format": "A4",
    "scale": 0.75,
    "margin": {"top": "16mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
    "print_background": True,
    "display_header_footer": True,
    "header_template": "<p></p>",
    "footer_template": FOOTER,
    "outline": True,
    "tagged": True,
}


def chromium() -> str:
    """Return the path of the Chromium that is installed on this machine.

    Raises:
        InputError: there is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise InputError(f"none of {', '.join(BROWSERS)} is on the path; install one (Debian: apt install chromium).")
    return found


def print_book(root: Path) -> Path:
    """Make ``_build/book.pdf`` and return it: A4, numbered pages, headings as the reader's outline.

    Raises:
        InputError: no Chromium is installed.
        RunError: jupyter-book warned or failed.
    """
    from playwright.sync_api import sync_playwright

    browser = chromium()
    site.run_jupyter_book(root, "singlehtml")
    folder, target = root / "_build/singlehtml", root / "_build/book.pdf"
    document = (folder / f"{site.pages(root)[0]}.html").replace(folder / "book.html")  # its links start from here
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"]) as running,
    ):
        page = running.new_page()
        page.goto(document.as_uri(), timeout=0)  # a hundred figures on a busy machine
        page.evaluate("window.MathJax?.startup?.promise")
        page.evaluate(UNFOLD_AND_LINK)
        with atomic_write(target) as file:
            file.write(page.pdf(**PAPER))
    return target
