"""What of a command its workers do: how they open what it names, and what they make of a shard."""
