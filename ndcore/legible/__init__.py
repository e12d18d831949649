"""So that what is shown can be read: numbers in words, and few of many things."""
