"""Clean and robust accuracy: what a classifier gets right, and what is left of it under attack."""

from collections.abc import Sequence
from typing import Any, Unpack

from torch import Tensor, nn

from ratlp.evaluation.attack import Attack
from ratlp.evaluation.attacking import Breaks
from ratlp.evaluation.inputs import check_inputs
from ratlp.evaluation.results import AttackResult, ClassResult, Evaluation, Samples
from ratlp.evaluation.session import Options, Outcome, Session
from ratlp.proportions import Accuracy


def evaluate(
    model: nn.Module,
    x: Any,
    y: Tensor,
    attacks: Sequence[Attack],
    *,
    cascade: bool = False,
    **options: Unpack[Options],
) -> Evaluation:
    """Attack a classifier, and count what it still gets right.

    A sample is robust against an attack if it is classified rightly without attack and the attack finds no point of
    its set at which it is not: robust accuracy is an upper bound, which a stronger attack may lower. Samples
    misclassified without attack are never attacked, and an attack lets go of a sample once it is broken. What an
    attack found is judged by one more call of the model. The model is in evaluation mode meanwhile; afterwards
    everything about it and torch's random state are as before, also on error.

    Args:
        model: Gives logits `[batch, classes]`, in any way that `RATLP` takes.
        x: Inputs `[n, *features]`, or a tuple or mapping of tensors; batches are moved to the model's device.
        y: Labels, `[n]`, int64.
        attacks: As of `quick_attacks` and `standard_attacks`; they carry budgets and bounds. Inputs must lie within
            the bounds of those on the input.
        cascade: Whether attacks run only on what those before them have left. The worst case is found for less, but
            each attack's number is then the worst case so far. Otherwise each number is the attack's own, as
            other tools give it.
        **options: How it is run: `batch_size`, `seed`, `dtype`, `done`, `record`, `progress`, as of `Options`.

    Raises:
        InputError: Inputs, labels, logits or records break a rule: none is repaired in silence.
        LayerError: A layer cannot serve as a latent.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 2), torch.rand(20, 2)
        >>> evaluation = evaluate(net, x, net(x).argmax(1), quick_attacks(LInf(0.05, bounds=(0, 1))))
        >>> evaluation.clean.share, evaluation.worst_case.share <= 1.0
        (1.0, True)
    """
    check_inputs(x, y, attacks)
    session = Session(cascade=cascade, **options)
    outcome = session.run(model, x, y, [Breaks(attack) for attack in attacks])
    tally = outcome.tally
    broken = {a.name: tuple(i for i, value in enumerate(tally.values(a.name)) if value) for a in attacks}
    samples = Samples(tuple(y.tolist()), tuple(outcome.clean.predictions.tolist()), broken)
    return Evaluation(
        clean=Accuracy(len(samples.correct), len(y)),
        attacks=_attacks(attacks, samples, outcome, cascade=cascade),
        worst_case=Accuracy(len(samples.robust), len(y)),
        classes=_classes(samples),
        samples=samples,
        protocol="cascade" if cascade else "independent",
        seed=session.seed,
        batch_size=outcome.batch_size,
        run=outcome.run,
        timings={a.name: sum(piece.seconds for piece in tally.records(a.name)) for a in attacks},
    )


def _attacks(
    attacks: Sequence[Attack], samples: Samples, outcome: Outcome, *, cascade: bool
) -> tuple[AttackResult, ...]:
    n, left = len(samples.labels), len(samples.correct)
    results = []
    for attack in attacks:
        robust = left - len(samples.broken[attack.name])
        records = outcome.tally.records(attack.name)
        results.append(
            AttackResult(
                name=attack.name,
                space=attack.space,
                layer=attack.layer,
                norm=attack.norm,
                eps=attack.eps,
                relative_to=attack.relative_to,
                unit=outcome.clean.units.get(attack.layer, {}).get(attack.norm),
                attack=str(attack),
                robust=Accuracy(robust, n),
                attacked=left,
                forwards=sum(record.forwards for record in records),
                gradients=sum(record.gradients for record in records),
            )
        )
        left = robust if cascade else left
    return tuple(results)


def _classes(samples: Samples) -> tuple[ClassResult, ...]:
    correct, robust = set(samples.correct), set(samples.robust)
    rows = []
    for label in sorted(set(samples.labels)):
        own = {index for index, other in enumerate(samples.labels) if other == label}
        rows.append(ClassResult(label, Accuracy(len(own & correct), len(own)), Accuracy(len(own & robust), len(own))))
    return tuple(rows)
