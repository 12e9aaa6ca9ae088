"""What the format's reference implementation signs is accepted, and nothing else."""

import base64
import json

import keys_of
import pytest
import tiny
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from models.artifact import signature
from models.artifact.signature import PAYLOAD, SignatureError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("signed")


@pytest.fixture(scope="module")
def own(place):
    return keys_of.pair(place, "own")


@pytest.fixture(scope="module")
def digest(place):
    (place / "artifact").mkdir()
    return tiny.write(place / "artifact", "image", 0)


@pytest.fixture(scope="module")
def bundle(place, own, digest):
    return keys_of.sign(place / "artifact", own[0])


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_key_on_each_curve_of_the_format_is_accepted(place, digest, curve):
    private, public = keys_of.pair(place, curve.name, curve)
    made = keys_of.sign(place / "artifact", private)
    trusted = signature.read_trusted(public)
    trusted.check(made, digest)
    assert trusted == signature.read_own(private)
    with pytest.raises(SignatureError, match="another artifact"):
        trusted.check(made, "0" * 64)


def test_one_key_of_a_folder_is_enough_and_a_foreign_one_is_none(tmp_path, own, bundle, digest):
    foreign = keys_of.pair(tmp_path, "foreign")[1]
    with pytest.raises(SignatureError, match="nobody who is trusted"):
        signature.read_trusted(foreign).check(bundle, digest)
    (tmp_path / "own.pem").write_bytes(own[1].read_bytes())
    signature.read_trusted(tmp_path).check(bundle, digest)
    with pytest.raises(SignatureError, match="not signed"):
        signature.read_trusted(tmp_path).check(None, digest)


def altered(bundle: str, change) -> str:
    content = json.loads(bundle)
    change(content)
    return json.dumps(content)


def signed_again(bundle: str, private, change) -> str:
    """The bundle with another statement, which the same key did sign."""
    content = json.loads(bundle)
    envelope = content["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    encoded = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
    key = serialization.load_pem_private_key(private.read_bytes(), None)
    made = key.sign(encoded, ec.ECDSA(hashes.SHA256()))
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"] = [{"sig": base64.b64encode(made).decode()}]
    return json.dumps(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda bundle: bundle.pop("dsseEnvelope"),
        lambda bundle: bundle.pop("verificationMaterial"),
        lambda bundle: bundle.pop("mediaType"),
        lambda bundle: bundle.update(mediaType="application/json"),
        lambda bundle: bundle["verificationMaterial"].pop("publicKey"),
        lambda bundle: bundle["dsseEnvelope"].update(payloadType="text/plain"),
        lambda bundle: bundle["dsseEnvelope"].update(payload="ë"),
        lambda bundle: bundle["dsseEnvelope"].update(signatures=[]),
        lambda bundle: bundle["dsseEnvelope"]["signatures"][0].update(sig="AAAA"),
    ],
)
def test_a_bundle_that_is_none(own, bundle, digest, change):
    """As the invalid ones of the specification's test vectors, and more."""
    with pytest.raises(SignatureError):
        signature.read_trusted(own[1]).check(altered(bundle, change), digest)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[" * 100_000])
def test_text_that_is_no_bundle(own, digest, text):
    with pytest.raises(SignatureError, match="cannot be read"):
        signature.read_trusted(own[1]).check(text, digest)


def test_a_statement_that_was_signed_must_be_of_the_format(own, bundle, digest):
    trusted = signature.read_trusted(own[1])
    trusted.check(signed_again(bundle, own[0], lambda statement: None), digest)
    for change in (
        lambda statement: statement.update(predicateType="https://example.com/wrong/v1.0"),
        lambda statement: statement.update(_type="https://example.com/Statement/v1"),
        lambda statement: statement["predicate"].update(resources=[]),
        lambda statement: statement["predicate"].pop("serialization"),
        lambda statement: statement["predicate"]["serialization"].update(method="shards"),
        lambda statement: statement["predicate"]["resources"][0].update(algorithm="md5"),
    ):
        with pytest.raises(SignatureError, match="cannot be read"):
            trusted.check(signed_again(bundle, own[0], change), digest)


def test_what_is_no_key_is_said(tmp_path, own):
    text = tmp_path / "no.pem"
    text.write_text("no key")
    for path in (text, own[0], tmp_path / "lost.pem"):
        with pytest.raises((OSError, ValueError)):
            signature.read_trusted(path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="holds no"):
        signature.read_trusted(empty)
    with pytest.raises(ValueError, match="curve"):
        signature.read_trusted(keys_of.pair(tmp_path, "bitcoin", ec.SECP256K1())[1])
    key = serialization.load_pem_private_key(own[0].read_bytes(), None)
    way = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    text.write_bytes(key.private_bytes(keys_of.PEM, form, way))
    with pytest.raises(ValueError, match="encrypted"):
        signature.read_own(text)
