"""Side by side with NumPy by hand: ratios measured in one run, one BLAS thread. `python -m benchmarks` lists them."""
