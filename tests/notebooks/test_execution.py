"""Every chapter runs to its end as it stands."""

from pathlib import Path

import pytest

from gradbook.press.chapters import QUICK, find_chapters
from gradbook.press.checkout import checkout
from gradbook.press.execute import Job, execute
from gradbook.press.status import status

ROOT = checkout(Path(__file__))


@pytest.mark.parametrize("chapter", find_chapters(ROOT), ids=lambda chapter: chapter.name)
def test_a_chapter_runs_to_its_end_unless_nothing_changed_since_it_did_in_this_environment(chapter, tmp_path):
    known = {status(ROOT, chapter, published=published).verdict for published in (False, True)}
    if "current" not in known:
        seed = chapter.parameters["seed"]  # said again, so that the twin stays as it is
        assert list(execute([Job(tmp_path, chapter, QUICK, {"seed": seed})], 1))
