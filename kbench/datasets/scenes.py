"""Scenes for segmentation: four objects on a black canvas, one in each quadrant.

N-Jet, arXiv 2106.03412, Figures 11 and 12. Canvas, cutting, overlap, counts and seed are not
published; what is done here is ours.

Shapes: N objects, M scenes, H and W sides of an object and S side of the canvas, in pixels.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from kbench.datasets.dataset import Split
from kbench.datasets.digits import NUM_TRAIN, Digits
from kbench.datasets.fashion_mnist import FashionMnist
from kbench.datasets.segmentation import IGNORED, SegmentationDataset
from kbench.registry import DATASETS

Scale = Literal[1, 2, 4, "mixed"]
Pixels = NDArray[np.uint8]

SCALES: dict[int | str, tuple[int, ...]] = {1: (1,), 2: (2,), 4: (4,), "mixed": (1, 2, 3, 4)}
PER_SCENE = 4
CHUNK = 32
# Least grey of an object's own pixels, 0.2 of 255; fainter ones belong to no class.
LEAST_GREY = 51


class SceneOptions(NamedTuple):
    """What scenes are drawn by.

    Attributes:
        scales: Factors of which each object gets one.
        canvas: S.
        seed: Seed of order, factors and places.
    """

    scales: tuple[int, ...]
    canvas: int
    seed: int


class SceneDataset(SegmentationDataset):
    """Base of scenes of the objects of another dataset; class 0 is the background.

    The mean intersection over union is that of the object classes.
    """

    num_classes = 11

    @property
    def scored_classes(self) -> tuple[int, ...]:
        """Return the object classes."""
        return tuple(range(1, self.num_classes))

    def set_scenes(self, scale: Scale, canvas: int, seed: int, counts: tuple[int, int]) -> None:
        """Check and keep the options; `counts` are the scenes for training and for testing.

        Raises:
            ValueError: If an option is out of range.
        """
        limits = [size // PER_SCENE for size in self.split_sizes.values()]
        for name, count, limit in zip(("count", "test_count"), counts, limits, strict=True):
            if not 1 <= count <= limit:
                message = f"{name} (={count!r}) must be 1 to {limit}: an object is used once"
                raise ValueError(message)
        if scale not in SCALES:
            message = f"scale (={scale!r}) must be one of {list(SCALES)}"
            raise ValueError(message)
        if canvas < 2 or canvas % 2:
            message = f"canvas (={canvas!r}) must be even and >= 2"
            raise ValueError(message)
        if seed < 0:
            message = f"seed (={seed!r}) must be >= 0"
            raise ValueError(message)
        self.options = SceneOptions(SCALES[scale], canvas, seed)
        self.split_sizes = dict(zip(("train", "test"), counts, strict=True))
        self.input_shape = (1, canvas, canvas)

    def _convert(self, found: Split) -> Split:
        return found

    def compose(self, objects: Split, split: str) -> Split:
        """Return the scenes of a split, from objects (N, 1, H, W) and their classes."""
        pixels = objects.images[:, 0]
        if pixels.is_floating_point():
            pixels = (pixels * 255).round().to(torch.uint8)
        count = self.split_sizes[split]
        generator = np.random.Generator(np.random.PCG64([self.options.seed, split == "test"]))
        return draw_scenes(pixels.numpy(), objects.targets.numpy(), self.options, count, generator)


@DATASETS.register("fashion_scenes")
class FashionScenes(SceneDataset, FashionMnist):
    """Scenes of four enlarged Fashion-MNIST articles, 1 grey channel, background and 10 classes.

    15,000 scenes of the training images and 2,500 of the test images; each image is used once, in
    an order of the seed. A centre is uniform in its quadrant, what leaves the canvas is cut, and of
    two objects the brighter pixel is kept with its class. Pixels of a grey below 0.2 but not 0 are
    ignored. The statistics are those of Fashion-MNIST.

    Args:
        root: Folder with the data in torchvision's layout.
        scale: Factor of every object; `mixed` draws 1, 2, 3 or 4 for each.
        canvas: Side of a scene in pixels; by default 56 times the scale, and 224 for `mixed`.
        count: Scenes for training.
        test_count: Scenes for testing.
        seed: Seed of the scenes.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "fashion_scenes"
    class_names = ("background", *FashionMnist.class_names)

    def __init__(
        self,
        root: Path,
        *,
        scale: Scale = 1,
        canvas: int | None = None,
        count: int = 15_000,
        test_count: int = 2_500,
        seed: int = 0,
    ) -> None:
        super().__init__(root)
        side = 56 * max(SCALES.get(scale, (1,))) if canvas is None else canvas
        self.set_scenes(scale, side, seed, (count, test_count))

    def _read(self, split: str) -> Split:
        return self.compose(super()._read(split), split)


