import pytest
import torch

from ratlp.perturbations import L2, LInf, rms_per_channel, rms_per_sample, rms_per_token

SCALES = {rms_per_sample: (4, 1, 1), rms_per_token: (4, 5, 1), rms_per_channel: (1, 5, 1)}


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.__name__)
def test_definition(scale):
    z = torch.randn(4, 5, 6)
    shape = SCALES[scale]
    axes = tuple(i for i in range(3) if shape[i] == 1)
    found = scale(z)
    assert found.shape == shape
    assert torch.allclose(found, (z**2).mean(axes, keepdim=True).sqrt())


@pytest.mark.parametrize(
    ("ball", "scale"),
    [(LInf, rms_per_sample), (LInf, rms_per_token), (LInf, rms_per_channel), (L2, rms_per_sample)],
)
def test_rescaling_the_latent_rescales_the_budget(ball, scale):
    z, gradient = torch.randn(4, 5, 6).double(), torch.randn(4, 5, 6).double()
    relative = ball(0.1, relative_to=scale)
    small, large = (relative.linear_maximum(gradient, c * z) for c in (1.0, 1000.0))
    assert torch.allclose(1000 * small, large)


def test_squares_do_not_overflow_in_float16():
    assert rms_per_sample(torch.full((1, 4), 1000.0, dtype=torch.float16)).item() == 1000.0


def test_the_scale_passes_no_gradient():
    z = torch.randn(4, 5, requires_grad=True)
    assert not LInf(0.1, relative_to=rms_per_sample).steepest(torch.ones(4, 5), z).requires_grad


@pytest.mark.parametrize("ball", [LInf, L2])
def test_the_unit_is_the_radius_of_eps_1(ball):
    z, gradient = torch.randn(4, 5, 6).double(), torch.randn(4, 5, 6).double()
    order = {LInf: torch.inf, L2: 2}[ball]
    for relative_to in (None, rms_per_sample):
        set_ = ball(0.1, relative_to=relative_to)
        lengths = torch.linalg.vector_norm(set_.with_eps(1.0).steepest(gradient, z).flatten(1), order, dim=1)
        assert torch.allclose(lengths, torch.as_tensor(set_.unit(z)).double().expand(4, 1, 1).flatten())


@pytest.mark.parametrize("relative_to", [None, rms_per_sample])
@pytest.mark.parametrize("ball", [LInf, L2])
def test_samples_with_radii_of_their_own_are_as_each_alone(ball, relative_to):
    z, gradient, radii = torch.randn(3, 5).double(), torch.randn(3, 5).double(), torch.tensor([0.1, 0.2, 0.0])
    whole = ball(7.0, relative_to=relative_to, bounds=(-1, 1)).with_radii(radii.double()).linear_maximum(gradient, z)
    for i, radius in enumerate(radii.double().tolist()):
        alone = ball(radius, relative_to=relative_to, bounds=(-1, 1)).linear_maximum(gradient[i : i + 1], z[i : i + 1])
        assert torch.allclose(whole[i : i + 1], alone)
