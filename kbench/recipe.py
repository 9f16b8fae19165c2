"""Recipe: optimiser, schedule, epochs, augmentation and everything else that training depends on.

The dataclass is the schema: pydantic checks suite files against these annotations, and training
reads the fields. Nothing else holds a default of training.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from kbench.storage import DEFAULT_STORAGE, Storage

Fraction = Annotated[float, Ge(0), Le(1)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]
Schedule = Literal["cosine", "linear", "step", "exponential", "plateau", "constant"]

STRICT = {
    "extra": "forbid",
    "frozen": True,
    "strict": True,
    "allow_inf_nan": False,
    "validate_default": True,
}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What happens to images between dataset and network; every loader gives one distribution.

    In this order: crop, mirror, rotate, RandAugment or colour jitter, resize, normalise, erase,
    mix.

    Attributes:
        size: Side in pixels of what is cut out of pictures; null: the dataset's own.
        random_resized_crop: Whether a random part is cut out and resized to `size`, as torchvision
            does; otherwise the shorter side is resized to size / `crop_ratio`, rounded down, and
            the centre is cut out, where `size` is given or the pictures are files.
        min_crop_area: Smallest share of the picture's area in a random resized crop; the largest
            is 1.
        crop_ratio: Side of the centre crop, as a share of the resized picture's shorter side.
        interpolation: How pictures are resized by these crops and changed by RandAugment, always
            antialiased when they shrink.
        progressive_from: Side of random resized crops at first, from which they grow to `size`
            linearly, in multiples of 32 pixels; null: they do not grow.
        progressive_start: Epochs after which they begin to grow.
        progressive_end: Epochs after which they have `size`.
        crop_padding: Zeros added at each side before a random crop of the original size, in
            pixels; 0 leaves the crop out.
        flip: Whether half of the images are mirrored left to right.
        rotation: Largest angle of a random rotation in degrees, to either side, nearest pixel,
            margins black; 0 leaves it out.
        randaugment: RandAugment as timm writes it, such as `rand-m9-mstd0.5-inc1`; null: none.
        color_jitter: Largest relative change of brightness, contrast and saturation; 0: none.
        resize: Side in pixels to which images are resized after all that, bilinear and
            antialiased; null: they stay as they are.
        random_erasing: Share of the images of which a rectangle of 2 % to 33 % is erased.
        random_erasing_mode: What stands there in normalised images: normal noise for every pixel,
            one such colour (`rand`), or 0 (`const`).
        mixup: Both parameters of the beta distribution of mixup's shares; 0: no mixup.
        cutmix: Those of CutMix; 0: no CutMix.
        mixup_prob: Share of the batches that are mixed.
        mixup_switch_prob: Share of these that CutMix gets, where both are on.
        repeats: Copies of an image in a batch, each changed in its own way; an epoch then has
            1 / `repeats` of the images.
        test_size: `size` in evaluation; null: the same.
        test_resize: `resize` in evaluation; null: the same.
    """

    __pydantic_config__ = STRICT

    size: Count | None = None
    random_resized_crop: bool = False
    min_crop_area: Annotated[float, Gt(0), Le(1)] = 0.08
    crop_ratio: Annotated[float, Gt(0), Le(1)] = 0.875
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    progressive_from: Count | None = None
    progressive_start: Annotated[int, Ge(0)] = 0
    progressive_end: Annotated[int, Ge(0)] = 0
    crop_padding: Annotated[int, Ge(0)] = 0
    flip: bool = False
    rotation: Annotated[float, Ge(0), Le(180)] = 0.0
    randaugment: str | None = None
    color_jitter: Fraction = 0.0
    resize: Count | None = None
    random_erasing: Fraction = 0.0
    random_erasing_mode: Literal["pixel", "rand", "const"] = "pixel"
    mixup: NonNegative = 0.0
    cutmix: NonNegative = 0.0
    mixup_prob: Fraction = 1.0
    mixup_switch_prob: Fraction = 0.5
    repeats: Count = 1
    test_size: Count | None = None
    test_resize: Count | None = None

    def __post_init__(self) -> None:
        for field, needed in NEEDS.items():
            if self.is_on(field) and not any(map(self.is_on, needed)):
                message = f"{field} (={getattr(self, field)!r}) needs {' or '.join(needed)}"
                raise ValueError(message)
        if self.random_resized_crop and self.crop_padding:
            message = f"crop_padding (={self.crop_padding}) and random_resized_crop both crop"
            raise ValueError(message)
        if self.randaugment is not None and not RANDAUGMENT.fullmatch(self.randaugment):
            message = (
                f"randaugment (={self.randaugment!r}) must be written as timm does, "
                "such as 'rand-m9-mstd0.5-inc1'"
            )
            raise ValueError(message)
        if self.randaugment is not None and self.color_jitter:
            message = (
                f"color_jitter (={self.color_jitter}) has no effect beside randaugment, as in timm"
            )
            raise ValueError(message)
        if self.progressive_from and self.progressive_end <= self.progressive_start:
            message = (
                f"progressive_end (={self.progressive_end}) must be more than "
                f"progressive_start (={self.progressive_start})"
            )
            raise ValueError(message)

    @property
    def is_mixing(self) -> bool:
        """Return whether images of a batch are mixed."""
        return self.mixup_prob > 0 and (self.mixup > 0 or self.cutmix > 0)

    def is_on(self, field: str) -> bool:
        """Return whether a field differs from its default."""
        default = next(item.default for item in fields(self) if item.name == field)
        return bool(getattr(self, field) != default)

    @cached_property
    def final_size(self) -> int | None:
        """Return the side of evaluated images in pixels; None if it is the dataset's own."""
        final = self.for_test()
        return final.resize or final.size

    def size_in(self, epoch: int) -> int | None:
        """Return `size` in an epoch, counted from 0; smaller while it grows."""
        first, last = self.progressive_start, self.progressive_end
        if self.progressive_from is None or self.size is None or epoch >= last:
            return self.size
        if epoch <= first:
            return self.progressive_from
        share = (epoch - first) / (last - first)
        size = self.progressive_from + share * (self.size - self.progressive_from)
        return max(32, round(size / 32) * 32)

    def for_test(self) -> "Augmentation":
        """Return what evaluated images go through: nothing random."""
        return Augmentation(
            size=self.test_size or self.size,
            crop_ratio=self.crop_ratio,
            interpolation=self.interpolation,
            resize=self.test_resize or self.resize,
        )


