import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from ratlp import RATLP
from ratlp.data import load_source
from ratlp.errors import InputError
from ratlp.models import ImageClassifier, small_cnn, wide_cnn

BUILDERS = {"small": small_cnn, "wide": wide_cnn}
builders = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


def names(net, kind):
    return [name for name, module in net.named_modules() if isinstance(module, kind)]


def multiply_adds(net, image):
    """Counted by the shapes that the forward pass shows."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    net.eval()(torch.rand(1, *image))
    return total


def test_the_small_net_is_wong_and_kolters():
    net = small_cnn()
    assert [tuple(p.shape) for p in net.parameters()] == [
        *[(16, 1, 4, 4), (16,), (32, 16, 4, 4), (32,)],
        *[(100, 1568), (100,), (10, 100), (10,)],
    ]
    assert names(net, nn.ReLU) == ["features.1", "features.3", "features.6"]


def test_the_wide_net_normalises_each_convolution_and_costs_what_it_says():
    net = wide_cnn()
    assert names(net, nn.Conv2d) == ["features.0", "features.3", "features.6"]
    assert names(net, nn.BatchNorm2d) == ["features.1", "features.4", "features.7"]
    assert names(net, nn.ReLU) == ["features.2", "features.5", "features.8", "features.11"]
    assert multiply_adds(net, (1, 28, 28)) == pytest.approx(3.6e6, rel=0.01)


@builders
def test_every_layout_of_an_image_gives_the_same_logits(build):
    net = build((3, 8, 6), classes=4).eval()
    x = torch.rand(5, 3, 8, 6)
    whole = net(x)
    assert whole.shape == (5, 4)
    for layout in ((144,), (24, 6), (3, 48)):
        assert torch.equal(net(x.reshape(5, *layout)), whole)


@builders
def test_the_pixels_order_is_kept(build):
    net = build((1, 8, 8)).eval()
    x = torch.rand(2, 64)
    inner = net.classifier(net.features(x.reshape(2, 1, 8, 8)))
    assert torch.equal(net(x), inner)


@builders
def test_digits_fit(build):
    x = load_source("digits").draw(0).x_train[:3]
    assert build((1, 8, 8))(x).shape == (3, 10)


@builders
@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 3), height=st.integers(4, 17), width=st.integers(4, 17), n=st.integers(0, 3))
def test_any_size_fits(build, channels, height, width, n):
    net = build((channels, height, width), classes=2).eval()
    assert net(torch.rand(n, channels, height, width)).shape == (n, 2)


@pytest.mark.parametrize("widths", [(4,), (4, 8), [4, 4, 8, 8, 2]])
@pytest.mark.parametrize("image", [(1, 1, 1), (2, 5, 3)])
def test_any_number_of_convolutions(widths, image):
    net = wide_cnn(image, classes=3, widths=widths, hidden=7).eval()
    assert len(names(net, nn.Conv2d)) == len(widths)
    assert net(torch.rand(2, *image)).shape == (2, 3)


@builders
@pytest.mark.parametrize("layer", ["features.2", "features.3", "features.6", "features"])
def test_the_objective_trains_it_at_its_layers(build, layer):
    net = build((1, 8, 8))
    out = RATLP(net, layer=layer, eps=0.1)(torch.rand(4, 64), torch.randint(10, (4,)))
    out.loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@builders
@pytest.mark.parametrize("shape", [(4, 63), (2, 8, 16), (8, 8)])
def test_an_input_of_another_size_is_refused(build, shape):
    with pytest.raises(InputError, match=r"the 1 x 8 x 8 values .*; found a batch of shape \[\d.*\]: build the net"):
        build((1, 8, 8))(torch.rand(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small_cnn((1, 3, 8)), r"at least 4 x 4 pixels for this net; found \(1, 3, 8\)"),
        (lambda: small_cnn((8, 8)), r"\(channels, height, width\); found \(8, 8\)"),
        (lambda: wide_cnn(28), r"\(channels, height, width\); found 28"),
        (lambda: wide_cnn((1, 0, 8)), r"image must hold whole numbers >= 1; found \(1, 0, 8\)"),
        (lambda: small_cnn(classes=0), "classes must be a whole number >= 1; found 0"),
        (lambda: wide_cnn(classes=2.0), "classes must be a whole number >= 1; found 2.0"),
        (lambda: wide_cnn(hidden=True), "hidden must be a whole number >= 1; found True"),
        (lambda: wide_cnn(widths=(8, -1)), r"widths must hold whole numbers >= 1; found \(8, -1\)"),
        (lambda: wide_cnn(widths=()), "widths must hold .* one number or more; found none"),
        (lambda: wide_cnn(widths="32"), "widths must be a whole number >= 1; found '32'"),
    ],
)
def test_sizes_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_parts_are_the_users_own():
    net = ImageClassifier((1, 2, 2), nn.Flatten(), nn.Linear(4, 3))
    assert [name for name, _ in net.named_children()] == ["features", "classifier"]
