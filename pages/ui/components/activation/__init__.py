"""The Activation view: canvas panels of neurons, drawn in the browser."""
