"""Models of one's own under tf.distribute: two replicas, on two virtual processors, do together what one does alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("replicas.py")


def test_two_replicas_do_what_one_does():
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    ended = subprocess.run([sys.executable, PROGRAM], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    apart = json.loads(ended.stdout.splitlines()[-1])
    assert apart.pop("refused").startswith("update_probability must be 1 under tf.distribute")
    assert set(apart) == {"Censored", "Decoupled", "gradual", "Distilled"}
    assert all(value < 1e-4 for value in apart.values()), apart
