"""Run one command each: read its arguments, call the rooms, print. A module is imported when its command is called."""