RANDAUGMENT = re.compile(r"rand(-(m|n|mmax|inc)\d+|-(mstd|p)\d+(\.\d+)?)*")
# What has no effect unless one of the others is there.
NEEDS: dict[str, tuple[str, ...]] = {
    "min_crop_area": ("random_resized_crop",),
    "progressive_from": ("random_resized_crop",),
    "progressive_start": ("progressive_from",),
    "progressive_end": ("progressive_from",),
    "random_erasing_mode": ("random_erasing",),
    "mixup_prob": ("mixup", "cutmix"),
    "mixup_switch_prob": ("mixup", "cutmix"),
}


# What a kind of loader cannot do.
REFUSED: dict[str, tuple[str, ...]] = {
    "memory": ("size", "random_resized_crop", "randaugment", "color_jitter", "test_size"),
    "torch": (),
    "ffcv": (
        "rotation",
        "randaugment",
        "color_jitter",
        "resize",
        "test_resize",
        "interpolation",
    ),
}


def find_refused(loader: str, augmentation: Augmentation) -> str:
    """Return why a kind of loader cannot do an augmentation, or nothing."""
    for field in REFUSED[loader]:
        if augmentation.is_on(field):
            able = [kind for kind, refused in REFUSED.items() if field not in refused]
            value = getattr(augmentation, field)
            return (
                f"loader {loader!r} cannot do augmentation.{field} (={value!r}); "
                f"these can: {', '.join(able)}"
            )
    return ""


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """A second phase of training, at another resolution (FlexConv, section 6).

    The network of the first phase is deployed at the new resolution, evaluated as it is and trained
    on with a fresh optimiser and schedule.

    Attributes:
        epochs: Passes over the training split; 0 only evaluates.
        size: Side of the images in pixels: the dataset's option `size` where the first phase takes
            its images as they are, else the recipe's `augmentation.resize`.
        crop_padding: `augmentation.crop_padding` of this phase; null: as in the first.
    """

    __pydantic_config__ = STRICT

    epochs: Annotated[int, Ge(0)]
    size: Count
    crop_padding: Annotated[int, Ge(0)] | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a cell is trained.

    Attributes:
        epochs: Passes over the training split; 0 evaluates the network as it is initialised.
        steps_per_epoch: Optimiser steps that count as an epoch, over the split again and again;
            null: one pass.
        batch_size: Images of an optimiser step; the last, smaller batch is kept.
        accumulate: Parts that a batch is divided into, one backward pass each, to save memory;
            batch normalisation sees the parts.
        drop_last: Leave out the last batch of an epoch if it is smaller.
        eval_batch_size: Images of an evaluation batch; changes no result but rounding.
        optimizer: Update rule.
        lr: Learning rate at its peak.
        momentum: Momentum of `sgd`.
        nesterov: Whether `sgd` uses Nesterov's form.
        beta1: First-moment decay of `adam`, `adamw` and `lamb`.
        beta2: Second-moment decay of `adam`, `adamw` and `lamb`.
        weight_decay: L2 penalty (`sgd`, `adam`, `adadelta`) or decoupled decay (`adamw`, `lamb`).
        norm_weight_decay: Whether parameters of one number a channel decay as well: norms, biases,
            scales of images' channels.
        schedule: `cosine` falls to `min_lr` per step, `linear` likewise on a straight line, `step`
            multiplies by `gamma` at the milestones, `exponential` after every epoch, `plateau`
            after `plateau_epochs` without a better evaluation; `constant` stays.
        min_lr: Where `cosine` and `linear` end, in every parameter group.
        milestones: Epochs after which `step` multiplies by `gamma`.
        gamma: Factor of `step`, `exponential` and `plateau`.
        plateau_epochs: Evaluated epochs without improvement that `plateau` tolerates.
        warmup_epochs: Epochs over which the rate grows linearly, per step.
        warmup: `linear` from lr / steps in the first step; `gradual` from 0, with one step above
            lr before the schedule takes over (FlexConv, section 6).
        loss: `cross_entropy`, or `bce`: binary cross-entropy of every class, averaged.
        label_smoothing: Share of the target that is spread over all classes.
        clip_norm: Largest global gradient norm; null leaves gradients alone.
        ema_decay: Decay per step of the averaged weights that are evaluated; null: none.
        precision: `fp32`, or autocast to `bf16`, or to `fp16` with loss scaling.
        channels_last: Memory format of images and weights.
        compile: Whether the network runs under `torch.compile`.
        sync_batch_norm: Whether batch normalisation sees the batches of all devices.
        loader: Where batches come from.
        storage: How pictures are stored for the loader `ffcv`.
        augmentation: Random changes of the training images.
        normalisation: `dataset` for the statistics of the dataset, or a named set of them.
        held_out: Images of the training split that are kept for validation, where the dataset has
            no validation split of its own.
        held_out_seed: Which ones: the first of numpy's `RandomState(seed).shuffle`.
        keep: Whose weights are the result: `last` epoch, or the best on the test (`best_test`) or
            the validation split (`best_val`).
        patience_epochs: Evaluated epochs without improvement of what `keep` looks at, after which
            training ends; null: never.
        finetune: A second phase at another resolution; null: none.
        eval_every_epochs: Epochs between evaluations on the test split; the last epoch always is.
        chance_after_epochs: Epochs after which a cell whose training accuracy is no better than
            chance has diverged; null: never.
    """

    __pydantic_config__ = STRICT

    epochs: Annotated[int, Ge(0)]
    batch_size: Count
    lr: Positive
    steps_per_epoch: Count | None = None
    accumulate: Count = 1
    drop_last: bool = False
    eval_batch_size: Count = 500
    optimizer: Literal["sgd", "adam", "adamw", "lamb", "adadelta"] = "sgd"
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    nesterov: bool = False
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    weight_decay: NonNegative = 0.0
    norm_weight_decay: bool = True
    schedule: Schedule = "constant"
    min_lr: NonNegative = 0.0
    milestones: tuple[Count, ...] = ()
    gamma: Annotated[float, Gt(0), Le(1)] = 0.1
    plateau_epochs: Annotated[int, Ge(0)] = 10
    warmup_epochs: Annotated[int, Ge(0)] = 0
    warmup: Literal["linear", "gradual"] = "linear"
    loss: Literal["cross_entropy", "bce"] = "cross_entropy"
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    clip_norm: Positive | None = None
    ema_decay: Annotated[float, Gt(0), Lt(1)] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    sync_batch_norm: bool = False
    loader: Literal["memory", "torch", "ffcv"] = "memory"
    storage: Storage = DEFAULT_STORAGE
    augmentation: Augmentation = Augmentation()
    normalisation: Literal["dataset", "imagenet", "half", "cifar10_image_std"] = "dataset"
    held_out: Annotated[int, Ge(0)] = 0
    held_out_seed: Annotated[int, Ge(0)] = 10
    keep: Literal["last", "best_test", "best_val"] = "last"
    patience_epochs: Count | None = None
    finetune: Finetune | None = None
    eval_every_epochs: Count = 1
    chance_after_epochs: Count | None = None

    def __post_init__(self) -> None:
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            message = (
                f"warmup_epochs (={self.warmup_epochs}) must be less than epochs (={self.epochs})"
            )
            raise ValueError(message)
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum > 0):
            message = "nesterov needs optimizer sgd with momentum > 0"
            raise ValueError(message)
        if list(self.milestones) != sorted(set(self.milestones)):
            message = f"milestones (={list(self.milestones)}) must rise"
            raise ValueError(message)
        if (self.schedule == "step") != bool(self.milestones):
            message = (
                f"milestones (={list(self.milestones)}) go with schedule step, and only with it"
            )
            raise ValueError(message)
        refused = find_refused(self.loader, self.augmentation)
        if refused:
            raise ValueError(refused)
        if self.patience_epochs is not None and self.keep == "last":
            message = "patience_epochs needs keep best_test or best_val, which say what is watched"
            raise ValueError(message)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Recipe":
        """Return the recipe that `dataclasses.asdict` and JSON made of one.

        Raises:
            TypeError: If keys are unknown or missing.
            ValueError: If values do not go together.
        """
        given = {key: _plain(item) for key, item in value.items()}
        for name, part in PARTS.items():
            if isinstance(value.get(name), Mapping):
                given[name] = part(**{key: _plain(item) for key, item in value[name].items()})
        return cls(**given)

    @cached_property
    def changed(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults; what defines a result."""
        return _changed(self)

    @cached_property
    def canonical(self) -> str:
        """Return what defines a result as canonical JSON."""
        return canonical_json(self.changed)


PARTS: dict[str, type[Augmentation | Finetune | Storage]] = {
    "augmentation": Augmentation,
    "storage": Storage,
    "finetune": Finetune,
}
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def canonical_json(value: Mapping[str, Any]) -> str:
    """Return the one way in which JSON is written that is hashed."""
    return CANONICAL.encode(value)


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON held
    return tuple(value) if isinstance(value, list) else value


def _changed(part: Recipe | Augmentation | Finetune | Storage) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if value != field.default:
            is_part = isinstance(value, tuple(PARTS.values()))
            changed[field.name] = _changed(value) if is_part else value
    return changed
