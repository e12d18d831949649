"""Components drawn in the browser."""
