"""The cost of a training step: RAT-LP at each depth, its limit, and what a user would write instead.

One step is a forward and a backward pass; the gradients are cleared outside the clock and no optimiser runs,
for all variants alike. In each round every variant runs once, interleaved with a standard step at the same
depth, and its time is divided by that standard step's. The limit of the one-step objective is 1 + g's share
of a standard step, g timed alone on a detached latent, in the same rounds.

    python benchmarks/step_cost.py --models mlp,cnn,vit,bert --out benchmarks/results/step_cost

On the CPU, freed memory is kept at hand between the steps, as allocators for GPUs do; `--heap system` leaves
it to the C library, whose page faults are then part of the times (see `shared/heap.py`).

Writes `results.json` (a list of {"model", "depth", "variant", "ratio", "limit", ...}), `meta.json`,
`table.txt` and `step_cost.png`/`.svg`. `step_cost/variants.py` says what each variant does. The models are
built from configurations, with random weights and random data; `vit` and `bert` need transformers.
"""

from step_cost.command import main

if __name__ == "__main__":
    main()
