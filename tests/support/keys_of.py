"""Pairs of keys, and artifacts that are signed as `pipelines.release.signing` does."""

from pathlib import Path

import model_signing
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM


def pair(folder: Path, name: str, curve: ec.EllipticCurve | None = None) -> tuple[Path, Path]:
    """Write a private and a public key; returns their files, as openssl makes them."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    private, public = folder / f"{name}.key", folder / f"{name}.pem"
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(PEM, *plain))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(PEM, form))
    return private, public


def sign(artifact: Path, private: Path) -> str:
    """The signature of the format's reference implementation over an artifact."""
    file = private.with_suffix(".sig")
    signer = model_signing.signing.Config().use_elliptic_key_signer(private_key=private)
    signer.sign(artifact, file)
    return file.read_text(encoding="utf-8")
