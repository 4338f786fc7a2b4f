"""Experiments on real data that anyone can rerun: `minigrad train --config optim/studies/mnist.toml --data FOLDER`."""
