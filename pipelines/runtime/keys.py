"""The keys that two variables name: by which champions are signed here, and whose are trusted.

Without them nothing is signed, and every champion is taken.
"""

import os
from pathlib import Path

SIGNING_KEY, TRUST = "ESPALIER_SIGNING_KEY", "ESPALIER_TRUST"
EXPECTED = {
    SIGNING_KEY: "a private key in PEM, without a password",
    TRUST: "a public key in PEM, or of a folder of such *.pem",
}


def path_of(variable: str) -> Path | None:
    """The file or folder that a variable names; None where it is not set."""
    value = os.environ.get(variable)
    return None if value is None else Path(value)


def check_trusted(bundle: str | None, manifest_sha256: str) -> None:
    """Raise SignatureError where ESPALIER_TRUST is set, and none of its keys signed an artifact.

    Args:
        bundle: the artifact's signature; None where there is none.
        manifest_sha256: the digest (hex) of its manifest.
    """
    place = path_of(TRUST)
    if place is not None:
        from models.artifact import signature

        try:
            trusted = signature.read_trusted(place)
        except (OSError, ValueError) as error:  # changed while this process runs
            raise signature.SignatureError(f"{TRUST} cannot be read ({error}).") from error
        trusted.check(bundle, manifest_sha256)


def are_trusted(bundle: str | None, manifest_sha256: str) -> bool:
    """Whether `check_trusted` raises nothing."""
    from models.artifact.signature import SignatureError

    try:
        check_trusted(bundle, manifest_sha256)
    except SignatureError:
        return False
    return True


def unusable() -> dict[str, str]:
    """Variable → a sentence, for each that names no key of its kind."""
    named = [variable for variable in EXPECTED if variable in os.environ]
    if not named:
        return {}
    from models.artifact import signature

    readers = {SIGNING_KEY: signature.read_own, TRUST: signature.read_trusted}
    wrong, read = {}, {}
    for variable in named:
        try:
            if not os.environ[variable].strip():
                raise ValueError("it is empty")
            read[variable] = readers[variable](Path(os.environ[variable]))
        except (OSError, ValueError) as error:
            wrong[variable] = (
                f"{variable} is {os.environ[variable]!r}, expected the path of "
                f"{EXPECTED[variable]} ({error}): name another, or unset it"
            )
    if len(read) == len(EXPECTED) and read[SIGNING_KEY].keys[0] not in read[TRUST].keys:
        wrong[SIGNING_KEY] = (
            f"{SIGNING_KEY} names a key that {TRUST} does not trust: add its public half there"
        )
    return wrong
