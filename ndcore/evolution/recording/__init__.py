"""Recording a training run, and finding recordings on disk."""
