"""Evaluations against slow twins: one sample at a time, in plain torch."""

import pytest
import torch
from torch import nn
from utils.attacks import few_attacks

from ratlp.attacks import APGD, FGSM, PGD, Maximiser, Noise
from ratlp.evaluation import Attack, evaluate, quick_attacks, standard_attacks
from ratlp.losses import log_odds
from ratlp.perturbations import L2, LInf, rms_per_sample


def naive_fgsm(model, x, y, eps):
    """What one sign step of the input, clamped to [0, 1], leaves of each sample."""
    clean, robust = [], []
    for sample, label in zip(x, y, strict=True):
        point = sample[None].clone().requires_grad_()
        logits = model(point)
        (gradient,) = torch.autograd.grad(log_odds(logits, label[None]).sum(), point)
        moved = (sample + eps * gradient[0].sign()).clamp(0, 1)
        right = int(logits.argmax()) == int(label)
        clean.append(right)
        robust.append(right and int(model(moved[None]).argmax()) == int(label))
    return clean, robust


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_counts_are_those_of_a_loop_over_samples(mlp, samples, classes, batch_size):
    model = mlp(classes)
    x, y = samples(model)
    attack = Attack("fgsm", FGSM(), LInf(0.1, bounds=(0, 1)))
    evaluation = evaluate(model, x, y, [attack], batch_size=batch_size)
    clean, robust = naive_fgsm(model.eval(), x, y, 0.1)
    assert 0 < sum(robust) < sum(clean) < len(y)
    assert evaluation.clean.correct == sum(clean)
    assert evaluation.attacks[0].robust.correct == sum(robust)
    assert evaluation.samples.robust == tuple(i for i, value in enumerate(robust) if value)
    assert evaluation.samples.correct == tuple(i for i, value in enumerate(clean) if value)
    for row in evaluation.classes:
        own = [i for i, label in enumerate(y.tolist()) if label == row.label]
        assert (row.clean.n, row.clean.correct) == (len(own), sum(clean[i] for i in own))
        assert row.worst_case.correct == sum(robust[i] for i in own)
    assert sum(row.clean.n for row in evaluation.classes) == len(y)


def test_images(samples):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))
    x, y = samples(model, n=20, shape=(3, 6, 6))
    evaluation = evaluate(model, x, y, [Attack("fgsm", FGSM(), LInf(0.1, bounds=(0, 1)))])
    clean, robust = naive_fgsm(model, x, y, 0.1)
    assert 0 < sum(robust) < sum(clean)
    assert (evaluation.clean.correct, evaluation.worst_case.correct) == (sum(clean), sum(robust))


def test_tabular_data_in_units_of_its_own(samples, centre):
    years_and_income = torch.tensor([120.0, 100_000.0])
    model = centre(nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2)), 2)

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x / years_and_income)

    unit, y = samples(model, shape=(2,))
    bounds, eps = (0, years_and_income), 0.1 * years_and_income
    scaled = evaluate(Scaled(), unit * years_and_income, y, [Attack("fgsm", FGSM(), LInf(eps, bounds=bounds))])
    plain = evaluate(model, unit, y, [Attack("fgsm", FGSM(), LInf(0.1, bounds=(0, 1)))])
    assert 0 < plain.worst_case.correct < plain.clean.correct
    assert scaled.samples == plain.samples
    assert scaled.attacks[0].eps == eps.tolist()
    assert scaled.attacks[0].eps_absolute is None


def test_normalised_inputs_have_normalised_bounds_and_eps(mlp, samples):
    model = mlp(3)
    x, y = samples(model)
    mean, std = 0.4, 0.25

    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(std * x + mean)

    bounds = ((0 - mean) / std, (1 - mean) / std)
    outside = evaluate(Raw(), (x - mean) / std, y, [Attack("fgsm", FGSM(), LInf(0.2 / std, bounds=bounds))])
    inside = evaluate(model, x, y, [Attack("fgsm", FGSM(), LInf(0.2, bounds=(0, 1)))])
    assert outside.samples == inside.samples


