from click.testing import CliRunner

from kbench.check import check_suites
from kbench.cli import main


def test_every_scale_is_expanded_and_networks_are_counted(write_suite) -> None:
    path = write_suite(seeds=[0, 1], scales={"smoke": {"seeds": 0}})
    text = check_suites([path], verbose=False)
    assert "scale full: 2 cells" in text
    assert "scale smoke: 1 cells" in text
    assert "1 networks, 0 of them invalid" in text


def test_verbose_prints_the_count_of_the_network(write_suite) -> None:
    grid = [{"dataset": "cifar10", "architecture": "resnet20_cifar", "operator": "conv"}]
    text = check_suites([write_suite(grid=grid)], verbose=True)
    # LC, section 5.1: ResNet-20-16 with 3 channels and 10 classes.
    assert "272,474" in text
    assert "40.81 M" in text


def test_combination_that_cannot_exist_is_invalid_with_its_reason(write_suite) -> None:
    grid = [{"dataset": "digits", "architecture": "resnet8_cifar", "operator": "niff"}]
    text = check_suites([write_suite(grid=grid)], verbose=True)
    assert "1 of them invalid" in text
    assert "invalid: " in text


def test_value_out_of_range_is_an_error_of_the_suite(write_suite) -> None:
    operator = {"name": "lc", "expansion": 0}
    grid = [{"dataset": "digits", "architecture": "resnet8_cifar", "operator": operator}]
    result = CliRunner().invoke(main, ["check", str(write_suite(grid=grid))])
    assert result.exit_code == 2
    assert "demo.yaml:" in result.stderr
    assert "expansion" in result.stderr
