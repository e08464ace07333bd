"""The data folder: fetched once, trusted while nothing changes, and never believed when something did."""

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from data_fakes import SIZES, files, labels, pixels

import gradbook.data as data
from gradbook.errors import InputError
from gradbook.files import atomic_write

HERE = Path(__file__).parent
PUBLISHED = ["mnist", "imdb", "cifar10", "tiny-imagenet"]
LAYOUT = {
    "mnist": list(files()["mnist"]),
    "imdb": ["reviews.npz"],
    "cifar10": ["cifar10.npz"],
    "tiny-imagenet": ["classes.txt", "train", "val", ".decoded.npz"],
}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def child(name: str, url: str, *treatments: str, then: str = "print(data.load(name).checksum)") -> list[str]:
    """A process of its own that knows the small datasets."""
    code = f"""
import sys, warnings
sys.path.insert(0, {str(HERE)!r})
import gradbook.data as data
from data_fakes import publish
name = {name!r}
publish(name, {url!r}, *{treatments!r})
{then}
"""
    return [sys.executable, "-c", code]


def kept(folder: Path, name: str) -> list[Path]:
    """The files a dataset is read from."""
    return [file for pattern in data.SOURCES[name].files for file in sorted((folder / name).glob(pattern))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_missing_is_fetched_once_and_laid_out(published, server, folder, name):
    published(name)
    first = data.load(name)
    assert len(server.asked) == len(files()[name])
    published(name, "broken")
    assert data.load(name).checksum == first.checksum
    assert len(server.asked) == len(files()[name])
    assert sorted(file.name for file in (folder / name).iterdir()) == sorted([*LAYOUT[name], ".checked", ".lock"])


def test_images_come_out_as_they_were_published(published):
    for name, shape in {"mnist": (28, 28), "cifar10": (3, 32, 32)}.items():
        published(name)
        images = data.load(name)
        for part, count in SIZES.items():
            raw = pixels(part, int(np.prod(shape))).reshape(count, *shape)
            raw = raw[..., None] if name == "mnist" else raw.transpose(0, 2, 3, 1)
            np.testing.assert_array_equal(getattr(images, f"x_{part}"), (raw / 255).astype(np.float32))
            np.testing.assert_array_equal(getattr(images, f"y_{part}"), labels(part))
            assert getattr(images, f"x_{part}").dtype == np.float32 and getattr(images, f"y_{part}").dtype == np.int32


def test_tiny_imagenet_has_its_classes_and_their_images(published, folder):
    published("tiny-imagenet")
    for _ in range(2):  # decoded, then as kept
        tiny = data.load("tiny-imagenet")
        assert tiny.classes == ("name of n02123045", "name of n02123394")
        assert tiny.x_train.shape == (6, 64, 64, 3) and tiny.x_test.shape == (2, 64, 64, 3)
        assert tiny.y_train.tolist() == [0, 0, 0, 1, 1, 1] and tiny.y_test.tolist() == [0, 1]
        assert tiny.x_test.mean((1, 2)).argmax(1).tolist() == [0, 2]
    assert (folder / "tiny-imagenet" / "val" / "n02123394" / "val_1.JPEG").exists()


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def altered(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [truncated, emptied, altered])
@pytest.mark.parametrize("name", PUBLISHED)
def test_damaged_files_are_reported_and_fetched_again(published, folder, name, damage):
    published(name)
    sound = data.load(name)
    for file in kept(folder, name):
        if file.name == "classes.txt" and damage is not emptied:
            continue  # another name for a class is caught below
        damage(file)
        assert data.verify([name])[0].state == "damaged"
        with pytest.warns(UserWarning, match=rf"{name} in .* is damaged and is fetched again"):
            assert data.load(name).checksum == sound.checksum
        assert data.verify([name])[0].state == "sound"


@pytest.mark.parametrize("name", ["imdb", "cifar10"])
def test_other_arrays_in_a_converted_file_are_not_what_was_first_read(published, folder, name):
    published(name)
    sound = data.load(name)
    (file,) = kept(folder, name)
    with np.load(file) as arrays:
        others = {key: array.copy() for key, array in arrays.items()}
    others[next(key for key in others if "test" in key and others[key].size > 20)].flat[7] += 1
    np.savez(file, **others)
    assert "not what it was when first read" in data.verify([name])[0].reason
    with pytest.warns(UserWarning, match="not what it was"):
        assert data.load(name).checksum == sound.checksum


def test_an_image_more_or_less_or_a_class_with_another_name_is_noticed(published, folder):
    published("tiny-imagenet")
    sound = data.load("tiny-imagenet")
    table, image = folder / "tiny-imagenet" / "classes.txt", kept(folder, "tiny-imagenet")[1]
    for change in (
        lambda: table.write_text(table.read_text().replace("name of n02123045", "dog")),
        lambda: image.with_name("more.JPEG").write_bytes(image.read_bytes()),
        image.unlink,
    ):
        change()
        with pytest.warns(UserWarning, match="not what it was"):
            assert data.load("tiny-imagenet").checksum == sound.checksum


def test_what_is_fetched_takes_the_place_of_another_copy(published, folder):
    published("cifar10")
    sound = data.load("cifar10")
    file = folder / "cifar10" / "cifar10.npz"
    with np.load(file) as arrays:
        copy = dict(arrays) | {"test_is_lossless": np.arange(SIZES["test"]) < 5}
    (folder / "cifar10" / ".checked").unlink()
    np.savez(file, **copy)
    assert data.load("cifar10").test_is_lossless.sum() == 5 and sound.test_is_lossless is None
    truncated(file)
    with pytest.warns(UserWarning, match="damaged"):
        assert data.load("cifar10").checksum == sound.checksum


@pytest.mark.parametrize("name", ["imdb", "cifar10"])
def test_pickles_in_a_converted_file_are_never_opened(published, folder, name):
    class Harmful:
        def __reduce__(self):
            return Path.touch, (folder / "harm",)

    published(name)
    data.load(name)
    np.savez(kept(folder, name)[0], **dict.fromkeys(("train_tokens", "x_train"), np.array([Harmful()])))
    with pytest.warns(UserWarning, match="allow_pickle"):
        data.load(name)
    assert not (folder / "harm").exists()


@pytest.mark.parametrize("name", ["imdb", "cifar10"])
def test_published_pickles_with_another_checksum_are_never_opened(published, server, folder, name, monkeypatch):
    monkeypatch.setattr("pickle.loads", lambda *_, **__: pytest.fail("a pickle was opened"))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("an .npz was opened"))
    published(name, "wrong")
    with pytest.raises(InputError, match="other bytes than published"):
        data.load(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_missing_and_offline_is_one_line_with_the_ways_out(published, folder, name):
    published(name, "broken")
    with pytest.raises(InputError) as error:
        data.load(name)
    line = str(error.value)
    assert "\n" not in line
    for part in (data.SOURCES[name].files[0], str(folder / name), f"`gradbook data fetch {name}`", "GRADBOOK_DATA"):
        assert part in line


def test_damaged_and_offline_is_not_used(published, folder):
    published("cifar10")
    data.load("cifar10")
    altered(folder / "cifar10" / "cifar10.npz")
    published("cifar10", "missing")
    for _ in range(2):
        with pytest.warns(UserWarning, match="damaged"), pytest.raises(InputError, match="fetching failed"):
            data.load("cifar10")


def test_a_copy_without_record_is_used_as_is_and_remembered(published, server, folder):
    published("imdb")
    sound = data.load("imdb")
    (folder / "imdb" / ".checked").unlink()
    os.utime(folder / "imdb" / "reviews.npz", (1, 1))
    server.asked.clear()
    assert data.load("imdb").checksum == sound.checksum
    assert (folder / "imdb" / ".checked").read_text().endswith(sound.checksum)
    (folder / "imdb" / ".checked").write_bytes(b"\xff no record")
    assert data.load("imdb").checksum == sound.checksum
    assert server.asked == []


def test_published_files_are_held_to_their_checksum_even_without_a_record(published, folder):
    published("mnist")
    sound = data.load("mnist")
    (folder / "mnist" / ".checked").unlink()
    np.testing.assert_array_equal(sound.y_test, labels("test"))
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(files()["mnist"]["train-labels-idx1-ubyte.gz"])
    with pytest.warns(UserWarning, match="t10k-labels-idx1-ubyte.gz holds other bytes than published"):
        assert data.load("mnist").checksum == sound.checksum


def test_an_archive_that_was_put_there_by_hand_needs_no_network(published, server, folder):
    published("cifar10", "broken")
    (folder / "cifar10").mkdir(parents=True)
    (folder / "cifar10" / "cifar-10-python.tar.gz").write_bytes(files()["cifar10"]["cifar-10-python.tar.gz"])
    assert len(data.load("cifar10").x_train) == SIZES["train"]
    assert server.asked == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_two_processes_that_fetch_at_once_both_end_well(published, server, folder, name):
    running = [subprocess.Popen(child(name, server.url, "slow"), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sums = [process.communicate(timeout=60)[0].strip() for process in running]
    published(name, "broken")
    assert sums == [data.load(name).checksum] * 2
    assert len(server.asked) == len(files()[name])


def test_a_fetch_that_was_killed_leaves_nothing_in_the_way(published, server, folder):
    process = subprocess.Popen(child("cifar10", server.url, "stuck"))
    deadline = time.monotonic() + 30
    while not list(folder.glob("cifar10/.*.part")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(folder.glob("cifar10/.*.part"))
    published("cifar10")
    assert len(data.load("cifar10").x_train) == SIZES["train"]
    assert not list(folder.glob("cifar10/.*.part"))


def test_a_download_shows_how_far_it_is(server, folder):
    shown = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    ended = subprocess.run(child("cifar10", server.url, "slow"), env=shown, capture_output=True, text=True)
    assert re.search(r"cifar-10-python.tar.gz: +[1-9]\d%", ended.stderr)


def small_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(server, folder):
    ended = subprocess.run(child("mnist", server.url, "fine"), preexec_fn=small_disk, capture_output=True, text=True)
    assert "InputError: mnist needs" in ended.stderr and "File too large" in ended.stderr
    written = [file.name for file in (folder / "mnist").iterdir() if file.name != ".lock"]
    assert all((folder / "mnist" / name).read_bytes() == files()["mnist"][name] for name in written)


def obey_permissions() -> None:
    """Take from root the right to write where nobody may (PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_folder_that_cannot_be_written_is_read_all_the_same(published, server, folder, name):
    published(name)
    sound = data.load(name)
    for file in (".checked", ".decoded.npz", ".lock"):
        (folder / name / file).unlink(missing_ok=True)
    (folder / name).chmod(0o555)
    then = "data.fetch(name); print(data.load(name).checksum, data.verify([name])[0].state)"
    ended = subprocess.run(
        child(name, server.url, "broken", then=then),
        preexec_fn=obey_permissions,
        capture_output=True,
        text=True,
    )
    (folder / name).chmod(0o755)
    assert (ended.stdout.split(), ended.stderr) == ([sound.checksum, "sound"], "")
    assert not (folder / name / ".checked").exists(), "the folder could be written: this test shows nothing"


def test_a_folder_that_cannot_be_written_and_lacks_the_set_is_one_line(server, folder):
    folder.mkdir(0o555)
    ended = subprocess.run(
        child("mnist", server.url, "fine"), preexec_fn=obey_permissions, capture_output=True, text=True
    )
    assert "InputError: mnist needs" in ended.stderr.splitlines()[-1] and "Permission denied" in ended.stderr


def test_describe_tells_what_is_there(published, folder):
    published("imdb")
    before = {entry.name: entry for entry in data.describe()}
    assert list(before) == list(data.SOURCES)
    assert before["digits"].present and before["digits"].where is None and before["digits"].bytes == 0
    assert not before["imdb"].present and before["imdb"].bytes == len(files()["imdb"]["imdb.npz"])
    assert all(entry.licence and entry.citation and entry.summary for entry in before.values())
    data.fetch("imdb")
    after = {entry.name: entry for entry in data.describe()}["imdb"]
    assert after.present and after.where == folder / "imdb"
    assert after.bytes == (folder / "imdb" / "reviews.npz").stat().st_size


def test_verify_finds_what_a_stamp_does_not_show(published, folder):
    published("cifar10")
    data.load("cifar10")
    file = folder / "cifar10" / "cifar10.npz"
    with np.load(file) as arrays:
        others = dict(arrays)
    others["x_test"] = others["x_test"] ^ 1
    times = file.stat()
    np.savez(file, **others)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    found = {finding.name: finding.state for finding in data.verify()}
    assert found == {"mnist": "missing", "imdb": "missing", "cifar10": "damaged", "tiny-imagenet": "missing"}
    assert data.verify(["digits"]) == [data.Finding("digits", "sound")]


@pytest.mark.parametrize("ask", [data.fetch, lambda name: data.verify([name])])
def test_unknown_names_have_a_near_match(folder, ask):
    with pytest.raises(InputError, match="did you mean 'mnist'"):
        ask("mnits")


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "file") as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]
