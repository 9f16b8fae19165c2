"""Speech Commands: spoken words.

Shapes: M clips of the whole set, T samples.
"""

import wave
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from kbench.datasets.dataset import Archive, Split
from kbench.datasets.folder_set import FolderSet
from kbench.datasets.mfcc import HOP, NUM_COEFFICIENTS, SAMPLE_RATE, compute_mfcc
from kbench.datasets.series import SeriesDataset
from kbench.errors import DatasetError
from kbench.registry import DATASETS

Features = Literal["mfcc", "raw"]

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
CHUNK = 256


class SpokenWords(FolderSet, SeriesDataset):
    """Base of the sets of spoken words: clips of one second, split and normalised.

    Clips of another length than 16,000 samples are left out. Files come in the order of `WORDS`,
    then by name, before they are split: the paper's own order is that of its disk.

    Attributes:
        clips: How many clips are left.

    Args:
        root: Folder with the data.
        features: `raw` is one channel of 16,000 samples in -1 to 1, `mfcc` 20 channels of 161
            steps (`kbench.datasets.mfcc`).
    """

    num_classes = len(WORDS)
    class_names = WORDS
    clips: ClassVar[int]

    def __init__(self, root: Path, features: Features) -> None:
        is_raw = features == "raw"
        shape = (1, SAMPLE_RATE) if is_raw else (NUM_COEFFICIENTS, SAMPLE_RATE // HOP + 1)
        super().__init__(root, shape, self.clips)
        self.features = features

    def list_files(self) -> list[Path]:
        """Return the clips of the ten words that are there, word by word."""
        base = self.folder / self.tree
        return [path for word in WORDS for path in sorted((base / word).glob("*.wav"))]

    def _read_whole(self) -> Split:
        clips, targets = [], []
        for path in self.list_files():
            clip = read_clip(path)
            if len(clip) == SAMPLE_RATE:
                clips.append(clip)
                targets.append(WORDS.index(path.parent.name))
        if not clips:
            message = f"dataset {self.name!r}: no clip has {SAMPLE_RATE} samples"
            raise DatasetError(message)
        samples = torch.from_numpy(np.stack(clips))  # (M, T)
        if self.features == "raw":
            return Split(samples[:, None], torch.tensor(targets))
        chunks = (chunk.to(torch.float32) / 2**15 for chunk in torch.split(samples, CHUNK))
        return Split(torch.cat([compute_mfcc(c) for c in chunks]), torch.tensor(targets))


class SpeechCommands(SpokenWords):
    """Base of the two forms of Speech Commands 0.02, ten words, 34,975 clips.

    Only the ten words are unpacked. The archive is held to no checksum but that inside gzip; the
    number of clips tells the rest.
    """

    tree = "SpeechCommands/speech_commands_v0.02"
    clips = 34_975
    archives = (
        Archive(
            "speech_commands_v0.02.tar.gz",
            None,
            ("http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",),
            places=tuple((word, f"SpeechCommands/speech_commands_v0.02/{word}") for word in WORDS),
        ),
    )


@DATASETS.register("speech_commands_mfcc")
class SpeechCommandsMfcc(SpeechCommands):
    """Speech Commands 0.02 as MFCCs, 161 steps of 20 channels, 10 words, 34,975 clips.

    FlexConv, arXiv 2110.08059, section 5.1, which says 101 steps; its code makes 161.
    """

    name = "speech_commands_mfcc"

    def __init__(self, root: Path) -> None:
        super().__init__(root, "mfcc")


@DATASETS.register("speech_commands_raw")
class SpeechCommandsRaw(SpeechCommands):
    """Speech Commands 0.02 as samples, 16,000 steps of 1 channel, 10 words, 34,975 clips."""

    name = "speech_commands_raw"

    def __init__(self, root: Path) -> None:
        super().__init__(root, "raw")


@DATASETS.register("speech_commands_subset")
class SpeechCommandsSubset(SpokenWords):
    """Ten clips a word of Speech Commands 0.01, 10 words: 96 clips, to try the loading alone.

    Not Speech Commands 0.02, nor enough to learn from.

    Args:
        root: Folder with the data.
        features: `raw` or `mfcc`, as in the two forms of the whole set.

    Raises:
        ValueError: If there are no such features.
    """

    name = "speech_commands_subset"
    tree = "speech-commands-subset"
    clips = 96
    note = "96 clips of Speech Commands 0.01, ten a word; not the 34,975 of version 0.02"
    num_files = 100
    tree_md5 = "3bc9ae855fdd3e31d4719a89a058e7cc"

    def __init__(self, root: Path, *, features: Features = "mfcc") -> None:
        if features not in ("mfcc", "raw"):
            message = f"features (={features!r}) must be 'mfcc' or 'raw'"
            raise ValueError(message)
        super().__init__(root, features)

    @property
    def advice(self) -> str:
        """Return how to get the files, as the end of a message."""
        place = str(self.folder / self.tree)
        return f"unpack the clips of Speech Commands 0.01 into {place!r}"


def read_clip(path: Path) -> NDArray[np.int16]:
    """Return the samples (T,) of a wave file of one channel, 16 bits, 16 kHz.

    Raises:
        DatasetError: If the file is truncated, damaged or of another format.
    """
    try:
        with wave.open(str(path)) as file:
            kind = file.getnchannels(), file.getsampwidth(), file.getframerate()
            count = file.getnframes()
            content = file.readframes(count)
    # The reader raises RuntimeError for a chunk that goes on behind the end.
    except (wave.Error, EOFError, RuntimeError) as error:
        message = f"{str(path)!r} is no wave file: {error}"
        raise DatasetError(message) from error
    if kind != (1, 2, SAMPLE_RATE):
        message = (
            f"{str(path)!r} has {kind[0]} channels of {8 * kind[1]} bits at {kind[2]} Hz; "
            f"expected 1 of 16 bits at {SAMPLE_RATE} Hz"
        )
        raise DatasetError(message)
    if len(content) != 2 * count:
        message = f"{str(path)!r} is truncated: {len(content):,} bytes of {count:,} samples"
        raise DatasetError(message)
    return np.frombuffer(content, "<i2")
