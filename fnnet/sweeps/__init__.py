"""A whole sweep: a space becomes a plan, the plan is executed, and results come back as one table."""
