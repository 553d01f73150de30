"""Score a cascade on labelled radiographs: metrics with intervals, published figures, stress test."""
