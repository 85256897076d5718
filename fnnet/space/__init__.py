"""Which runs: spaces of hyper-parameters, as grids, designs or text."""
