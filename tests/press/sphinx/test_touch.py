"""Figures to touch: what they compute in a real browser is what the library computes, and a still picture stands in."""

import json
import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from gradbook.press.pdf import chromium

NAMES = ["descents", "timetable", "gate", "budget"]
PAGE = """<!doctype html><title>page</title><body style="width: 700px"><div class="touch">
<div class="stage" data-module="NAME"></div></div><script src="/touch.js"></script>"""


@pytest.fixture(scope="module")
def page(root):
    """A page of a browser, at a server of the book's static files."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if not self.path.startswith("/page/"):
                return super().do_GET()
            content = PAGE.replace("NAME", self.path.removeprefix("/page/")).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=root / "book/_static"))
    Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        found = browser.new_page(viewport={"width": 800, "height": 900}, reduced_motion="reduce")
        found.base = f"http://127.0.0.1:{server.server_port}"
        yield found
        browser.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def call(page):
    """Evaluate an expression over what a module exports."""

    def evaluate(name, expression):
        page.goto(f"{page.base}/page/{name}")
        return page.evaluate(
            f"import('/touch/{name}.js').then(module => {{ const with_ = module; return {expression}; }})"
        )

    return evaluate


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_draws_itself_and_its_still_picture_is_what_it_first_draws(page, root, name):
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{page.base}/page/{name}")
    page.wait_for_selector(".stage output:not(:empty)")
    drawn = page.locator(".stage svg").evaluate("svg => svg.outerHTML")
    still = root / f"book/_static/touch/{name}.svg"
    if os.environ.get("GRADBOOK_NEW_STILLS"):
        still.write_text(drawn + "\n", encoding="utf-8")
    assert complaints == []
    assert still.read_text(encoding="utf-8").strip() == drawn


def test_descents_are_those_of_the_library(call):
    from gradbook.auxiliary import RULES
    from gradbook.auxiliary.toy import PLANE, descend

    ends = call(
        "descents",
        "Object.fromEntries(Object.keys(with_.RULES).map(rule =>"
        " [rule, with_.descend(rule, [-0.4, 1.7], [2, 0], {steps: 300}).pop()]))",
    )
    assert set(ends) == set(RULES)
    for rule, end in ends.items():
        assert end == pytest.approx(descend(PLANE, rule, start=[-0.4, 1.7], steps=300)[-1], abs=1e-9)


@pytest.mark.parametrize("locking", ["locked", "backward unlocked", "both unlocked"])
def test_timetables_are_those_of_the_library(call, locking):
    from gradbook.synthetic.locking import schedule

    tasks = call("timetable", f"with_.schedule(5, 3, {locking!r})")
    found = {(task["batch"], task["block"], task["work"]): task["start"] for task in tasks}
    assert found == {(task.batch, task.block, task.work): task.start for task in schedule(5, 3, locking)}


@pytest.mark.parametrize(("kind", "layer"), [("identity", "identity"), ("gReLU", "grelu")])
@pytest.mark.parametrize("gate", [0.0, 0.3, 1.0])
def test_gradients_through_fifty_layers_are_those_of_the_library(call, kind, layer, gate):
    import tensorflow as tf

    from gradbook.gradnets import hidden_layers

    weights, norms = call(
        "gate", f"[with_.matrices(), with_.norms({gate}, {kind!r}, with_.matrices(), Array(20).fill(1))]"
    )
    weights = tf.constant(weights, tf.float32)
    assert np.std(weights) == pytest.approx(0.1, rel=0.02)
    layers, width, _ = weights.shape
    with tf.GradientTape() as tape:
        x = tf.ones([1, width])
        tape.watch(x)
        y, _ = hidden_layers(layer)(x, weights, tf.zeros([layers, width]), weights, tf.constant(gate))
        loss = tf.reduce_sum(y * y) / 2
    underflow = 1e-30  # below, products of float32 vanish
    assert norms[0] == pytest.approx(float(tf.norm(tape.gradient(loss, x))), rel=1e-3, abs=underflow)


def test_budgets_are_those_of_the_library(call):
    from gradbook.lowrank.convs import substitute

    found = call(
        "budget",
        "[900, 2000, 5000].map(budget => Object.fromEntries("
        "Object.entries(with_.FAMILIES).map(([name, make]) => [name, make(budget)])))",
    )
    for made in found:
        ours = {
            "dense": substitute("plain"),
            "separable": substitute("separable"),
            "low rank": substitute("low_rank", made["low rank"]["rank"] / 64),
            "shuffle": substitute("shuffle", made["shuffle"]["groups"]),
            "hashed": substitute("hashed", made["hashed"]["weights"] / (9 * 64 * 64), use_bias=False),
            "ACDC": substitute("acdc", made["ACDC"]["links"]),
        }
        for name, make in ours.items():
            layer = make(64, 3, padding="same")
            assert layer.n_parameters(64) == made[name]["weights"], name
            assert layer.mult_adds((32, 32, 64)) == made[name]["multiplications"], name


def test_handles_move_by_keyboard(page):
    page.goto(f"{page.base}/page/descents")
    handle = page.get_by_role("slider", name="start of the descents")
    before = page.locator(".stage output").text_content()
    handle.focus()
    page.keyboard.press("ArrowLeft")
    assert handle.get_attribute("aria-valuetext") == "-0.1, 2.0"
    assert page.locator(".stage output").text_content() != before


def test_sliders_and_choices_have_names(page):
    for name in ("timetable", "gate", "budget"):
        page.goto(f"{page.base}/page/{name}")
        page.wait_for_selector(".stage output:not(:empty)")
        unnamed = page.evaluate(
            "[...document.querySelectorAll('input, select')].filter(one => !one.labels.length).length"
        )
        assert unnamed == 0, json.dumps(name)
