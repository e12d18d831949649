"""Parts of the benchmark of the Activation Explorer."""