@DATASETS.register("digits_scenes")
class DigitsScenes(SceneDataset, Digits):
    """Scenes of four of the digits inside scikit-learn, 1 grey channel, background and 10 classes.

    As `fashion_scenes`, on a canvas of 16 times the scale: for trials without data.

    Args:
        root: Not used; the file lies in scikit-learn's folder.
        scale: Factor of every object; `mixed` draws 1, 2, 3 or 4 for each.
        canvas: Side of a scene in pixels; by default 16 times the scale, and 64 for `mixed`.
        seed: Seed of the scenes.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "digits_scenes"
    class_names = ("background", *Digits.class_names)

    def __init__(
        self, root: Path, *, scale: Scale = 1, canvas: int | None = None, seed: int = 0
    ) -> None:
        super().__init__(root)
        side = 16 * max(SCALES.get(scale, (1,))) if canvas is None else canvas
        self.set_scenes(scale, side, seed, (NUM_TRAIN // PER_SCENE, 360 // PER_SCENE))

    def _read(self, split: str) -> Split:
        return self.compose(super()._read(split), split)


def draw_scenes(
    objects: Pixels,
    classes: NDArray[np.int64],
    options: SceneOptions,
    count: int,
    generator: np.random.Generator,
) -> Split:
    """Return `count` scenes (M, 1, S, S), uint8, with their masks (M, S, S), uint8.

    Args:
        objects: (N, H, W), grey in 0 to 255 on black.
        classes: (N,), from 0; class c is c + 1 in the masks.
        options: Factors, canvas.
        count: M, at most N // 4.
        generator: Draws order, factors and places, in this order.
    """
    chosen = generator.permutation(len(objects))[: count * PER_SCENE].reshape(count, PER_SCENE)
    factors = generator.choice(options.scales, chosen.shape)
    half = options.canvas // 2
    quadrants = np.array([(0, 0), (0, half), (half, 0), (half, half)])
    centres = generator.integers(0, half, (*chosen.shape, 2)) + quadrants  # (M, 4, 2)
    images = np.zeros((count, options.canvas, options.canvas), np.uint8)
    masks = np.zeros_like(images)
    for start in range(0, count, CHUNK):
        span = slice(start, start + CHUNK)
        enlarged = enlarge_each(objects, chosen[span], factors[span])
        for scene, places in enumerate(chosen[span], start):
            for place, centre in zip(places, centres[scene], strict=True):
                number = int(classes[place]) + 1
                paste(images[scene], masks[scene], next(enlarged), centre, number)
    masks[(images > 0) & (images < LEAST_GREY)] = IGNORED
    return Split(torch.from_numpy(images)[:, None], torch.from_numpy(masks))


def enlarge_each(
    objects: Pixels, places: NDArray[np.int64], factors: NDArray[np.int64]
) -> Iterator[Pixels]:
    """Yield the objects at `places`, each enlarged by its own of `factors`, in row-major order."""
    ready = {
        factor: iter(enlarge(objects[places[factors == factor]], int(factor)))
        for factor in np.unique(factors)
    }
    for factor in factors.flat:
        yield next(ready[factor])


def enlarge(pixels: Pixels, factor: int) -> Pixels:
    """Return objects (N, H, W) bilinearly enlarged, (N, factor H, factor W), rounded to 8 bits."""
    if factor == 1:
        return pixels
    values = torch.from_numpy(pixels)[:, None].to(torch.float32)
    larger = F.interpolate(values, scale_factor=factor, mode="bilinear")[:, 0]
    return larger.round_().to(torch.uint8).numpy()


def paste(image: Pixels, mask: Pixels, pixels: Pixels, centre: Sequence[int], number: int) -> None:
    """Put an object on an image and its class number on the mask, where it is the brighter.

    Its row and column H // 2 and W // 2 come to lie at the centre; what leaves the image is cut.
    """
    top, left = (int(c) - side // 2 for c, side in zip(centre, pixels.shape, strict=True))
    rows = slice(max(top, 0), max(top, 0) + max(0, min(top, 0) + pixels.shape[0]))
    columns = slice(max(left, 0), max(left, 0) + max(0, min(left, 0) + pixels.shape[1]))
    region, classes = image[rows, columns], mask[rows, columns]
    height, width = region.shape
    part = pixels[max(-top, 0) :, max(-left, 0) :][:height, :width]
    np.copyto(classes, number, where=part > region)
    np.maximum(region, part, out=region)
