"""The fault injection service: faults of GPUs, networks and processes, proven, bounded in time, and taken back."""
