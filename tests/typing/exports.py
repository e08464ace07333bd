"""What a type checker knows of the exports. `make lint` runs mypy on this file and on the stubs; nothing runs it.

Were an export of type Any, its missing attribute would be no error, and the remark that excuses it an error.
"""

from gradbook import data, errors, experiments, timing
from gradbook.auxiliary import RULES, Rule, censor
from gradbook.gradnets import Linear
from gradbook.studies.experiment import Experiment
from gradbook.studies.results import load
from gradbook.studies.study import Study

censor.nothing  # type: ignore[attr-defined]
Rule.nothing  # type: ignore[attr-defined]
RULES.nothing  # type: ignore[attr-defined]
Linear.nothing  # type: ignore[attr-defined]
data.load("digits").nothing  # type: ignore[attr-defined]
errors.nothing  # type: ignore[attr-defined]
experiments.study("concept").nothing  # type: ignore[attr-defined]
timing.peak_memory().nothing  # type: ignore[attr-defined]
Experiment.run.nothing  # type: ignore[attr-defined]
Study.select.nothing  # type: ignore[attr-defined]
load("concept").select(seed=0).stem.nothing  # type: ignore[attr-defined]
