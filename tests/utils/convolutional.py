"""Convolutional architectures: skip connections, batch statistics, memory formats."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from utils.architecture import BATCH, CLASSES, Architecture, architecture


def images(channels: int = 2, size: int = 8) -> Tensor:
    """A batch of images."""
    return torch.randn(BATCH, channels, size, size, dtype=torch.float64)


def conv(inside: int, outside: int, **options) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(inside, outside, 3, padding=1, **options)


class Block(nn.Module):
    """A basic residual block as torchvision writes it, one in-place ReLU used twice."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inside, outside, bias=False), nn.BatchNorm2d(outside)
        self.conv2, self.bn2 = conv(outside, outside, bias=False), nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if inside != outside:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


def residual_network() -> nn.Sequential:
    """Three stages of residual blocks, with a stem and a head."""
    model = nn.Sequential()
    model.add_module("stem", nn.Sequential(conv(2, 4), nn.BatchNorm2d(4), nn.ReLU(inplace=True)))
    model.add_module("layer1", nn.Sequential(Block(4, 4), Block(4, 4)))
    model.add_module("layer2", nn.Sequential(Block(4, 6)))
    model.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    model.add_module("fc", nn.Linear(6, CLASSES))
    return model


RESIDUAL_LAYERS = (
    "stem.0",
    "layer1.0",
    "layer1.1.conv1",
    "layer1.1.bn2",
    "layer2.0.conv1",
    "layer2.0.bn2",
    "layer2.0.downsample",
    "layer2",
    "pool",
)


@architecture(*RESIDUAL_LAYERS)
def resnet():
    return residual_network(), images()


@architecture("layer1.0", "layer2.0.bn2")
def resnet_eval():
    """The running statistics in use, and not standing at their start."""
    model = residual_network()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval(), images()


@architecture("layer1.0", "layer1.1.bn2", "layer2.0.conv1", "layer2.0.downsample", "pool")
def resnet_frozen():
    """Only the head is trained; batch statistics here, running statistics there."""
    model = residual_network()
    model.requires_grad_(False).fc.requires_grad_(True)
    model.stem.eval()
    return model, images()


class InplaceStream(nn.Module):
    """A residual stream that the branches are added to in place, so that a finished output changes later."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(2, 4)
        self.branches = nn.ModuleList([nn.Sequential(conv(4, 4), nn.Tanh()) for _ in range(3)])
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        stream = self.stem(x)
        stream *= 2.0
        for branch in self.branches:
            stream += branch(stream.clone())
        return self.head(stream.mean((2, 3)))


@architecture("stem", "branches.0", "branches.1.0", "branches.2")
def inplace_stream():
    return InplaceStream(), images()


@architecture("stem", "branches.0", "branches.1.0", "branches.2")
def inplace_stream_frozen():
    """The same, where the stream needs no gradient until the last branch."""
    model = InplaceStream()
    model.stem.requires_grad_(False)
    model.branches[:2].requires_grad_(False)
    return model, images()


class Dense(nn.Module):
    """Every convolution sees the outputs of all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(2 + 3 * i, 3) for i in range(4)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(2 + 3 * i) for i in range(5)])
        self.head = nn.Linear(14, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for norm, convolution in zip(self.norms, self.convs, strict=False):
            seen.append(convolution(norm(torch.cat(seen, 1)).relu_()))
        return self.head(self.norms[-1](torch.cat(seen, 1)).mean((2, 3)))


@architecture("convs.0", "norms.1", "convs.2", "norms.4")
def densenet():
    return Dense(), images()


class UNet(nn.Module):
    """The encoder's features are used again long after the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.middle = conv(2, 4), conv(4, 6), conv(6, 6)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.up1 = conv(12, 4), conv(8, 4)
        self.head = nn.Conv2d(4, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down1(x).relu()
        two = self.down2(self.pool(one)).relu()
        middle = interpolate(self.middle(self.pool(two)).relu(), scale_factor=2)
        out = self.up2(torch.cat([middle, two], 1)).relu()
        out = self.up1(torch.cat([interpolate(out, scale_factor=2), one], 1)).relu()
        return self.head(out).mean((2, 3))


@architecture("down1", "down2", "middle", "up2", "up1")
def unet():
    return UNet(), images()


@architecture("0.0", "0.1", "1.2", "1", "2")
def channels_last():
    """Depthwise convolutions, GroupNorm and InstanceNorm in another memory format."""

    def block(inside: int, outside: int, norm: nn.Module) -> nn.Sequential:
        return nn.Sequential(conv(inside, inside, groups=inside), nn.Conv2d(inside, outside, 1), norm, nn.PReLU())

    model = nn.Sequential(
        block(2, 4, nn.GroupNorm(2, 4)),
        block(4, 8, nn.InstanceNorm2d(8, affine=True, track_running_stats=True)),
        nn.Sequential(nn.Flatten(), nn.Linear(8 * 64, CLASSES)),
    )
    return model.to(memory_format=torch.channels_last), images().to(memory_format=torch.channels_last)


CONVOLUTIONAL: tuple[Architecture, ...] = (
    resnet,
    resnet_eval,
    resnet_frozen,
    inplace_stream,
    inplace_stream_frozen,
    densenet,
    unet,
    channels_last,
)
