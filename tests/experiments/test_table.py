from ratlp.data import Digits, Moons
from ratlp.experiments import METHODS, METRICS, Setting, Summary
from ratlp.experiments.table import PAPER, gains, table1
from ratlp.experiments.trials import Trials

SHORT = Setting(epochs=2)


def test_six_cells_beside_the_papers_numbers():
    trials = Trials(Moons(n=100), range(4))
    rows = table1(trials, SHORT)
    assert [(row.method, row.metric) for row in rows] == [(a, b) for a in METHODS for b in METRICS]
    for row in rows:
        summary = trials.measurements(SHORT, row.method).summary(row.metric)
        assert (row.mean, row.std, row.ci95, row.n_seeds) == (
            summary.mean,
            summary.std,
            summary.ci95,
            4,
        )
        assert row.paper == PAPER[row.method, row.metric]
        assert row.verdict == summary.verdict(row.paper)


def test_other_data_has_no_paper_number():
    rows = table1(Trials(Digits(), range(2)), SHORT)
    assert {(row.paper, row.verdict) for row in rows} == {(None, None)}


def test_gains_are_paired_by_seed():
    trials = Trials(Moons(n=100), range(4))
    for gain, metric in zip(gains(trials, SHORT), METRICS, strict=True):
        before, after = (trials.measurements(SHORT, method).accuracy[metric] for method in METHODS)
        expected = Summary.of([b - a for a, b in zip(before, after, strict=True)])
        assert (gain.metric, gain.mean, gain.std, gain.ci95, gain.n) == (
            metric,
            expected.mean,
            expected.std,
            expected.ci95,
            4,
        )
        paper = PAPER["ratlp", metric] - PAPER["standard", metric]
        assert abs(gain.paper - paper) < 1e-9


def test_other_data_has_no_paper_gain():
    assert {gain.paper for gain in gains(Trials(Digits(), range(2)), SHORT)} == {None}
