"""Work in shards, by more processes or machines than one."""
