"""Datasets, one source per file.

A dataset is a class `(root: Path, *, options)` derived from `kbench.datasets.dataset.Dataset`: what
it is (classes, shapes, sizes, statistics) is known without data, `load(split)` reads and verifies.
"""

from kbench.datasets import camvid as camvid
from kbench.datasets import character_trajectories as character_trajectories
from kbench.datasets import cifar10 as cifar10
from kbench.datasets import cifar100 as cifar100
from kbench.datasets import cifar100_subset as cifar100_subset
from kbench.datasets import digits as digits
from kbench.datasets import fashion_mnist as fashion_mnist
from kbench.datasets import fit_targets as fit_targets
from kbench.datasets import image_folder as image_folder
from kbench.datasets import imagenet1k as imagenet1k
from kbench.datasets import imagenet100 as imagenet100
from kbench.datasets import imagenet_downsampled as imagenet_downsampled
from kbench.datasets import imagenette_subset as imagenette_subset
from kbench.datasets import kodak as kodak
from kbench.datasets import mnist as mnist
from kbench.datasets import noise as noise
from kbench.datasets import photograph_patch as photograph_patch
from kbench.datasets import scenes as scenes
from kbench.datasets import sequences as sequences
from kbench.datasets import speech_commands as speech_commands
from kbench.datasets import stl10 as stl10
from kbench.datasets import svhn as svhn
from kbench.datasets import voc2012 as voc2012
from kbench.datasets.build import build_dataset as build_dataset
from kbench.machine import data_root as data_root
