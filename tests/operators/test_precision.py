import pytest
import torch

from kbench.operators.precision import computing_dtype, without_autocast


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        pytest.param(torch.float16, torch.float32, id="float16"),
        pytest.param(torch.bfloat16, torch.float32, id="bfloat16"),
        pytest.param(torch.float32, torch.float32, id="float32"),
        pytest.param(torch.float64, torch.float64, id="float64"),
    ],
)
def test_computing_dtype_is_float32_or_wider(dtype, expected):
    assert computing_dtype(torch.zeros(1, dtype=dtype)) == expected


def test_product_inside_is_float32_under_autocast():
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outside = x @ x
        with without_autocast(x):
            inside = x @ x
    assert (outside.dtype, inside.dtype) == (torch.bfloat16, torch.float32)


def test_device_without_autocast_is_left_alone():
    x = torch.ones(2, 2, device="meta")
    with without_autocast(x):
        assert (x @ x).device.type == "meta"
