"""Convolutional nets for small images, of a size to train on a processor."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.models.registry import register
from ratlp.models.sizes import check_sizes

Image = tuple[int, int, int]


class ImageClassifier(nn.Module):
    """classifier(features(x)) for images that come flat, without a channel axis, or whole.

    The children `features` and `classifier` see `[batch, channels, height, width]` and `[batch, width]`;
    the input is brought into shape first, so that data of any layout fits and no layer's name changes.

    Args:
        image: Channels, height and width of one image.
        features: From `[batch, *image]` to `[batch, width]`.
        classifier: From `[batch, width]` to logits `[batch, classes]`.

    Raises:
        InputError: In the forward pass, an input does not have as many values as `image`.

    Example:
        >>> import torch
        >>> model = ImageClassifier((1, 8, 8), nn.Sequential(nn.Flatten()), nn.Linear(64, 10))
        >>> model(torch.rand(5, 64)).shape, model(torch.rand(5, 8, 8)).shape, model(torch.rand(5, 1, 8, 8)).shape
        (torch.Size([5, 10]), torch.Size([5, 10]), torch.Size([5, 10]))
    """

    def __init__(self, image: Image, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.image = image
        self.features = features
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch `[batch, *image]`, `[batch, height, width]` or `[batch, values]`."""
        if math.prod(x.shape[1:]) != math.prod(self.image):
            raise InputError(
                f"an input must have the {' x '.join(map(str, self.image))} values that the net was built for; "
                f"found a batch of shape {list(x.shape)}: build the net with image= the data's own shape"
            )
        logits: Tensor = self.classifier(self.features(x.reshape(x.shape[0], *self.image)))
        return logits


@register("small_cnn")
def small_cnn(image: Image = (1, 28, 28), *, classes: int = 10) -> ImageClassifier:
    """The small net of Wong and Kolter (arXiv 1711.00851, MNIST): two strided convolutions and a hidden layer.

    conv 16 4x4 stride 2 - ReLU - conv 32 4x4 stride 2 - ReLU - linear 100 - ReLU - linear classes, both
    convolutions with padding 1. The activations are the layers `features.1`, `features.3` and `features.6`.

    Args:
        image: Channels, height and width; height and width at least 4. Digits' images are (1, 8, 8).
        classes: Logits.

    Raises:
        InputError: The image is too small, or a size is no whole number >= 1.

    Example:
        >>> net = small_cnn()
        >>> sum(p.numel() for p in net.parameters())
        166406
    """
    channels, height, width = checked_image(image, smallest=4)
    check_sizes(classes=classes)
    features = nn.Sequential(
        nn.Conv2d(channels, 16, 4, stride=2, padding=1),  # halves height and width, rounded down
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * (height // 4) * (width // 4), 100),
        nn.ReLU(),
    )
    return ImageClassifier((channels, height, width), features, nn.Linear(100, classes))


@register("wide_cnn")
def wide_cnn(
    image: Image = (1, 28, 28),
    *,
    classes: int = 10,
    widths: Sequence[int] = (32, 64, 64),
    hidden: int = 256,
) -> ImageClassifier:
    """A larger net with BatchNorm: 3x3 convolutions, the first two with stride 2, and a hidden layer.

    Each convolution (padding 1, without a bias, which BatchNorm has) is followed by BatchNorm and ReLU. At the
    defaults an image costs 3.6 million multiply-adds, and the activations are the layers `features.2`,
    `features.5`, `features.8` and `features.11`.

    Args:
        image: Channels, height and width.
        classes: Logits.
        widths: Channels of the convolutions, one or more.
        hidden: Units of the hidden layer.

    Raises:
        InputError: A size is no whole number >= 1, or there are no widths.

    Example:
        >>> net = wide_cnn()
        >>> [type(net.features[i]).__name__ for i in (0, 1, 2, 11)]
        ['Conv2d', 'BatchNorm2d', 'ReLU', 'ReLU']
    """
    channels, height, width = checked_image(image, smallest=1)
    check_sizes(classes=classes, widths=widths, hidden=hidden)
    if not widths:
        raise InputError("widths must hold a convolution's channels, one number or more; found none: give some")
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip((channels, *widths), widths, strict=False)):
        stride = 2 if i < 2 else 1
        height, width = -(-height // stride), -(-width // stride)  # rounded up: the padding sees the last pixel
        conv = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(widths[-1] * height * width, hidden), nn.ReLU()]
    return ImageClassifier((channels, *image[1:]), nn.Sequential(*layers), nn.Linear(hidden, classes))


def checked_image(image: Image, *, smallest: int) -> Image:
    """The shape of an image as a tuple, once it is known to be one.

    Raises:
        InputError: It is not channels, height and width, or height or width is below `smallest`.

    Example:
        >>> checked_image((3, 3, 8), smallest=4)
        Traceback (most recent call last):
        ratlp.errors.InputError: image must be at least 4 x 4 pixels for this net; found (3, 3, 8): ...
    """
    if not isinstance(image, Sequence) or len(image) != 3:
        raise InputError(f"image must be (channels, height, width); found {image!r}: give three numbers")
    check_sizes(image=image)
    channels, height, width = image
    if min(height, width) < smallest:
        raise InputError(
            f"image must be at least {smallest} x {smallest} pixels for this net; found {image!r}: "
            "enlarge the images or use another net"
        )
    return channels, height, width
