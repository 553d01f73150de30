"""What the commands do: they read arguments, call the rooms and print. Heavy imports wait until a command runs."""
