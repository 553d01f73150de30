"""Run a whole study as a library: data to features, ten models, one cascade, evaluated and registered."""
