"""Where agents run: a box per trial, made from the task's environment."""
