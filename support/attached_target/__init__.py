"""A deployment that somebody else keeps on a cluster: faults that its owner allows, and it is left as it was found."""
