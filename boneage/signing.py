"""Sign archives and bundles with an Ed25519 key, so that a hospital can tell whose they are and that none was changed.

A signature lies beside its file (`NAME.sig`); a bundle's covers `bundle.json`, which holds the checksum of every file
in it. Whoever imports must have the public key from the maker by another way than the archive. Where `BONEAGE_KEY`
names that key, no registered cascade and no bundle's folder answers that its owner did not sign.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from boneage.errors import BoneageError
from boneage.files import write_whole

TRUSTED_KEY = "BONEAGE_KEY"
"""The variable that names the public key of the maker whose bundles alone may be opened."""
_BUNDLE = "bundle.json"
_PURPOSE = b"boneage signature 1\n"


class SignatureError(BoneageError):
    """A key or a signature that is missing, unreadable or not that of the file; the message says what to do."""


def make_keys(folder: Path, name: str = "boneage") -> tuple[Path, Path]:
    """Make a pair of keys, `NAME.key` (secret, readable by this user alone) and `NAME.pub`; return both paths.

    Raises:
        SignatureError: when there is such a file already: a key is never replaced.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret, public = folder / f"{name}.key", folder / f"{name}.pub"
    for file in (secret, public):
        if file.exists():
            raise SignatureError.of("signature.key_exists", file=file)
    key = Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    folder.mkdir(parents=True, exist_ok=True)
    # Readable by nobody else at any moment: made so before anything is in it.
    os.close(os.open(secret, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    write_whole(public, key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
    return secret, public


def sign(path: Path, secret: Path) -> Path:
    """Sign a file, or a bundle's folder; return the signature's path, `NAME.sig` beside what was signed.

    Args:
        path: an archive, or the folder of a bundle.
        secret: from `make_keys`.

    Raises:
        SignatureError: when there is no such file, or the key cannot be read.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file = _signed_file(path)
    try:
        key = load_pem_private_key(secret.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SignatureError.of("signature.no_secret", file=secret) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError.of("signature.secret_kind", file=secret)
    text = base64.b64encode(key.sign(_message(file))).decode()
    return write_whole(file.with_name(f"{file.name}.sig"), f"{text}\n")


def verify(path: Path, public: Path) -> None:
    """Check that a file, or a bundle's folder, is what the owner of a key signed.

    Args:
        path: an archive, or the folder of a bundle; the signature lies beside it (in a bundle, in its folder).
        public: the maker's public key.

    Raises:
        SignatureError: when it is not, or nothing says so.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    file = _signed_file(path)
    signature = file.with_name(f"{file.name}.sig")
    try:
        key = load_pem_public_key(public.read_bytes())
    except (OSError, ValueError) as error:
        raise SignatureError.of("signature.no_public", file=public) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError.of("signature.public_kind", file=public)
    if not signature.is_file():
        raise SignatureError.of("signature.missing", file=file, signature=signature.name)
    try:
        key.verify(base64.b64decode(signature.read_bytes(), validate=False), _message(file))
    except (InvalidSignature, binascii.Error) as error:
        raise SignatureError.of("signature.changed", file=file, owner=public.name) from error


def refuse_strangers(bundle: Path) -> None:
    """Check a bundle's folder by the key that `BONEAGE_KEY` names, before it answers; without one, anything may.

    Raises:
        SignatureError: when the key's owner did not sign it.
    """
    public = os.environ.get(TRUSTED_KEY)
    if not public:
        return
    try:
        verify(bundle, Path(public))
    except SignatureError as error:
        raise SignatureError.of("signature.not_trusted", variable=TRUSTED_KEY, key=public, reason=error) from error


def _signed_file(path: Path) -> Path:
    file = path / _BUNDLE if path.is_dir() else path
    if not file.is_file():
        raise SignatureError.of("signature.no_file", file=file)
    return file


def _message(file: Path) -> bytes:
    with file.open("rb") as stream:
        return _PURPOSE + hashlib.file_digest(stream, "sha256").hexdigest().encode()
