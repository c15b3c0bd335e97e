"""What runs on a node with privileges: one family of faults per module, with no knowledge of who asks."""
