"""The paper's experiments, all of them, on one data source."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from ratlp.data import Source
from ratlp.experiments.ablation import ablation
from ratlp.experiments.boundary import boundaries
from ratlp.experiments.measure import ATTACK_EPS
from ratlp.experiments.progress import Progress, silent
from ratlp.experiments.results import Reproduction
from ratlp.experiments.search import check_searchable, search
from ratlp.experiments.setting import Setting
from ratlp.experiments.table import gains, table1
from ratlp.experiments.theorem import theorem
from ratlp.experiments.trials import Trials
from ratlp.versions import versions


def reproduce(
    source: Source,
    setting: Setting,
    seeds: Sequence[int],
    *,
    with_ablation: bool = True,
    with_search: bool = False,
    progress: Progress = silent,
) -> Reproduction:
    """Table 1, Figure 1, the theorem and, where asked, the ablation and the search.

    Args:
        source: The data; Two Moons, `Moons()`, in the paper.
        setting: How the nets are built and trained; the paper's by default.
        seeds: One net of each method for each.
        with_ablation: Vary eps_z, m and lambda.
        with_search: Search over what the paper leaves open (Two Moons only).
        progress: Told of every long piece of work.

    Raises:
        InputError: There is no seed, or one twice; or the search is asked for on other data.

    Example:
        >>> from ratlp.data import Moons
        >>> found = reproduce(Moons(n=50), Setting(epochs=1), range(2), with_ablation=False)
        >>> found.theorem.violations
        0
    """
    if with_search:
        check_searchable(source)
    timings: dict[str, float] = {}
    trials = Trials(source, seeds, progress=progress)
    with _timed(timings, "table1"):
        table, gained = table1(trials, setting), gains(trials, setting)
    with _timed(timings, "theorem"):
        checked = theorem(trials, setting)
    with _timed(timings, "figure1"):
        figure = boundaries(trials, setting)
    with _timed(timings, "ablation"):
        ablated = ablation(trials, setting) if with_ablation else ()
    with _timed(timings, "search"):
        searched = search(progress=progress) if with_search else None
    return Reproduction(
        data=source.described(trials.seeds[0]),
        setting=asdict(setting),
        attack_eps=ATTACK_EPS,
        seeds=trials.seeds,
        versions=versions(),
        table1=table,
        gains=gained,
        theorem=checked,
        ablation=ablated,
        search=searched,
        boundaries=figure,
        timings=timings,
    )


@contextmanager
def _timed(timings: dict[str, float], part: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[part] = time.perf_counter() - start
