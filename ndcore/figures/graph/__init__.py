"""The Concept Graph: order inside the layers, the picture of a graph, and its numbers."""
