"""Training: recipes, the loop, and checkpoints that it resumes from."""

from ndcore.training.loop import train
from ndcore.training.recipes import TrainConfig, recipe

__all__ = ["TrainConfig", "recipe", "train"]
