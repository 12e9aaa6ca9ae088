"""What a Bento says of what is in it."""

import json
from importlib.metadata import version

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipelines.release import packages
from pipelines.release.publish import Pointer
from pipelines.runtime import environment

CHAMPION = Pointer("espalier-image-tiny", "3", "artifacts/a", "a" * 64)


def test_the_bill_of_materials_is_one_and_names_packages_and_champions():
    bill = packages.bill_of_materials("espalier", [CHAMPION])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    content = json.loads(bill)
    parts = {one["name"]: one for one in content["components"]}
    assert parts.keys() == packages.pinned().keys() | {CHAMPION.name}
    numpy, champion = parts["numpy"], parts[CHAMPION.name]
    assert numpy["purl"] == f"pkg:pypi/numpy@{version('numpy')}"
    assert (champion["type"], champion["version"]) == ("machine-learning-model", "3")
    assert champion["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]


def test_a_package_that_the_products_lock_does_not_hold_is_refused(tmp_path, monkeypatch):
    """All others are in it: `test_bento_alone` installs them by their hashes."""
    text = (environment.ROOT / "requirements.lock").read_text(encoding="utf-8")
    named = f"numpy=={version('numpy')}"
    assert named in packages.lock()
    (tmp_path / "requirements.lock").write_text(text.replace(named, "numpy==0.1"))
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    with pytest.raises(packages.BuildError, match=r"numpy .* which no requirements"):
        packages.lock()
