"""The site file: what is the same for all runs on a cluster, such as partition and account.

Its keys are those of a suite's `resources`. The first of these is read: what `KBENCH_SITE` names,
`kbench-site.yaml` in the working folder, `kbench/site.yaml` in the user's configuration folder.
"""

import os
from pathlib import Path

from pydantic import ValidationError

from kbench.findings import Findings, explain
from kbench.resources_file import ResourcesSpec
from kbench.yaml_file import read_yaml

VARIABLE = "KBENCH_SITE"
LOCAL_NAME = "kbench-site.yaml"


def find_site_file() -> Path | None:
    """Return the site file that applies; None if there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    known = (Path(LOCAL_NAME), home / "kbench" / "site.yaml")
    return next((path for path in known if path.is_file()), None)


def read_site() -> ResourcesSpec:
    """Return what the site file says; nothing if there is none.

    Raises:
        SuiteError: One finding for each thing that is wrong, with file and line.
    """
    path = find_site_file()
    if path is None:
        return ResourcesSpec()
    document = read_yaml(path)
    try:
        return ResourcesSpec.model_validate(document.value)
    except ValidationError as error:
        findings = Findings()
        for loc, text in explain(error, lambda _: list(ResourcesSpec.model_fields)).items():
            findings.add(document, loc, text)
        findings.stop()
        raise
