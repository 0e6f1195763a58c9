"""Batches that fit in memory."""

import pytest
import torch
from torch import nn
from utils.attacks import few_attacks

from ratlp.errors import InputError
from ratlp.evaluation import Record, evaluate
from ratlp.evaluation.batches import find_batch_size, halving, in_batches
from ratlp.perturbations import LInf


class Small(nn.Module):
    """Has memory for so many samples with a gradient, and so many without."""

    def __init__(self, model, most, *, error=None):
        super().__init__()
        self.model = model
        self.most = most
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")

    def forward(self, x):
        if len(x) > self.most and x.requires_grad:
            raise self.error
        return self.model(x)


def test_batches_are_halved_until_they_fit(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    attacks = few_attacks(LInf(0.1))
    records = []
    found = evaluate(Small(model, 5), x, y, attacks, batch_size=32, record=records.append)
    assert found.batch_size == 32
    kept = {(r.start, r.stop) for r in records if r.task == "noise"}
    assert {stop - start for start, stop in kept} <= {4, 8}
    # As if it had begun with batches that small
    small = {r.stop - r.start for r in records if r.task == "pgd"}
    assert small == {4}
    smaller = evaluate(model, x, y, attacks, batch_size=4)
    assert found.samples.correct == smaller.samples.correct
    assert len(found.samples.labels) == 40
    for cut in (1, 5, len(records) - 3):
        assert evaluate(Small(model, 5), x, y, attacks, done=records[:cut]) == found


def test_halving_before_the_first_record_is_as_if_begun_smaller(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    attacks = few_attacks(LInf(0.1))
    assert (
        evaluate(Small(model, 4), x, y, attacks, batch_size=4).samples
        == evaluate(model, x, y, attacks, batch_size=4).samples
    )


@pytest.mark.parametrize(
    "text",
    ["CUDA out of memory. Tried to allocate", "DefaultCPUAllocator: can't allocate memory", "not enough memory: you"],
)
def test_what_counts_as_running_out_of_memory(text):
    def work(size):
        if size > 1:
            raise RuntimeError(text)
        return "done"

    assert halving(work, 8) == ("done", 1)


def test_other_errors_pass():
    def work(size):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        halving(work, 8)


def test_batches_cover_all_samples_once_and_stay_as_small_as_they_had_to_become():
    def work(start, size):
        if start + size > 9 and size > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(start, min(start + size, 16)))

    batches, size = in_batches(work, 16, 8)
    assert [len(batch) for batch in batches] == [8, 2, 2, 2, 2]
    assert [sample for batch in batches for sample in batch] == list(range(16))
    assert size == 2


def test_one_sample_must_fit(mlp, samples):
    model = mlp(4)
    x, y = samples(model)
    with pytest.raises(InputError, match="not even one sample does"):
        evaluate(Small(model, 0), x, y, few_attacks(LInf(0.1)), batch_size=8)


def test_the_size_falls_with_what_a_sample_takes():
    x = torch.rand(2, 1, 64, 64)
    sizes = [
        find_batch_size(nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()] * depth, nn.Flatten()), x)
        for depth in (1, 8, 200)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] <= 256
    assert all(size & (size - 1) == 0 for size in sizes)
    embedding = nn.Sequential(nn.Embedding(4, 2), nn.Flatten())
    assert find_batch_size(embedding.requires_grad_(False), torch.zeros(2, 3).long()) == 64


def test_records_say_the_batch_size():
    records = []
    evaluate(
        nn.Linear(2, 2), torch.rand(5, 2), torch.zeros(5).long(), few_attacks(LInf(0.1))[:1], record=records.append
    )
    assert [record.batch_size for record in records] == [256]
    assert isinstance(records[0], Record)
