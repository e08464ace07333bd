"""The road from source to twin, on real processes and files."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import nbformat
import pytest
from press_helpers import kernels_in, wait_until

SENSITIVE = """
# %%
import os

import matplotlib.pyplot as plt

print(plt.rcParams["font.size"], os.environ.get("KERAS_BACKEND"), "mine" in globals())
plt.plot([1, 2])
"""

LOUD = """
# %%
import os

_ = os.write(2, b"a library below Python says something\\n")
"""


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, 4)


def printed(notebook: nbformat.NotebookNode) -> str:
    return "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output)


def test_a_twin_holds_what_the_source_prints_and_nothing_about_the_execution(executed_once):
    twin = read(executed_once / "notebooks/10_sum.ipynb")
    assert printed(twin).startswith("sum 3.0\n")
    assert "papermill" not in json.dumps(twin)
    assert all("execution" not in cell.metadata for cell in twin.cells)
    assert [cell.execution_count for cell in twin.cells if cell.cell_type == "code"] == [1, 2, 3, 4]


def test_executing_twice_gives_the_same_bytes(executed, gradbook):
    twin = executed / "notebooks/10_sum.ipynb"
    first = twin.read_bytes()
    assert gradbook(executed, "execute", "10_sum", "--force").returncode == 0
    assert twin.read_bytes() == first


def test_only_what_changed_is_executed_again(executed, gradbook):
    assert gradbook(executed, "execute").stdout == "10_sum: current\n11_quotient: current\n"
    source = executed / "notebooks/10_sum.py"
    source.write_text(source.read_text() + "\n# %%\n1 + 1\n")
    again = gradbook(executed, "execute").stdout
    assert "11_quotient: current" in again
    assert "10_sum: current" not in again


def test_a_twin_changed_by_hand_is_made_anew(executed, gradbook):
    twin = executed / "notebooks/10_sum.ipynb"
    text = twin.read_text()
    twin.write_text(text.replace("sum 3.0", "sum 4.0"))
    gradbook(executed, "execute", "10_sum")
    assert twin.read_text() == text


def test_parameters_and_profiles_leave_the_twin_alone(executed, gradbook):
    twin = (executed / "notebooks/10_sum.ipynb").read_bytes()
    assert gradbook(executed, "execute", "10_sum", "-p", "terms", "5", "-p", "scale", "2").returncode == 0
    assert "sum 20.0" in printed(read(executed / "_build/executed/10_sum.ipynb"))
    assert gradbook(executed, "execute", "10_sum", "--profile", "full").returncode == 0
    assert "sum 4950.0" in printed(read(executed / "_build/executed/10_sum-full.ipynb"))
    assert (executed / "notebooks/10_sum.ipynb").read_bytes() == twin


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["10_sun"], "did you mean '10_sum'?"),
        (["--profile", "ful"], "did you mean 'full'?"),
        (["10_sum", "-p", "term", "3"], "did you mean 'terms'?"),
        (["10_sum", "-p", "terms", "three"], "must be an integer from 0; received 'three'"),
        (["10_sum", "-p", "scale", "0"], "must be a number above 0; received '0'"),
        (["10_sum", "-p", "loud", "1"], "must be true or false; received '1'"),
        (["10_sum", "--record", "-p", "terms", "4"], "--record keeps the cost of twins only"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(book, gradbook, arguments, said):
    ended = gradbook(book, "execute", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (book / "_build").exists()
    assert not list(book.glob("notebooks/*.ipynb"))


def test_a_failing_cell_shows_itself_and_keeps_the_old_twin(executed, gradbook):
    twin = (executed / "notebooks/11_quotient.ipynb").read_bytes()
    source = executed / "notebooks/11_quotient.py"
    source.write_text(source.read_text().replace("divisor = 1", "divisor = 0"))
    ended = gradbook(executed, "execute", "11_quotient")
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr
    assert "print(1 / divisor)" in ended.stderr
    kept = executed / "_build/failed/11_quotient.ipynb"
    assert str(kept) in ended.stderr
    assert "ZeroDivisionError" in kept.read_text()
    assert (executed / "notebooks/11_quotient.ipynb").read_bytes() == twin


def test_a_twin_is_the_same_whatever_its_reader_prefers(book, gradbook, tmp_path):
    source = book / "notebooks/10_sum.py"
    source.write_text(source.read_text() + SENSITIVE)
    gradbook(book, "execute", "10_sum")
    twin = (book / "notebooks/10_sum.ipynb").read_text()
    assert '"image/png"' in twin
    files = {
        ".config/matplotlib/matplotlibrc": "font.family: serif\nfont.size: 14\n",
        ".ipython/profile_default/startup/00.py": "mine = True\n",
        ".jupyter/jupyter_config.json": '{"InteractiveShell": {"ast_node_interactivity": "all"}}',
        "start.py": "mine = True\n",
    }
    for name, text in files.items():
        (tmp_path / "home" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / name).write_text(text)
    folders = {"HOME": "home", "MATPLOTLIBRC": "home/.config/matplotlib", "PYTHONSTARTUP": "home/start.py"}
    settings = {"MPLBACKEND": "agg", "KERAS_BACKEND": "jax"} | {name: str(tmp_path / p) for name, p in folders.items()}
    ended = gradbook(book, "execute", "10_sum", "--force", env=os.environ | settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (book / "notebooks/10_sum.ipynb").read_text() == twin


def test_nothing_is_said_but_what_is_done_how_long_it_takes_and_what_came_of_it(book, gradbook):
    source = book / "notebooks/10_sum.py"
    source.write_text(source.read_text() + LOUD)
    ended = gradbook(book, "execute", "10_sum")
    assert ended.stderr == ""
    first, second = ended.stdout.splitlines()
    assert first == "executing 1 chapter …"
    assert re.fullmatch(r"10_sum: \d+ s and \d\.\d GB on .+ → notebooks/10_sum\.ipynb", second)
    gradbook(book, "execute", "10_sum", "--force", "--record")
    again = gradbook(book, "execute", "--force", "--jobs", "1").stdout
    assert re.match(r"executing 2 chapters, about \d+ s …\n", again)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds left-over kernels through Linux's /proc")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_stop_at_any_moment_leaves_the_old_twin_and_no_kernel(executed, command, sign, code):
    twin = (executed / "notebooks/10_sum.ipynb").read_bytes()
    source = executed / "notebooks/10_sum.py"
    source.write_text(source.read_text() + "\n# %%\nimport time\n\nopen('started', 'w').close()\ntime.sleep(60)\n")
    environment = os.environ | {"TMPDIR": str(executed / "tmp")}
    (executed / "tmp").mkdir()
    running = subprocess.Popen([command, "execute", "10_sum"], cwd=executed, env=environment, start_new_session=True)
    wait_until(lambda: list((executed / "tmp").glob("*/started")))
    assert kernels_in(executed)
    os.killpg(running.pid, sign) if sign == signal.SIGINT else running.kill()
    assert running.wait(30) == code
    wait_until(lambda: not kernels_in(executed))
    assert (executed / "notebooks/10_sum.ipynb").read_bytes() == twin
    assert not list(executed.glob("notebooks/.*"))


def test_record_publishes_the_cost(book, gradbook):
    gradbook(book, "execute", "10_sum", "--record")
    record = json.loads((book / "book/records/10_sum.json").read_text())
    assert record["seconds"] > 0
    assert record["peak_memory"] > 1e7
    assert "gradbook/seeds.py" in record["fingerprint"]


def test_record_publishes_the_cost_of_what_is_current_too(executed, gradbook):
    again = gradbook(executed, "execute", "10_sum", "--record")
    assert again.stdout == "10_sum: current\n"
    assert json.loads((executed / "book/records/10_sum.json").read_text())["seconds"] > 0


def test_list_tells_parameters_and_state(book, executed_once, gradbook):
    assert "never executed" in gradbook(book, "list").stdout
    listed = gradbook(executed_once, "list").stdout
    assert "twin: current" in listed
    assert re.search(r"\n    terms = 3 +an integer from 0\n    scale = 1.0 +a number above 0\n", listed)


def test_outside_a_checkout_of_another_book_the_packages_own_is_used(tmp_path, gradbook, root):
    assert gradbook(tmp_path, "list").stdout == gradbook(root, "list").stdout
