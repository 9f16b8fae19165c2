import pytest

from kbench.errors import SuiteError
from kbench.resources_file import ResourcesSpec
from kbench.site_file import find_site_file, read_site


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KBENCH_SITE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_without_a_file_nothing_is_said() -> None:
    assert find_site_file() is None
    assert read_site() == ResourcesSpec()


def test_named_file_goes_before_the_working_folder_and_that_before_the_home(
    tmp_path, monkeypatch
) -> None:
    home = tmp_path / "config" / "kbench"
    home.mkdir(parents=True)
    (home / "site.yaml").write_text("partition: home\n")
    assert read_site().partition == "home"
    (tmp_path / "kbench-site.yaml").write_text("partition: here\n")
    assert read_site().partition == "here"
    (tmp_path / "named.yaml").write_text("partition: named\nsetup: [module load cuda]\n")
    monkeypatch.setenv("KBENCH_SITE", str(tmp_path / "named.yaml"))
    assert read_site() == ResourcesSpec(partition="named", setup=("module load cuda",))


def test_named_file_that_is_not_there_is_an_error(monkeypatch) -> None:
    monkeypatch.setenv("KBENCH_SITE", "gone.yaml")
    with pytest.raises(SuiteError, match=r"gone\.yaml:1: no such file"):
        read_site()


def test_everything_wrong_is_told_with_its_line(tmp_path) -> None:
    text = "partition: gpu\npartion: x\ntime: soon\nmemory: 16 GB\nsbatch: {array: 1-3}\n"
    (tmp_path / "kbench-site.yaml").write_text(text)
    with pytest.raises(SuiteError, match="partion") as error:
        read_site()
    findings = error.value.findings
    assert [line.split(":")[1] for line in findings] == ["2", "3", "4", "5"]
    assert "did you mean 'partition'?" in findings[0]
    assert "'soon' is no duration" in findings[1]
    assert "array cannot be given: kbench sets it itself" in findings[3]
