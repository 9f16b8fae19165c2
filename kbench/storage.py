"""How pictures are stored in FFCV's files; it changes pixels, so it is part of a recipe."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

FFCV_INSTALLATION = (
    "sudo apt-get install -y pkg-config build-essential libopencv-dev libturbojpeg0-dev && "
    "pip install --constraint constraints.txt ffcv==1.0.2"
)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """What becomes of a picture that is written to a beton.

    The defaults are those of ffcv-imagenet's ResNet-50 (`500_0.50_90`). Images that are tensors are
    stored as they are.

    Attributes:
        max_side: Longest side in pixels; longer ones are shrunk by averaging. null: as they are.
        jpeg_quality: Quality of the JPEG compression.
        jpeg_share: Share of the pictures that are compressed; the others are stored as pixels,
            which takes space and saves time.
    """

    __pydantic_config__ = {  # noqa: RUF012 - pydantic's name
        "extra": "forbid",
        "frozen": True,
        "strict": True,
        "allow_inf_nan": False,
        "validate_default": True,
    }

    max_side: Annotated[int, Ge(1)] | None = 500
    jpeg_quality: Annotated[int, Ge(1), Le(100)] = 90
    jpeg_share: Annotated[float, Ge(0), Le(1)] = 0.5

    def __post_init__(self) -> None:
        if self.max_side is not None and self.max_side < 1:
            message = f"max_side (={self.max_side!r}) must be >= 1"
            raise ValueError(message)
        if not 1 <= self.jpeg_quality <= 100:
            message = f"jpeg_quality (={self.jpeg_quality!r}) must be 1 to 100"
            raise ValueError(message)
        if not 0 <= self.jpeg_share <= 1:
            message = f"jpeg_share (={self.jpeg_share!r}) must be 0 to 1"
            raise ValueError(message)

    @property
    def label(self) -> str:
        """Return the options in a form that fits into a file name."""
        side = "full" if self.max_side is None else f"{self.max_side}px"
        return f"{side}-q{self.jpeg_quality}-s{self.jpeg_share:g}"

    @property
    def arguments(self) -> str:
        """Return the options as `kbench data prepare` takes them."""
        side = 0 if self.max_side is None else self.max_side
        return (
            f"--max-side {side} --jpeg-quality {self.jpeg_quality} --jpeg-share {self.jpeg_share:g}"
        )


DEFAULT_STORAGE = Storage()
