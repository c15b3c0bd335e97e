"""The fault injection service: faults of hardware and network by HTTP. Nothing of it is here yet."""