def test_samples_misclassified_without_attack_are_never_attacked(mlp, samples, counting):
    model = counting(mlp(3))
    x, y = samples(model)
    model.seen.clear()
    wrong = x[model.eval()(x).argmax(1) != y]
    evaluation = evaluate(model, x, y, [Attack("pgd", PGD(steps=5), L2(0.05))], batch_size=len(x))
    assert evaluation.attacks[0].attacked == evaluation.clean.correct == len(x) - len(wrong)
    perturbed = [batch for batch in model.seen if len(batch) != len(x)]
    assert perturbed
    for batch in perturbed:
        assert torch.cdist(wrong, batch).min() > 0


def test_passes_are_counted(mlp, samples, counting):
    model = counting(mlp(3))
    x, y = samples(model)
    evaluation = evaluate(model, x, y, few_attacks(LInf(0.1)), batch_size=8)
    clean = len(x)  # the clean pass
    model.forwards -= 40 * 2  # `samples` drew from the model, and the clean pass
    assert clean == 40
    assert sum(attack.forwards for attack in evaluation.attacks) == model.forwards
    assert sum(attack.gradients for attack in evaluation.attacks) == model.gradients > 0


def test_an_attack_alone_gives_its_number_among_others(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    attacks = few_attacks(LInf(0.1, bounds=(0, 1)))
    together = evaluate(model, x, y, attacks, batch_size=16)
    for attack in attacks:
        alone = evaluate(model, x, y, [attack], batch_size=16)
        assert alone.samples.broken[attack.name] == together.samples.broken[attack.name]
    union = {i for broken in together.samples.broken.values() for i in broken}
    assert together.worst_case.correct == together.clean.correct - len(union)
    assert together.protocol == "independent"


def test_a_cascade_attacks_what_is_left(mlp, samples):
    model = mlp(4)
    x, y = samples(model, n=80)
    attacks = few_attacks(LInf(0.1, bounds=(0, 1)))
    cascade = evaluate(model, x, y, attacks, cascade=True, batch_size=32)
    left = cascade.clean.correct
    seen = set()
    for result in cascade.attacks:
        broken = set(cascade.samples.broken[result.name])
        assert result.attacked == left
        assert not broken & seen
        seen |= broken
        left -= len(broken)
        assert result.robust.correct == left
    assert cascade.worst_case.correct == left < cascade.clean.correct
    assert cascade.protocol == "cascade"
    independent = evaluate(model, x, y, attacks, batch_size=32)
    first = attacks[0].name
    assert cascade.samples.broken[first] == independent.samples.broken[first]
    assert sum(attack.forwards for attack in cascade.attacks) < sum(attack.forwards for attack in independent.attacks)


@pytest.mark.parametrize("set_", [LInf(0.05), L2(0.1), LInf(0.1, relative_to=rms_per_sample)], ids=repr)
def test_latent_attacks_are_input_attacks_on_what_follows(mlp, samples, set_):
    model = mlp(4)
    x, y = samples(model)
    model.eval()
    latents = model[:2](x).detach()
    attacks = [Attack("fgsm", FGSM(), set_, layer="1"), Attack("pgd", PGD(steps=8), set_, layer="1")]
    latent = evaluate(model, x, y, attacks, batch_size=16)
    rest = evaluate(model[2:], latents, y, [Attack(a.name, a.maximiser, set_) for a in attacks], batch_size=16)
    assert latent.worst_case.correct < latent.clean.correct
    assert latent.samples == rest.samples
    rms = latents.square().mean(1).sqrt().mean().item()
    expected = rms * (4 if isinstance(set_, L2) else 1)  # 16 coordinates
    assert latent.attacks[0].unit == pytest.approx(expected, rel=1e-5)
    for found in latent.attacks:
        assert found.space == "latent"
        assert found.eps_absolute == pytest.approx(found.eps_relative * expected, rel=1e-5)
        assert found.eps in (found.eps_absolute, found.eps_relative)


def test_several_inputs_as_a_mapping(samples):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, x, shift):
            return self.linear(x) + shift

    one = nn.Linear(6, 3)
    x, y = samples(one)
    two = Two()
    two.linear.load_state_dict(one.state_dict())
    shift = torch.randn(40, 3)
    y = (one(x) + shift).argmax(1)
    attacks = [Attack("pgd", PGD(steps=5), LInf(0.1))]
    found = evaluate(two, {"x": x, "shift": shift}, y, attacks, batch_size=16)

    broken = []
    for i in range(40):
        single = evaluate(
            nn.Sequential(one, Shifted(shift[i])),
            x[i : i + 1],
            y[i : i + 1],
            [Attack("pgd", APGD(steps=20), LInf(0.1))],
        )
        broken += [i] if single.samples.broken["pgd"] else []
    assert 0 < len(broken) < 40
    assert found.samples.broken["pgd"] == tuple(broken)


