"""Many visitors of one server, on loopback."""
