"""Recipe: optimiser, schedule, epochs, augmentation and everything else that training depends on.

The dataclass is the schema: pydantic checks suite files against these annotations, and training
reads the fields. Nothing else holds a default of training.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

Fraction = Annotated[float, Ge(0), Le(1)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]

STRICT = {
    "extra": "forbid",
    "frozen": True,
    "strict": True,
    "allow_inf_nan": False,
    "validate_default": True,
}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of the training images; every loader gives them the same distribution.

    Attributes:
        crop_padding: Zeros added at each side before a random crop of the original size, in
            pixels; 0 leaves the crop out.
        flip: Whether half of the images are mirrored left to right.
    """

    __pydantic_config__ = STRICT

    crop_padding: Annotated[int, Ge(0)] = 0
    flip: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a cell is trained.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Images of an optimiser step; the last, smaller batch is kept.
        drop_last: Leave out the last batch of an epoch if it is smaller.
        eval_batch_size: Images of an evaluation batch; changes no result but rounding.
        optimizer: Update rule.
        lr: Learning rate at its peak.
        momentum: Momentum of `sgd`.
        nesterov: Whether `sgd` uses Nesterov's form.
        beta1: First-moment decay of `adam` and `adamw`.
        beta2: Second-moment decay of `adam` and `adamw`.
        weight_decay: L2 penalty (`sgd`, `adam`) or decoupled decay (`adamw`).
        norm_weight_decay: Whether 1-D parameters and biases decay as well.
        schedule: `cosine` falls to `min_lr` per step, `step` multiplies by `gamma` at the
            milestones, `constant` stays.
        min_lr: Where `cosine` ends.
        milestones: Epochs after which `step` multiplies by `gamma`.
        gamma: Factor of `step`.
        warmup_epochs: Epochs over which the rate grows linearly, per step, from lr / steps.
        label_smoothing: Share of the target that is spread over all classes.
        clip_norm: Largest global gradient norm; null leaves gradients alone.
        ema_decay: Decay per step of the averaged weights that are evaluated; null: none.
        precision: `fp32`, or autocast to `bf16`, or to `fp16` with loss scaling.
        channels_last: Memory format of images and weights.
        compile: Whether the network runs under `torch.compile`.
        loader: Where batches come from.
        augmentation: Random changes of the training images.
        normalisation: `dataset` for the statistics of the dataset, or a named set of them.
        eval_every_epochs: Epochs between evaluations on the test split; the last epoch always is.
        chance_after_epochs: Epochs after which a cell whose training accuracy is no better than
            chance has diverged; null: never.
    """

    __pydantic_config__ = STRICT

    epochs: Count
    batch_size: Count
    lr: Positive
    drop_last: bool = False
    eval_batch_size: Count = 500
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    nesterov: bool = False
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    weight_decay: NonNegative = 0.0
    norm_weight_decay: bool = True
    schedule: Literal["cosine", "step", "constant"] = "constant"
    min_lr: NonNegative = 0.0
    milestones: tuple[Count, ...] = ()
    gamma: Annotated[float, Gt(0), Le(1)] = 0.1
    warmup_epochs: Annotated[int, Ge(0)] = 0
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    clip_norm: Positive | None = None
    ema_decay: Annotated[float, Gt(0), Lt(1)] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    loader: Literal["memory"] = "memory"
    augmentation: Augmentation = Augmentation()
    normalisation: Literal["dataset", "imagenet", "half"] = "dataset"
    eval_every_epochs: Count = 1
    chance_after_epochs: Count | None = None

    def __post_init__(self) -> None:
        if self.warmup_epochs >= self.epochs:
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

    @cached_property
    def changed(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults; what defines a result."""
        return _changed(self)


def _changed(part: Recipe | Augmentation) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if value != field.default:
            changed[field.name] = _changed(value) if isinstance(value, Augmentation) else value
    return changed
