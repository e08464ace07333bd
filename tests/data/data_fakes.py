"""Small stand-ins for the published files, the same bytes in every process, and a server that treats them badly."""

import gzip
import hashlib
import io
import pickle
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

import gradbook.data as data
from gradbook.data.source import Download
from gradbook.data.tiny_imagenet import CLASSES

SIZES = {"train": 30, "test": 20}


def pixels(part: str, *shape: int) -> np.ndarray:
    return np.random.default_rng(len(part)).integers(0, 256, (SIZES[part], *shape), np.uint8)


def labels(part: str) -> np.ndarray:
    return (np.arange(SIZES[part]) % 10).astype(np.uint8)


def reviews(part: str) -> list[list[int]]:
    random = np.random.default_rng(len(part))
    return [random.integers(1, 40, length).tolist() for length in random.integers(0, 12, SIZES[part])]


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">i4").tobytes()
    return gzip.compress(header + array.tobytes(), mtime=0)


def mnist() -> dict[str, bytes]:
    return {
        f"{file}-{kind}-ubyte.gz": idx(array)
        for part, file in (("train", "train"), ("test", "t10k"))
        for kind, array in (("images-idx3", pixels(part, 28, 28)), ("labels-idx1", labels(part)))
    }


def imdb() -> dict[str, bytes]:
    file = io.BytesIO()
    lists = {f"x_{part}": np.array(reviews(part), dtype=object) for part in SIZES}
    np.savez(file, **lists, **{f"y_{part}": labels(part).astype(np.int64) % 2 for part in SIZES})
    return {"imdb.npz": file.getvalue()}


class ArrayOfPython2:
    """Pickled as the published batches are: by Python 2, with the truth values of old as numbers."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __reduce__(self) -> tuple:
        state = 1, self.array.shape, TypeOfPython2(), False, self.array.tobytes()
        return np.empty(0).__reduce__()[0], (np.ndarray, (0,), b"b"), state


class TypeOfPython2:
    def __reduce__(self) -> tuple:
        return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)


def cifar10() -> dict[str, bytes]:
    batches = {"test_batch": (pixels("test", 3072), labels("test"))}
    for i in range(5):
        batches[f"data_batch_{i + 1}"] = (pixels("train", 3072)[6 * i :][:6], labels("train")[6 * i :][:6])
    members = {
        f"cifar-10-batches-py/{name}": pickle.dumps(
            {b"data": ArrayOfPython2(x), b"labels": y.tolist()}, protocol=2
        ).replace(b"numpy._core", b"numpy.core")
        for name, (x, y) in batches.items()
    }
    return {"cifar-10-python.tar.gz": tar_of(members)}


def tiny_imagenet() -> dict[str, bytes]:
    """Two of the twenty classes, one all red and one all blue noise, and a class that is not among them."""
    random = np.random.default_rng(0)
    members, rows = {}, []
    for number, (wnid, channel) in enumerate([(CLASSES[0], 0), (CLASSES[1], 2), ("n00000001", 1)]):
        image, file = np.zeros((64, 64, 3), np.uint8), io.BytesIO()
        image[..., channel] = random.integers(0, 256, (64, 64))
        Image.fromarray(image).save(file, "JPEG")
        for i in range(3):
            members[f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{i}.JPEG"] = file.getvalue()
        members[f"tiny-imagenet-200/train/{wnid}/{wnid}_boxes.txt"] = b"boxes"
        members[f"tiny-imagenet-200/val/images/val_{number}.JPEG"] = file.getvalue()
        rows.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t62\t62\n")
    members["tiny-imagenet-200/val/val_annotations.txt"] = "".join(rows).encode()
    members["tiny-imagenet-200/words.txt"] = "".join(f"{wnid}\tname of {wnid}, other\n" for wnid in CLASSES).encode()
    return {"tiny-imagenet-200.zip": zip_of(members)}


def zip_of(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def tar_of(members: dict[str, bytes], extra: Iterable[tarfile.TarInfo] = ()) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in extra:
            archive.addfile(entry)
    return gzip.compress(file.getvalue(), mtime=0)


@cache
def files() -> dict[str, dict[str, bytes]]:
    """What is published, by dataset and file name."""
    return {"mnist": mnist(), "imdb": imdb(), "cifar10": cifar10(), "tiny-imagenet": tiny_imagenet()}


def download_of(file: str, content: bytes, url: str, *treatments: str) -> Download:
    """A published file with one mirror for each treatment."""
    mirrors = tuple(f"{url}/{treatment}/{file}" for treatment in treatments)
    return Download(file, len(content), hashlib.sha256(content).hexdigest(), mirrors)


def publish(name: str, url: str, *treatments: str) -> None:
    """Let the dataset of that name be the small one, served with those treatments."""
    downloads = tuple(download_of(file, content, url, *treatments) for file, content in files()[name].items())
    data.SOURCES[name] = replace(data.SOURCES[name], downloads=downloads)


class Server(ThreadingHTTPServer):
    """Serves ``/TREATMENT/FILE`` on the loopback and keeps the paths it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.content = {file: content for published in files().values() for file, content in published.items()}
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_) -> None:
        """Clients that are killed close their connections; that is what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        _, treatment, file = self.path.split("/")
        content = self.server.content[file]
        if treatment in ("missing", "broken"):
            self.send_error({"missing": 404, "broken": 500}[treatment])
            return
        self.send_response(200)
        if treatment != "unsized":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        pieces = {
            "fine": [content],
            "wrong": [content[:-1], bytes([content[-1] ^ 1])],
            "cut": [content[: len(content) // 2]],
            "unsized": [content[: len(content) // 2]],
            "slow": [content[i : i + 1 + len(content) // 8] for i in range(0, len(content), 1 + len(content) // 8)],
            "stuck": [content[:1]],
        }[treatment]
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep({"slow": 0.05, "stuck": 30}.get(treatment, 0))

    def log_message(self, *_) -> None:
        pass
