"""Compiled code that makes a batch out of a beton, for several threads.

FFCV's own decoders draw their random numbers inside such threads and give views of buffers that it
fills again. Here every image has its row of numbers and every batch memory of its own. JPEG
decoding and resizing (area averaging where it shrinks, else bilinear) are FFCV's.

Shapes: N samples of the beton, B images of a batch, C channels, H and W height and width in pixels.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from ffcv.fields.rgb_image import IMAGE_MODES
from ffcv.libffcv import imdecode, resize_crop
from ffcv.pipeline.compiler import njit, prange

JPEG = int(IMAGE_MODES["jpg"])
OFF = False
OPTIONS = {"parallel": True, "nogil": True, "error_model": "numpy"}
Kernel = Callable[..., None]


@cache
def image_kernel() -> Kernel:
    """Return the function that crops and mirrors images of one size.

    Its arguments: the beton's bytes, the samples' places in it (N,), rows (B, 6) as `draw_rows`
    gives them, values of the pixels (C, 256), and the result (B, C, H, W), of the values' type.
    """

    def make(content: Any, places: Any, rows: Any, values: Any, result: Any) -> None:  # noqa: ANN401 - compiled
        channels, height, width = result.shape[1:]
        for index in prange(len(rows)):
            place = places[rows[index, 0]]
            top, left, mirrored = rows[index, 1], rows[index, 2], rows[index, 5]
            for line in range(channels * height):
                channel, y = line // height, line % height
                row = y + top
                start = place + (channel * height + row) * width
                is_outside = row < 0 or row >= height
                for x in range(width):
                    column = (width - 1 - x if mirrored else x) + left
                    pixel = 0
                    if not (is_outside or column < 0 or column >= width):
                        pixel = content[start + column]
                    result[index, channel, y, x] = values[channel, pixel]

    return compile_kernel(make)


@cache
def picture_kernel() -> Kernel:
    """Return the function that decodes, cuts, resizes and mirrors pictures.

    Its arguments: as of `image_kernel`, but the samples' places, sizes in bytes, modes, heights
    and widths, (N, 5), instead of the places.
    """
    decode, resize = njit(**OPTIONS | {"parallel": False})(imdecode), njit()(resize_crop)

    def make(content: Any, samples: Any, rows: Any, values: Any, result: Any) -> None:  # noqa: ANN401 - compiled
        side_y, side_x = result.shape[2:]
        for index in prange(len(rows)):
            place, size, mode, height, width = samples[rows[index, 0]]
            data = content[place : place + size]
            picture = data
            if mode == JPEG:
                picture = np.empty(height * width * 3, np.uint8)
                decode(data, picture, height, width, height, width, 0, 0, 1, 1, OFF, OFF)
            top, left, box_height, box_width = rows[index, 1:5]
            part = np.empty((side_y, side_x, 3), np.uint8)
            bottom, right = top + box_height, left + box_width
            resize(picture.reshape(height, width, 3), top, bottom, left, right, part)
            mirrored = rows[index, 5]
            for channel in range(3):
                for y in range(side_y):
                    for x in range(side_x):
                        column = side_x - 1 - x if mirrored else x
                        result[index, channel, y, x] = values[channel, part[y, column, channel]]

    return compile_kernel(make)


def compile_kernel(function: Kernel) -> Kernel:
    """Return a function that is compiled when it is first called, once for each type."""
    compiled: Kernel = njit(**OPTIONS)(function)
    return compiled
