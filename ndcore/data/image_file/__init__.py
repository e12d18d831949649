"""What an image file promises in its head, and its pixels as 8-bit colours."""
