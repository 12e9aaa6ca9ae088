"""How many requests a second a server answers when each connection asks again at once: `wrk`."""

import re
import shutil
import subprocess
from pathlib import Path

MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000}


def require() -> None:
    if not shutil.which("wrk"):
        raise SystemExit("wrk is needed: apt-get install wrk, or the like")


def asked(url: str, connections: int, seconds: int, script: Path) -> dict[str, float]:
    """Requests a second, and the milliseconds of half and of 99 % of them.

    script: in Lua, what is asked. Ends the program where a request was not answered with 2xx.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    done = subprocess.run([*command, "--timeout", "10s", url], capture_output=True, text=True)
    said = done.stdout
    if done.returncode or "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{url} did not answer every request: {said}{done.stderr}")
    return {
        "requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        "p50_ms": _percentile(said, 50),
        "p99_ms": _percentile(said, 99),
    }


def _percentile(said: str, percent: int) -> float:
    value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", said).groups()
    return float(value) * MILLISECONDS[unit]
