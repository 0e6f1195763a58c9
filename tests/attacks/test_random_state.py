import pytest
import torch

from ratlp.attacks import seeded


def test_draws_from_the_seed_and_puts_the_state_back():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    with seeded(1, torch.zeros(1)):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_also_when_the_body_raises():
    before = torch.get_rng_state()

    def draw_and_raise():
        with seeded(1, torch.zeros(1)):
            torch.rand(3)
            raise KeyError

    with pytest.raises(KeyError):
        draw_and_raise()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_on_an_accelerator():
    here = torch.zeros(1, device="cuda")
    before = torch.cuda.get_rng_state()
    with seeded(1, here):
        first = torch.rand(3, device="cuda")
    with seeded(1, here):
        assert torch.equal(torch.rand(3, device="cuda"), first)
    assert torch.equal(torch.cuda.get_rng_state(), before)
