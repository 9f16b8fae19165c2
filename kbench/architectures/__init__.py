"""Networks, one family per file.

An architecture is a function or a class
`(conv: ConvFactory, num_classes: int, in_channels: int, *, options) -> nn.Module`. It makes with
`conv` every convolution that an operator may replace, in the order of execution.
"""

from kbench.architectures import cifar_resnet as cifar_resnet
from kbench.architectures.build import build_architecture as build_architecture
