"""Explain an estimate: heat maps, their faithfulness, what each expert said, similar training cases."""
