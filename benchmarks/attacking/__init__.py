"""What the benchmark of attacks is made of."""
