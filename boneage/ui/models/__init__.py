"""The models tab of the page: champion, challenger, every version and their cards."""
