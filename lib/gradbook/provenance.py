"""Where numbers come from: the commit, the libraries and the machine of the process that measured them."""

import os
import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gradbook.files import PACKAGE

LIBRARIES = ("numpy", "tensorflow", "keras", "jax", "torch", "scikit-learn")


@cache
def commit() -> dict[str, Any]:
    """Describe the package's sources, once a process: ask before a long run, since a checkout may move on meanwhile.

    ``commit`` is empty where the package is not a checkout; ``dirty`` says whether the package's own files differ
    from the commit.
    """
    tracked = bool(_git("ls-files", "errors.py"))
    return {
        "commit": _git("rev-parse", "HEAD") if tracked else "",
        "dirty": tracked and bool(_git("status", "--porcelain", "--", ".")),
    }


@cache
def origin() -> dict[str, Any]:
    """Describe what a run's numbers depend on beyond its configuration, once a process, after its first run.

    That is its `commit`, the libraries that are installed, and the machine, with the accelerators that TensorFlow sees
    if it was imported.
    """
    return commit() | {
        "libraries": {"python": platform.python_version(), **_libraries()},
        "machine": _machine(),
    }


def _libraries() -> dict[str, str]:
    installed = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _machine() -> dict[str, Any]:
    import psutil

    cores, threads = os.cpu_count() or 1, os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return {
        "processor": _processor(),
        "cores": cores,
        "threads": int(threads) if threads.isdecimal() else cores,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "accelerators": _accelerators(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _accelerators() -> list[str]:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return []
    devices = tensorflow.config.list_physical_devices("GPU")
    return [tensorflow.config.experimental.get_device_details(device).get("device_name", "GPU") for device in devices]
