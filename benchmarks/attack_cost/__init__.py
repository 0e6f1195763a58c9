"""The parts of `benchmarks/attacks.py`: nets, attackers, accuracies, times, plot."""
