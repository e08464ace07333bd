"""A sweep's client as a process of its own: ``python client.py STORE LOG COUNT PAUSE [BYTES]``.

BYTES limits the size of any file it writes, as a full disk does.
"""

import resource
import sys
from pathlib import Path

from sampling import samples

from gradbook.studies.store import Store
from gradbook.studies.sweep import sweep

if __name__ == "__main__":
    path, log, count, pause, *limit = sys.argv[1:]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
    with Store(Path(path)) as store:
        now = sweep(
            samples(int(count), log=log, pause=float(pause)), store, workers=2, folder=Path("nothing committed")
        )
    print(now)
