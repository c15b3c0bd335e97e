"""Faults of hardware and network. So far: what a node does for a partition (`injector.agents.partition`)."""
