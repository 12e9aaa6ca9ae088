"""Who signed a champion: a detached signature over its artifact, in the OpenSSF format.

The signature is a Sigstore bundle (JSON): a DSSE envelope around an in-toto statement, which names
the files of the artifact with their sha256. The manifest alone is asked for, since that holds the
sha256 of every other file (`artifact.check`). Of the format's methods this is the one with a
pair of keys: nothing is asked over a network. Source: OpenSSF Model Signing Specification 1.0.

The service loads this module; `cryptography` is imported where keys are read and used, since most
services have none.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.artifact.artifact import MANIFEST, ArtifactError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}  # and their hashes
# What a bundle that is none makes of reading it.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class SignatureError(ArtifactError):
    """An artifact is not signed by anybody who is trusted; the message says what is wrong."""


@dataclass(frozen=True)
class Trusted:
    """The public keys of those whose signatures are accepted."""

    keys: tuple["PublicKey", ...]

    def check(self, bundle: str | None, manifest_sha256: str) -> None:
        """Raise SignatureError unless one of the keys signed the artifact with this manifest.

        Args:
            bundle: the signature; None where there is none.
            manifest_sha256: the digest (hex) of the artifact's manifest.
        """
        if bundle is None:
            raise SignatureError("It is not signed.")
        signed = self.signed_files(bundle).get(MANIFEST)
        if signed != manifest_sha256:
            raise SignatureError(f"What is signed is another artifact, whose manifest is {signed}.")

    def signed_files(self, bundle: str) -> dict[str, str]:
        """Return the files that one of the keys signed: name → sha256 (hex).

        Raises SignatureError: none of them signed it, or it is no such bundle.
        """
        try:
            payload, signature = _opened(json.loads(bundle))
            if any(_signed(key, payload, signature) for key in self.keys):
                return _files(json.loads(payload))
        except MALFORMED as error:
            problem = f"{type(error).__name__}: {error}"
            raise SignatureError(f"Its signature cannot be read ({problem}).") from error
        raise SignatureError("It is signed by nobody who is trusted.")


def read_trusted(path: Path) -> Trusted:
    """Read public keys, of a PEM file or of every *.pem in a folder.

    Raises OSError, and ValueError where there is none that can be used.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path} holds no *.pem")
    return Trusted(tuple(_read(file, load_pem_public_key) for file in files))


def read_own(path: Path) -> Trusted:
    """Read the public half of a private key without a password; raises as `read_trusted`."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return Trusted((_read(path, lambda pem: load_pem_private_key(pem, None).public_key()),))


def _read(file: Path, load: Callable[[bytes], Any]) -> "PublicKey":
    """The public key in a file, if it is one on a curve that the format knows."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    try:
        key = load(file.read_bytes())
    except (TypeError, UnsupportedAlgorithm) as error:  # a password is missing, an old algorithm
        raise ValueError(f"{file}: {error}") from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise ValueError(f"{file} holds no key on the curve P-256, P-384 or P-521")
    return key


def _opened(bundle: dict) -> tuple[bytes, bytes]:
    """The payload of a bundle, and the signature over it."""
    envelope = bundle["dsseEnvelope"]
    if bundle["mediaType"] != BUNDLE or envelope["payloadType"] != PAYLOAD:
        raise ValueError(f"of {bundle['mediaType']} around {envelope['payloadType']}")
    if "publicKey" not in bundle["verificationMaterial"]:
        raise ValueError("it was made with a certificate")
    [one] = envelope["signatures"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    return payload, base64.b64decode(one["sig"], validate=True)


def _signed(key: "PublicKey", payload: bytes, signature: bytes) -> bool:
    """Whether the signature is the key's, over DSSE's pre-authentication encoding."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    digest = getattr(hashes, CURVES[key.curve.name])()
    encoded = f"DSSEv1 {len(PAYLOAD)} {PAYLOAD} {len(payload)} ".encode("ascii") + payload
    try:
        key.verify(signature, encoded, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def _files(statement: dict) -> dict[str, str]:
    """The files that a statement names, with their sha256."""
    if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
        raise ValueError(f"it states {statement['_type']}, {statement['predicateType']}")
    predicate = statement["predicate"]
    ways = {
        predicate["serialization"]["method"],
        *(one["algorithm"] for one in predicate["resources"]),
    }
    if ways != {"files", "sha256"}:
        raise ValueError(f"it holds digests of {sorted(ways)}, not the sha256 of files")
    return {one["name"]: one["digest"] for one in predicate["resources"]}
