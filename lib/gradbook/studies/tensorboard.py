"""The curves of a run as TensorBoard scalars."""

import re
import shutil
from pathlib import Path

from gradbook.studies.store import Store
from gradbook.studies.study import Study


def write_study(study: Study, store: Store, directory: Path) -> None:
    """Write every finished run of a study into a folder of its own, named in words and by its key; those there stay.

    Curves are scalars of their names, one a logged step, and metrics stand at the last step. Show them with
    ``tensorboard --logdir DIRECTORY``; runs in folders side by side are drawn into one plot.
    """
    import tensorflow as tf

    for key, _, record, _ in store.records(study.experiment):
        if key not in study.runs:
            continue
        label = re.sub(r"[^\w=.,+-]+", " ", study.label(study.runs[key]))[:150]  # what every system takes as a name
        folder, part = directory / f"{label},{key[:8]}", directory / f".{key}.part"
        if folder.exists():
            continue
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
        last = max(map(len, record.curves.values()), default=1) - 1
        writer = tf.summary.create_file_writer(str(part))
        with writer.as_default():
            for name, values in record.curves.items():
                for step, value in enumerate(values):
                    tf.summary.scalar(name, value, step)
            for name, value in record.metrics.items():
                tf.summary.scalar(f"final/{name}", value, last)
        writer.close()  # Windows renames no folder with an open file
        part.rename(folder)
