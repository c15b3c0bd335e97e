"""What all tests share: nothing yet but this folder being one of tests."""
