"""The flag tab of the page: keep a case with a reading for future training."""