class Shifted(nn.Module):
    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, logits):
        return logits + self.shift


class Liar(Maximiser):
    """Looks far outside of the set, where everything is misclassified, and returns it."""

    starts_at_zero = False

    def __call__(self, problem):
        far = tuple(1000 * (torch.rand_like(point) - 0.5) for point in problem.points)
        for _ in range(20):
            problem.losses(far)
        return far


def test_a_maximiser_that_leaves_the_set_gains_nothing_by_it(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    evaluation = evaluate(model, x, y, [Attack("liar", Liar(), LInf(1e-6))])
    assert evaluation.worst_case == evaluation.clean


def test_float64_tells_apart_what_float32_rounds_off(samples):
    class Offset(nn.Module):
        """Logits that are alike in float32, whose differences drown in an offset."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, x):
            return 1e-3 * self.linear(x) + 1e6

    model = Offset()
    x, y = samples(model.linear)
    model.linear.weight.data *= 1
    attacks = few_attacks(LInf(0.3))
    wide = evaluate(model, x, y, attacks, dtype=torch.float64)
    plain = evaluate(model.linear, x, y, attacks)
    assert wide.samples.predictions == plain.samples.predictions
    assert wide.worst_case == plain.worst_case
    assert evaluate(model, x, y, attacks).clean.correct < wide.clean.correct
    assert model.linear.weight.dtype is torch.float32


def test_seeds_change_draws_and_nothing_else_does(mlp, samples):
    model = mlp(4)
    x, y = samples(model, n=60)
    attacks = [Attack("noise", Noise(draws=1), LInf(0.5))]
    first = evaluate(model, x, y, attacks, batch_size=16)
    torch.manual_seed(5)
    assert evaluate(model, x, y, attacks, batch_size=16) == first
    assert evaluate(model, x, y, attacks, batch_size=16, seed=1).samples.broken != first.samples.broken


def test_the_suites_have_what_they_say():
    quick = quick_attacks(L2(0.5, bounds=(0, 1)), layer="3")
    assert {attack.layer for attack in quick} == {"3"}
    assert {attack.norm for attack in quick} == {"l2"}
    standard = {attack.name: attack for attack in standard_attacks(LInf(0.1))}
    assert list(standard) == ["fgsm", "pgd", "apgd-ce", "apgd-dlr", "apgd-t", "square", "noise"]
    assert standard["pgd"].maximiser.restarts == 5
    assert standard["square"].maximiser.queries == 5000


def test_the_standard_suite_runs_with_two_classes(mlp, samples):
    model = mlp(2)
    x, y = samples(model, n=6)
    attacks = [attack for attack in standard_attacks(LInf(0.1, bounds=(0, 1))) if attack.name != "square"]
    evaluation = evaluate(model, x, y, attacks)
    assert evaluation.worst_case.correct <= min(attack.robust.correct for attack in evaluation.attacks)
