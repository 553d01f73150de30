"""The estimate tab of the page: one radiograph in, one estimate out, with reasons, steps and report."""
