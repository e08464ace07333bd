"""A power cut, simulated."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest


class PowerCut(BaseException):
    """Nothing after this reaches the disk."""


class Disk:
    """A folder of which a file's content is safe once it is synchronised, and names change in order and at once.

    The operation numbered `cut`, from 0, and all after it do not happen.
    """

    def __init__(self, folder: Path, cut: int) -> None:
        self.folder, self.left = folder, cut
        self.safe = {file.stat().st_ino: file.read_bytes() for file in self.files()}

    def files(self) -> list[Path]:
        return [file for file in self.folder.rglob("*") if file.is_file()]

    def operation(self, real: Callable, effect: Callable) -> Callable:
        def changed(*arguments, **options):
            if self.left == 0:
                self.left = -1
                raise PowerCut
            if self.left > 0:
                self.left -= 1
                effect(*arguments)
                real(*arguments, **options)

        return changed

    def synchronise(self, descriptor: int) -> None:
        self.safe[os.fstat(descriptor).st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def forget(self, *paths: Path) -> None:
        """The last path's file goes: what comes to its place on the disk is another."""
        with suppress(FileNotFoundError):
            self.safe.pop(Path(paths[-1]).stat().st_ino, None)

    def restart(self) -> None:
        for file in self.files():
            file.write_bytes(self.safe.get(file.stat().st_ino, b""))


def cuts(folder: Path, action: Callable[[], object]) -> Iterator[None]:
    """Do the action again and again in a folder, cut one operation later each time, and once to its end.

    After each the folder is as it would be found after the restart.
    """
    finished, cut = False, 0
    while not finished:
        disk = Disk(folder, cut)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", disk.operation(os.fsync, disk.synchronise))
            for name in ("replace", "rename", "unlink", "remove"):
                patch.setattr(os, name, disk.operation(getattr(os, name), disk.forget))
            try:
                action()
                finished = True
            except PowerCut:
                pass
        disk.restart()
        yield
        cut += 1
