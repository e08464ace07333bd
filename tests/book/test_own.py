"""What pages tell readers to run works, and prints what they say it prints."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import dask
import pytest

from gradbook.press.checkout import checkout

BOOK = checkout(Path(__file__)) / "book"

# Pages without code, or of commands, which other tests follow
COMMANDS = {"own_model", "own_study", "own_chapter", "own_ledger"}
PAGES = ["before_you_start", *(page.stem for page in sorted(BOOK.glob("own_*.md")) if page.stem not in COMMANDS)]


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of a page's blocks of Python, and of those without a language of their own."""
    text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^```(python|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_prints_what_stands_below_it(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, printed = ("".join(text for kind, text in blocks(page) if kind == wanted) for wanted in ("python", "text"))
    exec(compile(code, page, "exec"), {"__name__": page})
    assert printed and capsys.readouterr().out == printed


@pytest.mark.parametrize("page", ["data", "sweeps"])
def test_the_first_code_of_a_page_that_prints_nothing_runs(page):
    code = next(text for kind, text in blocks(page) if kind == "python")
    exec(compile(code, page, "exec"), {"__name__": page})


def test_the_cluster_of_the_page_on_sweeps_gives_each_worker_one_run_and_replaces_those_that_leave(monkeypatch):
    done = []

    class Cluster:
        scheduler_address = "tcp://node1:8786"

        def __init__(self, **given):
            saturation = dask.config.get("distributed.scheduler.worker-saturation")
            done.append((given["cores"], given["processes"], saturation))

        def adapt(self, **jobs):
            done.append(sorted(jobs))

    def sleep(seconds):
        raise InterruptedError

    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=Cluster))
    monkeypatch.setattr("time.sleep", sleep)
    (code,) = [text for _, text in blocks("sweeps") if "dask_jobqueue" in text]
    with dask.config.set(), pytest.raises(InterruptedError):
        exec(compile(code, "cluster.py", "exec"), {"__name__": "__main__"})
    assert done == [(1, 1, 1.0), ["maximum_jobs", "minimum_jobs"]]
