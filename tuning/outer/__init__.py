"""The outer search: preparation, backbone and views, upstream of the heads (`python -m tuning.outer CONFIG`)."""
