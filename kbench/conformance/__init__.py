"""The conformance kit: what every operator has to hold, tried on one of them.

An operator may declare on its class, as an attribute or a property:

- `is_translation_equivariant: bool`: that its output moves with its input
- `num_params: int`: how many parameters it has, by its own formula
- `conformance_exceptions: dict[str, str]`: checks that it does not meet, each with the reason; a
  parameter without effect is declared as `gradient of NAME`
"""

from kbench.conformance.checks import CHECKS as CHECKS
from kbench.conformance.command import CheckOptions as CheckOptions
from kbench.conformance.command import check_operator as check_operator
from kbench.conformance.outcome import Check as Check
from kbench.conformance.outcome import Result as Result
from kbench.conformance.report import Conformance as Conformance
from kbench.conformance.report import format_conformance as format_conformance
from kbench.conformance.report import run_checks as run_checks
from kbench.conformance.subject import Subject as Subject
from kbench.conformance.subject import find_subjects as find_subjects
