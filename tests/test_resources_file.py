"""The keys of `resources`, as a suite or a site file has them."""

import pytest
from pydantic import ValidationError

from kbench.resources_file import OWN_OPTIONS, ResourcesSpec


def test_nothing_is_said_of_what_is_not_given() -> None:
    said = {key: value for key, value in dict(ResourcesSpec()).items() if value is not None}
    assert said == {"sbatch": {}, "setup": ()}


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("02:00:00", 7200), ("80s", 80)], ids=str
)
def test_times_are_seconds(text, seconds) -> None:
    spec = ResourcesSpec.model_validate({"time": text, "grace": text})
    assert (spec.time, spec.grace) == (seconds, seconds)


def test_options_of_sbatch_keep_their_type() -> None:
    given = {"exclusive": True, "nice": 10, "mail-type": "END,FAIL"}
    assert ResourcesSpec.model_validate({"sbatch": given}).sbatch == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"partition": "two words"}, "partition"),
        ({"time": "soon"}, "'soon' is no duration"),
        ({"devices": -1}, "greater than or equal to 0"),
        ({"nodes": 0}, "greater than or equal to 1"),
        ({"cpus": "4"}, "valid integer"),
        ({"memory": "16GB"}, "memory"),
        ({"memory": "0"}, "memory"),
        ({"setup": ["module load cuda\nrm -r x"]}, "setup"),
        ({"container": ""}, "container"),
        ({"sbatch": {"--exclusive": True}}, "sbatch"),
        ({"sbatch": {"comment": "a\n#SBATCH --nodes=9"}}, "comment: expected one line of text"),
        ({"sbatch": {"output": "x"}}, "output cannot be given: kbench sets it itself"),
        ({"partitoin": "gpu"}, "partitoin"),
    ],
    ids=str,
)
def test_what_a_script_cannot_have_is_refused(given, message) -> None:
    with pytest.raises(ValidationError, match=message):
        ResourcesSpec.model_validate(given)


def test_all_of_kbenchs_own_options_are_named_at_once() -> None:
    with pytest.raises(ValidationError, match=", ".join(sorted(OWN_OPTIONS))):
        ResourcesSpec.model_validate({"sbatch": dict.fromkeys(OWN_OPTIONS, "x")})
