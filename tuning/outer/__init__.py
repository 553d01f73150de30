"""Search preparation, backbone and views, upstream of the heads (`python -m tuning.outer CONFIG`)."""
