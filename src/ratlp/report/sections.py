"""The sections of the page: each has its prose, a table and figures, as far as the results go."""

from collections.abc import Iterator

from ratlp.experiments.results import Reproduction
from ratlp.experiments.table import PAPER
from ratlp.report.document import Section
from ratlp.report.table import ablation_grid, search_grid, table1_grid, theorem_grid
from ratlp.report.words import (
    ablation_sentences,
    misses,
    search_sentences,
    theorem_sentences,
    verdict_sentences,
)


def sections(reproduction: Reproduction) -> Iterator[Section]:
    """The page's sections in reading order; parts without results are left out."""
    yield _table1(reproduction)
    if reproduction.boundaries:
        yield _boundary(reproduction)
    if reproduction.ablation:
        yield _ablation(reproduction)
    yield _theorem(reproduction)
    if reproduction.search is not None:
        yield Section(
            title="Search over what the paper leaves open",
            prose=tuple(search_sentences(reproduction.search)),
            grid=search_grid(reproduction.search),
            findings=(f"Distance: root mean square over the paper's {len(PAPER)} numbers, in points.",),
        )


def _table1(reproduction: Reproduction) -> Section:
    return Section(
        title="Table 1: accuracy",
        prose=(
            f"FGSM takes one step of {reproduction.attack_eps:g} in each coordinate, at the input or at the "
            "latent. Means, standard deviations and intervals are over the seeds.",
        ),
        grid=table1_grid(reproduction.table1),
        marked=frozenset(place for place, row in enumerate(reproduction.table1) if misses(row)),
        findings=tuple(verdict_sentences(reproduction.table1)),
        figure="table1",
        figure_first=False,
        caption="Dots: means. The paper's number reproduces where its diamond lies on the thin line.",
    )


def _boundary(reproduction: Reproduction) -> Section:
    eps = reproduction.boundaries[0].eps
    return Section(
        title="Figure 1: decision boundaries",
        prose=(
            "The nets of the first seed. In the grey band, some input within L-inf distance "
            f"{eps:g} is given the other class: an attack of that size can flip a test point there.",
        ),
        figure="boundary",
        caption="Shading: the net's confidence. Rings: misclassified test points.",
    )


def _ablation(reproduction: Reproduction) -> Section:
    return Section(
        title="Ablation",
        prose=(
            "A fixed budget on a free encoder can be escaped: scale the latents up and the head down, "
            "and the same logits come out while the attack fades. The lower row of the figure shows "
            "how far training goes that way.",
        ),
        grid=ablation_grid(reproduction.ablation),
        findings=tuple(ablation_sentences(reproduction.ablation)),
        figure="ablation",
        caption="One column per parameter, the others and both attacks as in Table 1.",
    )


def _theorem(reproduction: Reproduction) -> Section:
    theorem = reproduction.theorem
    bounds = [bound for check in theorem.methods for bound in check.bounds]
    return Section(
        title="The theorem of section 4",
        grid=theorem_grid(theorem),
        marked=frozenset(place for place, bound in enumerate(bounds) if bound.violations),
        prose=tuple(theorem_sentences(theorem)),
        figure="theorem",
        caption="How much of each bound the exact worst case uses; 1 is tight, beyond it is violated.",
    )
