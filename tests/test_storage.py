import pytest

from kbench.storage import Storage


def test_defaults_are_those_of_ffcv_imagenet():
    """`500_0.50_90` of its ResNet-50: longest side, share of JPEG, quality."""
    assert (Storage().max_side, Storage().jpeg_share, Storage().jpeg_quality) == (500, 0.5, 90)


def test_label_and_arguments_say_everything():
    storage = Storage(max_side=None, jpeg_quality=95, jpeg_share=1.0)
    assert storage.label == "full-q95-s1"
    assert storage.arguments == "--max-side 0 --jpeg-quality 95 --jpeg-share 1"


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("max_side", 0, ">= 1"),
        ("jpeg_quality", 101, "1 to 100"),
        ("jpeg_share", 1.5, "0 to 1"),
    ],
    ids=["side", "quality", "share"],
)
def test_values_out_of_range_are_refused(field, value, allowed):
    with pytest.raises(ValueError, match=rf"{field} \(={value}\) must be {allowed}"):
        Storage(**{field: value})
