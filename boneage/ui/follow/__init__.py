"""The follow-up tab of the page: several films of one child, their chart and the rate of bone age."""
