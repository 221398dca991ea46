"""Who acts: the built-in loop, the task's own solution, or nobody."""
