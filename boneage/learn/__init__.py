"""The frozen backbone, its features and the ten heads fitted on them."""
