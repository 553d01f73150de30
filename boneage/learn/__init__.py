"""Extract features with a frozen backbone and fit the ten heads on them."""
