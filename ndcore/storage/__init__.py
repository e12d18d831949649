"""Files that are whole or not there, and the folders they lie in."""
