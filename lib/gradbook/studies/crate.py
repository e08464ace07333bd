"""Results packed for archives: a Process Run Crate, which is a folder of files with a description that machines read.

Each group of runs that shares its commit, libraries, machine and data is one action: its instrument is this library at
that commit, its object the data with their checksum, its result the study's files. When runs started and ended is not
kept in committed results; how long they took is.
"""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gradbook.errors import InputError
from gradbook.studies.results import FOLDER, provenance

if TYPE_CHECKING:
    from rocrate.model import Entity
    from rocrate.rocrate import ROCrate

PROFILE, VERSION = "https://w3id.org/ro/wfrun/process/0.6", "1.3"
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
LICENSE = "https://creativecommons.org/licenses/by/4.0/"
FORMATS = {".csv": "text/csv", ".json": "application/json", ".npz": "application/zip"}


def write(target: Path, studies: Sequence[str] = (), folder: Path = FOLDER) -> None:
    """Write the results of studies as a crate.

    Args:
        target: a folder to make, or a file NAME.zip.
        studies: their names; all that have results where none is given.
        folder: where the results lie.

    Raises:
        InputError: the target exists, a study has no results, or the library rocrate is not installed.

    Source:
        Process Run Crate 0.6, https://w3id.org/ro/wfrun/process/0.6.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise InputError("a crate needs the library rocrate; install gradbook[book].") from None
    if target.exists():
        raise InputError(f"the crate must be a new folder or file; received {target}, which exists.")
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_contexts.append(TERMS)
    agent = _add(crate, "#authors", "Organization", name="The authors of Gradients, Rewritten")
    profile = _add(crate, PROFILE, "CreativeWork", name="Process Run Crate", version=PROFILE.rpartition("/")[2])
    text = _add(crate, LICENSE, "CreativeWork", name="Creative Commons Attribution 4.0 International")
    description = "What the studies of the book measured: one row per run, and curves."
    crate.name, crate.description = "Results of Gradients, Rewritten", description
    for name, entity in {"conformsTo": profile, "author": agent, "license": text}.items():
        crate.root_dataset[name] = entity
    for study in studies or sorted(path.stem for path in folder.glob("*.csv")):
        _add_study(crate, study, folder, agent)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as part:  # none is left half-written
        whole = Path(part) / target.name
        crate.write_zip(whole) if target.suffix == ".zip" else crate.write(whole)
        whole.rename(target)


def _add_study(crate: "ROCrate", study: str, folder: Path, agent: "Entity") -> None:
    about = provenance(study, folder)
    files = [_add_file(crate, folder / f"{study}{suffix}", kind) for suffix, kind in FORMATS.items()]
    for name, origin in about["origins"].items():
        machine = ", ".join(f"{key} {value}" for key, value in origin["machine"].items() if value)
        action = crate.add_action(
            _instrument(crate, origin),
            identifier=f"#{study}-{name}",
            object=_data(crate, origin["data"]) if origin["data"] else None,
            result=[file for file in files if file],
            properties={
                "name": f"{origin['runs']} runs of the study {study}",
                "description": f"gradbook sweep {study}; {origin['seconds']:.0f} seconds of training; {machine}",
                "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
            },
        )
        action["agent"] = agent
        crate.root_dataset.append_to("mentions", action)


def _add_file(crate: "ROCrate", path: Path, kind: str) -> "Entity | None":
    if not path.exists():
        return None
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    properties = {"name": path.name, "encodingFormat": kind, "sha256": sha256}
    return crate.add_file(path, f"results/{path.name}", properties=properties, record_size=True)


def _instrument(crate: "ROCrate", origin: dict[str, Any]) -> "Entity":
    repository = dict(line.split(", ", 1) for line in metadata("gradbook").get_all("Project-URL"))["Repository"]
    commit = origin["commit"] or "unknown"
    libraries = [
        _add(crate, f"#{name}-{version}", "SoftwareApplication", name=name, softwareVersion=version)
        for name, version in origin["libraries"].items()
    ]
    changed = ", with changes that were not committed" if origin["dirty"] else ""
    surroundings = hashlib.sha256(json.dumps([changed, origin["libraries"]], sort_keys=True).encode()).hexdigest()
    return _add(
        crate,
        f"{repository}/tree/{commit}#{surroundings[:8]}",
        "SoftwareApplication",
        name=f"gradbook{changed}",
        url=repository,
        softwareVersion=commit,
        softwareRequirements=libraries,
    )


def _data(crate: "ROCrate", identity: str) -> "Entity":
    name, _, checksum = identity.partition(":")
    return _add(crate, f"#data-{name}-{checksum[:8]}", "CreativeWork", name=name, identifier=f"sha256:{checksum}")


def _add(crate: "ROCrate", identifier: str, kind: str, /, **properties: Any) -> "Entity":
    """Return an entity of the crate, which is added unless it is there."""
    from rocrate.model import ContextEntity

    found = crate.dereference(identifier)
    if found is None:
        found = crate.add(ContextEntity(crate, identifier, properties={"@type": kind}))
        for key, value in properties.items():
            found[key] = value
    return found
