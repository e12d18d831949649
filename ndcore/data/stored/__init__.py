"""What a network said of images, stored instead of the network."""
