"""The desk: a hypothesis is chosen on dev images, frozen, and tested once."""
