"""Tiny ImageNet: natural images of 64×64 pixels; of its 200 classes the twenty that the book pairs."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.archive import members
from gradbook.data.dataset import scaled
from gradbook.data.folder import stamp
from gradbook.data.images import read_folder
from gradbook.data.source import Download, Source
from gradbook.files import atomic_write

FILES = ("classes.txt", "train/*/*.JPEG", "val/*/*.JPEG")
# WordNet's numbers: three cats, six dogs, a lion, four other animals, two vehicles, two foods, two landscapes.
CLASSES = (
    *("n02123045", "n02123394", "n02124075"),
    *("n02085620", "n02094433", "n02099601", "n02099712", "n02106662", "n02113799"),
    *("n02129165", "n02056570", "n01443537", "n02279972", "n02504458"),
    *("n04146614", "n04285008", "n07873807", "n07753592", "n09193705", "n09428293"),
)


def convert(folder: Path, published: Path) -> None:
    """Take the images of the twenty classes out of the archive, into ``train/CLASS/`` and ``val/CLASS/``."""
    incoming = folder / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    with members(published, limit=2**30) as read_member:
        table = read_member["tiny-imagenet-200/val/val_annotations.txt"]().decode()
        class_of = dict(line.split("\t")[:2] for line in table.splitlines())
        for name, read_image in read_member.items():
            match name.split("/"):
                case [_, "train", wnid, "images", file]:
                    target = incoming / "train" / wnid / file
                case [_, "val", "images", file]:
                    wnid = class_of[file]
                    target = incoming / "val" / wnid / file
                case _:
                    continue
            if wnid in CLASSES:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(read_image())
        words = dict(line.split("\t") for line in read_member["tiny-imagenet-200/words.txt"]().decode().splitlines())
    for part in ("train", "val"):
        shutil.rmtree(folder / part, ignore_errors=True)
        (incoming / part).rename(folder / part)
    with atomic_write(folder / "classes.txt") as file:
        file.write("".join(f"{wnid}\t{words[wnid]}\n" for wnid in CLASSES).encode())
    incoming.rmdir()


def read(folder: Path) -> dict[str, Any]:
    """Read every class in the folder; the twenty have 500 images each to train on and 50 to test on, [n, 64, 64, 3]."""
    content = decoded(folder)
    rows = (line.split("\t") for line in (folder / "classes.txt").read_text("utf-8").splitlines())
    words = {wnid: names.split(", ")[0] for wnid, names in rows}
    content["classes"] = tuple(words.get(wnid, wnid) for wnid in content["classes"])
    return content | {name: scaled(content[name]) for name in ("x_train", "x_test")}


def decoded(folder: Path) -> dict[str, Any]:
    """Read the images as arrays: uint8, and kept beside them, so that they are decoded once."""
    kept, stamped = folder / ".decoded.npz", stamp(folder, FILES)
    with suppress(Exception), kept.open("rb") as file, np.load(file) as arrays:  # or else: decode
        if str(arrays["stamp"]) == stamped:
            return {name: arrays[name] for name in arrays.files if name != "stamp"}
    content = read_folder(folder)
    with suppress(OSError), atomic_write(kept) as file:  # a folder that cannot be written is fine
        np.savez(file, stamp=stamped, **content)
    return content


TINY_IMAGENET = Source(
    name="tiny-imagenet",
    summary="natural images of 20 of the 200 classes of Tiny ImageNet, 64×64 colour pixels, 550 a class",
    licence="ImageNet's terms: non-commercial research and education only; the images belong to their owners",
    citation="Y. Le, X. Yang (2015). Tiny ImageNet visual recognition challenge. Stanford CS231N; "
    "O. Russakovsky et al. (2015). ImageNet large scale visual recognition challenge. IJCV 115, 211–252",
    read=read,
    files=FILES,
    downloads=(
        Download(
            "tiny-imagenet-200.zip",
            248_100_043,
            "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            (
                "https://cs231n.stanford.edu/tiny-imagenet-200.zip",
                "https://image-net.org/data/tiny-imagenet-200.zip",
            ),
        ),
    ),
    convert=convert,
)
