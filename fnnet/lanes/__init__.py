"""Runs that train together as lanes of one program on the devices of this host."""
