"""Commands that rebuild the shipped networks from radiographs; needs the optional extra `pretrain` (PyTorch)."""
