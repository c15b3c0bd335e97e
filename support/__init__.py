"""Everything that acts on or observes the deployment under test; steps call it, it never calls them."""
