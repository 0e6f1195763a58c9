import pytest
import torch
from torch import nn

from ratlp.assessment import Budget, Plan, views
from ratlp.assessment.views import last_latent
from ratlp.data import Moons

PLAN = Plan(("fgsm",), "linf", {"input": Budget((0.3,)), "1": Budget((0.5,))}, few=20)


def net():
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2), nn.Identity())


def test_regions_are_the_models_own_logits_and_the_model_stays_as_it_is():
    model, source = net().train(), Moons(n=200)
    split = source.draw(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen = views(model, split.x_test, split.y_test, PLAN, source)
    row, column = 17, 101
    point = torch.stack([seen.regions.columns[column], seen.regions.rows[row]]).float()
    torch.testing.assert_close(seen.regions.logits[row, column], model(point[None])[0].detach())
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert len(seen.labels) == 20
    assert [moved.layer for moved in seen.latents] == ["input", "1"]


def test_only_broken_samples_count_as_moved_across():
    source, model = Moons(n=200), net()
    split = source.draw(0)
    seen = views(model, split.x_test, split.y_test, PLAN, source)
    examples = seen.examples
    with torch.no_grad():
        wrong = model(examples.points + examples.delta).argmax(1) != seen.labels
    assert torch.equal(wrong & (examples.logits.argmax(1) == seen.labels), examples.broken)


def test_the_last_latent_is_what_the_last_weights_read():
    model, x = net(), torch.randn(5, 2)
    assert torch.equal(last_latent(model, x), model[1](model[0](x)))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch._dynamo's own
def test_a_model_that_is_compiled_already_has_the_latents_of_its_own():
    source, model = Moons(n=200), net()
    split = source.draw(0)
    plain = views(model, split.x_test, split.y_test, PLAN, source)
    compiled = torch.compile(model.eval(), backend="eager")
    with torch.no_grad():
        compiled(split.x_test)
    seen = views(compiled, split.x_test, split.y_test, PLAN, source)
    assert [moved.layer for moved in seen.latents] == [moved.layer for moved in plain.latents]
    torch.testing.assert_close(seen.latents[0].clean, plain.latents[0].clean)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        return nn.functional.linear(x, self.head.weight)  # the module itself is never called


def test_a_model_whose_modules_are_not_called_has_no_latent():
    assert last_latent(Named(), torch.randn(5, 2)) is None
