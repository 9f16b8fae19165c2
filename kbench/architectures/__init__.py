"""Networks, one family per file.

An architecture is a function or a class
`(conv: ConvFactory, num_classes: int, in_channels: int, *, options) -> nn.Module`. It makes with
`conv` every convolution that an operator may replace, in the order of execution.
"""

from kbench.architectures import alexnet as alexnet
from kbench.architectures import allcnn as allcnn
from kbench.architectures import cifar_bottleneck as cifar_bottleneck
from kbench.architectures import cifar_resnet as cifar_resnet
from kbench.architectures import cifar_resnet_biased as cifar_resnet_biased
from kbench.architectures import convnext as convnext
from kbench.architectures import coordinate_network as coordinate_network
from kbench.architectures import deeplab as deeplab
from kbench.architectures import densenet as densenet
from kbench.architectures import efficientnet as efficientnet
from kbench.architectures import flexnet as flexnet
from kbench.architectures import flextcn as flextcn
from kbench.architectures import layer as layer
from kbench.architectures import mnist_toy as mnist_toy
from kbench.architectures import mobilenet_v1 as mobilenet_v1
from kbench.architectures import mobilenet_v2 as mobilenet_v2
from kbench.architectures import mobilenet_v3 as mobilenet_v3
from kbench.architectures import nin as nin
from kbench.architectures import resnet as resnet
from kbench.architectures import resnet_d as resnet_d
from kbench.architectures import resnet_lowres as resnet_lowres
from kbench.architectures import shufflenet_v2 as shufflenet_v2
from kbench.architectures import unet as unet
from kbench.architectures import vgg as vgg
from kbench.architectures.build import build_architecture as build_architecture
