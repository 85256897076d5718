"""What is kept: the store of a sweep, and the results read from it."""
