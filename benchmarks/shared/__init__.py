"""What the benchmarks' commands have in common: their arguments, files, and what a result says of its making."""
