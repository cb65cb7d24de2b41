"""Whole networks."""

from haiku_like.nets.mlp import MLP as MLP
from haiku_like.nets.mobilenet import MobileNetV1 as MobileNetV1
from haiku_like.nets.resnet import ResNet as ResNet
from haiku_like.nets.resnet import ResNet18 as ResNet18
from haiku_like.nets.resnet import ResNet34 as ResNet34
from haiku_like.nets.resnet import ResNet50 as ResNet50
from haiku_like.nets.resnet import ResNet101 as ResNet101
from haiku_like.nets.resnet import ResNet152 as ResNet152
from haiku_like.nets.resnet import ResNet200 as ResNet200
from haiku_like.nets.vqvae import VectorQuantizer as VectorQuantizer
from haiku_like.nets.vqvae import VectorQuantizerEMA as VectorQuantizerEMA

__all__ = [  # noqa: RUF022 -- ASCII order, in which 101 comes before 18.
    "MLP",
    "MobileNetV1",
    "ResNet",
    "ResNet101",
    "ResNet152",
    "ResNet18",
    "ResNet200",
    "ResNet34",
    "ResNet50",
    "VectorQuantizer",
    "VectorQuantizerEMA",
]
