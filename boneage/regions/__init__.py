"""Where the regions of a prepared hand are: ossification centres, joints, carpals, radius and ulna, short bones."""
