"""The main job as a library: data to features, ten models, one cascade, evaluated and registered."""
