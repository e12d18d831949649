"""A finished study on the page: what it found, and the desk to test a hypothesis with it."""
