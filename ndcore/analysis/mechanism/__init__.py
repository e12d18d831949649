"""What concept graphs are worth: on all classes, on attacked images, and in pictures."""
