"""Archives that try to get out of their folder, or to fill the disk."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from data_fakes import files, tar_of, zip_of
from hypothesis import given
from hypothesis import strategies as st

import gradbook.data as data
from gradbook.data.archive import members
from gradbook.errors import InputError

OUTSIDE = ["../evil", "a/../../evil", "/evil", "..\\evil", "a/.."]


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def refusal(tmp_path: Path, content: bytes, limit: int = 1000) -> str:
    path = tmp_path / "archive"
    path.write_bytes(content)
    with pytest.raises(InputError) as error, members(path, limit):
        raise AssertionError("the archive was opened")
    return str(error.value)


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_members_outside_the_folder_are_refused(tmp_path, pack, name):
    assert f"{name!r} would leave the folder" in refusal(tmp_path, pack({"good": b"x", name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    content = tar_of({"good": b"x"}, [entry("way-out", kind, "/etc/passwd")])
    assert "'way-out' is a link or device" in refusal(tmp_path, content)


def test_links_in_a_zip_are_refused(tmp_path):
    link, file = zipfile.ZipInfo("way-out"), io.BytesIO()
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "'way-out' is a link or device" in refusal(tmp_path, file.getvalue())


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path, pack):
    content = pack({"zeros": bytes(10_000_000)})
    assert len(content) < 20_000
    assert "unpacks to more than 1,000 bytes" in refusal(tmp_path, content)
    assert "unpacks to more than 1,000 bytes" in refusal(tmp_path, pack({str(i): bytes(300) for i in range(4)}))


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_harmless_archives_are_read(tmp_path, pack):
    (tmp_path / "archive").write_bytes(pack({"a/b": b"one", "c..d": b"two"}))
    with members(tmp_path / "archive", 1000) as read_member:
        assert {name: read() for name, read in read_member.items()} == {"a/b": b"one", "c..d": b"two"}


@given(name=st.text(st.sampled_from("./\\ab"), min_size=1, max_size=8))
def test_every_name_that_is_let_through_stays_inside(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    (folder / "archive").write_bytes(tar_of({name: b"x"}))
    try:
        with members(folder / "archive", 1000) as read_member:
            assert all((folder / each).resolve().is_relative_to(folder.resolve()) for each in read_member)
    except InputError:
        assert name[0] in "/\\" or ".." in name.replace("\\", "/").split("/")


@pytest.mark.parametrize(
    ("name", "pack"), [("cifar10", tar_of), ("tiny-imagenet", zip_of)], ids=["cifar10", "tiny-imagenet"]
)
def test_a_malicious_archive_leaves_nothing_behind_even_if_its_checksum_holds(
    published, server, folder, monkeypatch, name, pack
):
    (file,) = files()[name]
    monkeypatch.setitem(files()[name], file, pack({"../evil": b"x"}))
    monkeypatch.setitem(server.content, file, files()[name][file])
    published(name)
    with pytest.raises(InputError, match="would leave the folder"):
        data.load(name)
    assert not list(folder.glob("**/evil")) and not (folder.parent / "evil").exists()
