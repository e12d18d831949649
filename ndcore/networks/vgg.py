"""VGG16 for CIFAR-10 and a small sister for digits.

Every capturable layer is a direct, named child whose output is the layer"s activation (after batch
norm and ReLU).

Reference: Simonyan & Zisserman 2015, "Very deep convolutional networks" (VGG16).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.networks.normalize import CIFAR10_MEAN, CIFAR10_STD, Normalize

VGG16_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def _conv_units(channels: int, units: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels, units, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(units),
            relu=nn.ReLU(inplace=True),
        )
    )


def _dense_units(features: int, units: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(linear=nn.Linear(features, units), relu=nn.ReLU(inplace=True)))


def vgg16_cifar10() -> nn.Sequential:
    """VGG16 for 32x32 images: 13 conv layers with batch norm, dense_1 (512), dense_2 (10)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["normalize"] = Normalize(CIFAR10_MEAN, CIFAR10_STD)
    channels = 3
    for block, (depth, units) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, depth + 1):
            layers[f"block{block}_conv{index}"] = _conv_units(channels, units)
            channels = units
        # The last pool is adaptive so that the early epochs may use smaller images.
        layers[f"block{block}_pool"] = (
            nn.AdaptiveMaxPool2d(1) if block == len(VGG16_BLOCKS) else nn.MaxPool2d(2)
        )
    layers["flatten"] = nn.Flatten()
    layers["dense_1"] = _dense_units(512, 512)
    layers["dense_2"] = nn.Linear(512, len(CIFAR10_CLASSES))
    return nn.Sequential(layers)


def digits_cnn() -> nn.Sequential:
    """A small CNN for 8x8 grey digits: three conv layers, dense_1 (32), dense_2 (10)."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize((0.3053,), (0.3761,)),
            block1_conv1=_conv_units(1, 16),
            block1_conv2=_conv_units(16, 16),
            block1_pool=nn.MaxPool2d(2),
            block2_conv1=_conv_units(16, 32),
            block2_pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            dense_1=_dense_units(32 * 2 * 2, 32),
            dense_2=nn.Linear(32, 10),
        )
    )
