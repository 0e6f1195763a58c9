"""The parts of `benchmarks/fashion_mnist.py`: recipes, training, evaluation, timing, plot."""
