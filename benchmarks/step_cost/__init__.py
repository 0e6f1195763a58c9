"""The parts of `benchmarks/step_cost.py`: models, variants, measuring, results, plot."""
