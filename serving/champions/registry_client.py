"""A client of MLflow's model registry: aliases, versions and artifacts, by its REST API.

The mlflow package takes 5 s and 154 MB of a process; an alias and some files take little.
"""

import asyncio
import ipaddress
import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import httpx

CHAMPION, CHALLENGER = "champion", "challenger"  # aliases
API = "/api/2.0/mlflow"
IDLE_SECONDS = 5  # to connect, and between two pieces of a response
ANSWER_SECONDS, MAX_ANSWER_BYTES = 20, 1 << 22  # a run's JSON holds every metric
FILE_SECONDS = 600  # 1 GiB, the largest file of an artifact, at 2 MB a second
NOT_FOUND = (400, 404, 410)  # the statuses by which a server says that there is no such thing


class RegistryError(Exception):
    """The registry cannot be reached, is too slow or answers with an error.

    status: the HTTP status of its answer; None where there was none.
    """

    def __init__(self, message: str, status: int | None = None):
        super().__init__(message)
        self.status = status


class NoVersion(LookupError):
    """The registry answers, and names no version of a model under an alias."""


@dataclass(frozen=True)
class Version:
    """A registered version; what a server that is not ours lacks is empty."""

    number: str
    run_id: str
    state: str  # `ready` once it may serve
    manifest_sha256: str
    signature: str | None  # of its artifact
    trial: str | None = None  # while it is on trial: the percentage of requests that it answers
    terms: str | None = None  # of that trial, as JSON: the champion, and until when


class Registry:
    """An MLflow server.

    Every method raises RegistryError, and ValueError, LookupError or TypeError where what the
    server answers is not what MLflow answers.

    Args:
        uri: The server's address, as in MLFLOW_TRACKING_URI.
    """

    def __init__(self, uri: str):
        server = httpx.URL(uri)
        # A password goes nowhere but into the header.
        self.url = str(server.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")
        # As MLflow's clients do: by its variables, or by the server's address.
        username = os.environ.get("MLFLOW_TRACKING_USERNAME") or server.username
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or server.password
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        self._auth = httpx.BasicAuth(username, password) if username and password else None
        # No compression: what is counted is what arrives.
        self._headers = {"Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        # What lies on loopback is not asked through a proxy.
        self._trust_env = not _is_loopback(server.host)
        self._tls: ssl.SSLContext | bool = False
        if server.scheme == "https":  # made once: it reads every root certificate
            self._tls = httpx.create_ssl_context(trust_env=self._trust_env)

    def version(self, name: str, alias: str) -> Version:
        """Return the version under an alias; raises NoVersion where there is none."""
        try:
            answer = self._get_json(f"{API}/registered-models/alias", name=name, alias=alias)
        except RegistryError as error:
            if error.status in NOT_FOUND:
                raise NoVersion(f"The registry names no {alias} of {name}.") from error
            raise
        version = answer["model_version"]
        tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
        number = str(version["version"])
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise ValueError(f"The number of a version must be an integer, not {number[:50]!r}.")
        return Version(
            number=number,
            run_id=version.get("run_id", ""),
            state=tags.get("espalier.state", ""),
            manifest_sha256=tags.get("espalier.manifest_sha256", ""),
            signature=tags.get("espalier.signature"),
            trial=tags.get("espalier.trial"),
            terms=tags.get("espalier.trial_terms"),
        )

    def test_metrics(self, version: Version) -> dict[str, float]:
        """Return the metrics of the version's fit on the test split; none where its run is gone."""
        try:
            run = self._get_json(f"{API}/runs/get", run_id=version.run_id)["run"]
            metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
        except KeyError:
            return {}
        except RegistryError as error:
            if error.status in NOT_FOUND:
                return {}
            raise
        return {name: metrics[name] for name in sorted(metrics) if name.startswith("test_")}

    def download(self, name: str, version: Version, target: Path, max_bytes: int) -> None:
        """Download the file `target.name` of the version's artifact.

        The server reads it from wherever its artifacts are. Raises ValueError where it has more
        than `max_bytes` bytes.
        """
        query = {"name": name, "version": version.number, "path": target.name}
        with target.open("wb") as file:
            self._get("/model-versions/get-artifact", query, file, max_bytes, FILE_SECONDS)

    def _get_json(self, path: str, **query: str) -> dict[str, Any]:
        content = BytesIO()
        self._get(path, query, content, MAX_ANSWER_BYTES, ANSWER_SECONDS)
        return json.loads(content.getvalue())

    def _get(
        self, path: str, query: Mapping[str, str], file: BinaryIO, max_bytes: int, seconds: float
    ) -> None:
        """Write the body of a response into `file`, all of it within `seconds`.

        By asyncio, which can end a request at any point: the timeouts of httpx begin anew at each
        byte.
        """

        async def get() -> None:
            async with (
                asyncio.timeout(seconds),
                # No redirects: what is asked, with a password, is for this server alone.
                httpx.AsyncClient(
                    auth=self._auth,
                    headers=self._headers,
                    verify=self._tls,
                    trust_env=self._trust_env,
                    timeout=IDLE_SECONDS,
                ) as client,
                client.stream("GET", self.url + path, params=query) as response,
            ):
                response.raise_for_status()
                async for piece in response.aiter_raw():
                    if file.tell() + len(piece) > max_bytes:
                        raise ValueError(f"{path} answers more than {max_bytes} bytes.")
                    file.write(piece)

        try:
            asyncio.run(get())
        except TimeoutError as error:
            raise RegistryError(f"{path} takes longer than {seconds} s.") from error
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise RegistryError(f"{path} answers with status {status}.", status) from error
        except (httpx.HTTPError, OSError) as error:
            raise RegistryError(f"{path}: {type(error).__name__}: {error}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
