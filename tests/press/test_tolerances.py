"""Tolerances are dated by the history of a checkout."""

import os
import subprocess

import pytest
import yaml

from gradbook.claims.claim import Claim
from gradbook.errors import InputError
from gradbook.press.tolerances import dates


def entry(name, study, tolerance):
    test = {"statistic": "mean", "study": study, "metric": "loss"}
    return {"id": name, "claim": "x", "published": 1, "test": test, "tolerance": tolerance, "because": "x"}


@pytest.fixture
def commit(tmp_path):
    """Commit files of a new checkout, each time a day later."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "book/results").mkdir(parents=True)
    days = iter(range(1, 9))

    def run(**files):
        for name, content in files.items():
            path = "book/claims.yml" if name == "claims" else f"book/results/{name}.csv"
            (tmp_path / path).write_text(yaml.safe_dump(content) if name == "claims" else content)
        date = f"2026-01-0{next(days)}T12:00:00Z"
        who = {f"GIT_{role}_{part}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        subprocess.run(["git", "-C", str(tmp_path), "add", "-A"], check=True)
        environment = os.environ | who | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        subprocess.run(["git", "-C", str(tmp_path), "commit", "-qm", "x"], check=True, env=environment)

    return run


def test_a_tolerance_counts_from_when_it_took_its_present_value(tmp_path, commit):
    commit(claims=[entry("kept", "one", 0.1), entry("changed", "one", 0.1), entry("back", "one", 0.1)])
    commit(one="a\n1\n", claims=[entry("kept", "one", 0.1), entry("changed", "one", 0.2), entry("back", "one", 0.3)])
    today = [entry("kept", "one", 0.1), entry("changed", "one", 0.2), entry("back", "one", 0.1), entry("new", "two", 1)]
    commit(claims=today)
    found = dates(tmp_path, [Claim.model_validate(one) for one in [*today, entry("uncommitted", "two", 1)]])
    assert found.to_numpy().tolist() == [
        ["kept", "2026-01-01", "2026-01-02", "before"],
        ["changed", "2026-01-02", "2026-01-02", "after"],
        ["back", "2026-01-03", "2026-01-02", "after"],
        ["new", "2026-01-03", "", "before"],
        ["uncommitted", "", "", "after"],
    ]


def test_a_folder_without_a_history_is_refused(tmp_path):
    with pytest.raises(InputError, match="git must be able to read the history of"):
        dates(tmp_path, [])
