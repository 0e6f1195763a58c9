"""Robust and certified accuracy against the cost of training: every method on one footing.

For each method every setting is trained with the first seed, a validation part held out of the training data chooses
one (and the epoch to stop at, for all alike), and that one is trained with the other seeds. Then: clean and certified
accuracy on the whole test part; PGD with 50 steps and 5 restarts and AutoAttack's APGD-CE and APGD-T on its first
images; and the time of a training step over a standard step, all methods interleaved in one run.

    python benchmarks/fashion_mnist.py --out out/digits
    python benchmarks/fashion_mnist.py --data /usr/share/datasets/fashion-mnist --nets small --out out/fashion

Writes `results.json` (a list of {"method", "layer", "seed", "clean", "pgd", "autoattack", "certified", "time_ratio",
...}), `meta.json`, `table.txt`, `robust_training.png`/`.svg`, and the nets in `models/`. A run that was stopped goes
on when the command is given again. `robust_training/recipes.py` says what each method and setting is. Needs
matplotlib and pyautoattack.
"""

from robust_training.command import main

if __name__ == "__main__":
    main()
