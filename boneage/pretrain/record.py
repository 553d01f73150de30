"""The training record beside each asset: what it is, what it was trained on, how, and how well it does."""

from boneage.shipped import ATTRIBUTION, LICENCE, USE, file_sha256, write_record

__all__ = ["ATTRIBUTION", "LICENCE", "USE", "file_sha256", "write_record"]
