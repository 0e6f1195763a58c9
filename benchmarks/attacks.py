"""Attacks beside those of other packages: what they break at equal settings, and how long they take.

- Robust accuracy of two trained nets, an MLP on scikit-learn's digits and the small CNN: PGD with the same eps, steps,
  step size and restarts by ratlp, foolbox, ART and torchattacks; APGD on cross-entropy and on DLR by ratlp and
  pyautoattack; the worst case of ratlp's standard attacks, and the standard AutoAttack. Whatever a package returns is
  brought back into the ball and judged by one call of the net.
- The time of PGD, all packages interleaved in one run on one batch: once with every step taken on all samples, once
  letting go of those that are broken, as ratlp does by default.
- The time of an attack on a latent at 75 % depth, replayed from there, beside a forward hook that runs the whole model
  at every step.

    python benchmarks/attacks.py --out out/attacks
    python benchmarks/attacks.py --data /usr/share/datasets/fashion-mnist --out out/attacks

Writes `results.json`, `meta.json`, `table.txt` and `attacks.png`/`.svg`. Weights take no gradients meanwhile, and modes
and statistics that a package changes are set back after each call, outside the clock. Needs matplotlib. A package that
is not installed is left out, which the table says; torchattacks can do without the torchvision that it asks for:
`pip install --no-deps torchattacks`.
"""

from attack_cost.command import main

if __name__ == "__main__":
    main()
