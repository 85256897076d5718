"""Bridges to other libraries, each of which is an extra: nothing here is imported unless it is asked for."""
