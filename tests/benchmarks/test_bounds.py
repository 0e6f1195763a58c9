"""The benchmark of bounds times what it says, and its command writes what it prints."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bounds.py"
QUICK = (
    "interval bounds of the CNN / a forward pass",
    "interval training step of the CNN / a standard step",
    "the same without a clean term / a standard step",
    "CROWN-IBP of the CNN / interval bounds",
)


@pytest.fixture
def benchmark(monkeypatch):
    """The script as a module, under a name that no folder of tests has; the process's heap is left alone."""
    spec = importlib.util.spec_from_file_location("benchmark_of_bounds", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "keep_heap", lambda: False)
    return module


def command(benchmark, monkeypatch, out, *options):
    """Run it with the threads that are in use."""
    threads = ["--threads", str(torch.get_num_threads())]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--rounds", "1", *threads, "--out", str(out), *options])
    benchmark.main()


def test_the_command_writes_its_files(benchmark, tmp_path, monkeypatch, capsys):
    out = tmp_path / "a" / "b"
    monkeypatch.setattr(benchmark, "PAIRS", {name: benchmark.PAIRS[name] for name in QUICK})
    command(benchmark, monkeypatch, out)
    assert {path.name for path in out.iterdir()} == {"results.json", "table.md"}
    said = capsys.readouterr().out
    assert said == (out / "table.md").read_text()
    assert [line.split(" | ")[0].removeprefix("| ") for line in said.splitlines()[2:]] == list(QUICK)
    found = json.loads((out / "results.json").read_text())
    assert [row["pair"] for row in found["results"]] == list(QUICK)
    assert all(row["rounds"] == 1 and row["ratio"] > 0 for row in found["results"])
    assert found["eps"] == benchmark.EPS
    assert found["command"].startswith("python benchmarks/bounds.py --rounds 1")


def test_crown_of_the_net_is_bound_propagations(benchmark, monkeypatch):
    """Which is checked before anything is timed."""
    pytest.importorskip("bound_propagation")
    pair = benchmark.crown_of_mlp()
    assert (pair.first().lower - pair.second().lower).abs().max() < 1e-4
    monkeypatch.setattr(benchmark, "linear_bounds", lambda net, region: net(region))
    with pytest.raises(AssertionError, match="not close"):
        benchmark.crown_of_mlp()


def test_ratios_pair_the_runs_of_one_round(benchmark):
    row = benchmark.row("a / b", [(1.0, 2.0), (2.0, 2.0), (6.0, 3.0)], target=2.5)
    assert (row["milliseconds"], row["ratio"], row["ratio_range"], row["rounds"]) == (
        [2000.0, 2000.0],
        1.0,
        [0.5, 2.0],
        3,
    )
    assert benchmark.table([row]).splitlines()[2] == "| a / b | 2000.00 | 2000.00 | 1.00 (0.50 to 2.00) | 2.5 | 3 |"


def test_the_first_round_is_not_counted_and_the_time_is_bounded(benchmark):
    calls = []
    pair = benchmark.Pair(lambda: calls.append("a"), lambda: calls.append("b"), None, lambda: calls.append("clear"))
    assert len(benchmark.measure(pair, rounds=3, at_most=float("inf"))) == 3
    assert calls == ["clear", "a", "clear", "b"] * 4
    assert len(benchmark.measure(pair, rounds=3, at_most=0.0)) == 1


@pytest.mark.parametrize("options", [["--rounds", "0"], ["--threads", "-1"]])
def test_the_command_says_what_is_wrong(options, benchmark, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        command(benchmark, monkeypatch, tmp_path, *options)
    assert f"found '{options[1]}'" in capsys.readouterr().err
