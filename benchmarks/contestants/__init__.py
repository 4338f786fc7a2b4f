"""Who takes part: minigrad, and the libraries it is compared with."""
