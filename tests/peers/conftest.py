"""What needs PyTorch or Keras is not collected: it runs where the numbers are recorded, and nowhere else."""

collect_ignore = ["in_torch.py", "in_keras.py", "record.py"]
