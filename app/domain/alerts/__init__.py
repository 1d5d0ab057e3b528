"""Alert rules: who is told when a task fails, a firing is missed, or a success does not come. Pure."""
