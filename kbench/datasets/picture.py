"""Picture files, decoded."""

from pathlib import Path

from PIL import Image

from kbench.errors import DatasetError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def read_picture(path: Path) -> Image.Image:
    """Return a picture of any size as RGB, decoded to its last pixel.

    Raises:
        DatasetError: If the file is missing, truncated or no picture; names it.
    """
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    # Pillow's readers raise SyntaxError for a broken PNG and ValueError for broken numbers.
    except (OSError, SyntaxError, ValueError) as error:
        message = f"picture {str(path)!r} cannot be read: {error}"
        raise DatasetError(message) from error
