"""Sign a champion's artifact when it is promoted, by the key that ESPALIER_SIGNING_KEY names.

What is signed is the artifact's folder as it was evaluated: nothing in it is ever rewritten.
"""

import tempfile
from pathlib import Path

from models.artifact import artifact, signature
from models.artifact.signature import SignatureError
from pipelines.experiments.registry import Version
from pipelines.runtime import keys


class SigningError(RuntimeError):
    """A champion cannot be signed as it must be; the message says why."""


def require() -> None:
    """Raise SigningError where what is promoted here could not be signed, or would be refused."""
    if wrong := keys.unusable():
        raise SigningError("; ".join(wrong.values()))
    if keys.path_of(keys.TRUST) is not None and keys.path_of(keys.SIGNING_KEY) is None:
        raise SigningError(
            f"{keys.TRUST} is set, and {keys.SIGNING_KEY} is not: a champion that is promoted here "
            "would be refused. Name a key to sign with, or promote on the machine that has it"
        )


def sign(version: Version, folder: Path) -> str | None:
    """Sign the artifact of a version, in the OpenSSF model-signing format.

    Args:
        version: the one that is to be champion.
        folder: its artifact, which was verified.

    Returns:
        The signature; None where there is no key to sign with.

    Raises:
        SigningError: the key cannot be used, or is not trusted here; or the folder was changed.
    """
    require()
    key = keys.path_of(keys.SIGNING_KEY)
    if key is None:
        return None
    from model_signing import hashing, signing  # a second, which few commands have to pay

    left_out = hashing.Config().set_ignored_paths(paths=[artifact.LEFT_BY_MLFLOW])
    try:
        with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
            file = Path(scratch) / "model.sig"
            signer = signing.Config().use_elliptic_key_signer(private_key=key)
            signer.set_hashing_config(left_out).sign(folder, file)
            made = file.read_text(encoding="utf-8")
        # The folder was hashed once more: what is signed is what was evaluated.
        signature.read_own(key).check(made, version.manifest_sha256)
    except (OSError, ValueError) as error:
        raise SigningError(f"{version.name}/{version.version} cannot be signed: {error}") from error
    return made


def is_due(version: Version) -> bool:
    """Whether there is a key to sign with, and a champion is not signed by it yet."""
    key = keys.path_of(keys.SIGNING_KEY)
    if key is None:
        return False
    try:
        signature.read_own(key).check(version.signature, version.manifest_sha256)
    except SignatureError:
        return True
    return False
