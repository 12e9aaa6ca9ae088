"""Requests that strangers send to bring a service down, and each of which must be refused at once.

`benchmarks/refusals.py` measures them, `tests/serving/test_hostile_bodies.py` sends them.
"""

import base64
import io
import json
import random
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

JSON, PNG = {"Content-Type": "application/json"}, {"Content-Type": "image/png"}
JPEG, WEBP = {"Content-Type": "image/jpeg"}, {"Content-Type": "image/webp"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n%s\r\n%s\r\n--b--\r\n'
IMAGE, TEXT, SERIES = "/v1/image", "/v1/sentiment", "/v1/forecast"
MOST_PICTURE, MOST_JSON = (16 << 20) - 400, (4 << 20) - 400
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PICKLES = [
    "application/vnd.bentoml+pickle", "application/vnd.bentoml.pickle", "application/python-pickle",
    "application/x-python-pickle", "application/pickle", "application/x-pickle", "text/x-pickle",
    "application/vnd.python.pickle", "application/x-joblib", "application/x-cloudpickle",
    "application/octet-stream+pickle", "application/vnd.python.pickle; protocol=5",
]  # fmt: skip


class Hostile(NamedTuple):
    """One request."""

    what: str
    path: str
    headers: dict[str, str]
    body: bytes


def requests(trap: str) -> Iterator[Hostile]:
    """Yield them all; trap: the address, like "127.0.0.1:9", that the URLs among them name."""
    yield from _pictures()
    yield from _forms()
    yield from _json()
    yield from _compressed()
    pickle = (
        b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
    )
    for kind in PICKLES:
        yield Hostile(f"pickle: {kind}", IMAGE, {"Content-Type": kind}, pickle)
    yield from _urls(trap)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *chunks: bytes, bits: int = 8, rows: bytes = bytes(72)) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    end = _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"".join([SIGNATURE, header, *chunks, end])


def _encoded(kind: str, *pictures: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    first, *others = pictures
    animation = {"save_all": True, "append_images": others} if others else {}
    first.save(buffer, kind, **animation, **options)
    return buffer.getvalue()


def _pictures() -> Iterator[Hostile]:
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    text = b"a\0\0" + zlib.compress(bytes(1_000_000))
    row = zlib.compress(bytes(6_251) * 50_000)  # a whole bomb, 312 MB of black in 300 KB
    bomb = _png(50_000, 50_000, _chunk(b"IDAT", row), bits=1)
    jpeg = bytearray(_encoded("JPEG", frames[0]))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 50_000, 50_000)
    lossless, extended = (
        bytearray(_encoded("WEBP", *some, lossless=True)) for some in (frames[:1], frames)
    )
    lossless[21:25] = struct.pack("<I", 16_382 | 16_382 << 14)
    extended[24:30] = (49_999).to_bytes(3, "little") * 2
    flat = _encoded("JPEG", Image.new("L", (4000, 4000), 200), progressive=True)
    scan = flat[flat.rindex(b"\xff\xda") : -2]
    small = _encoded("JPEG", frames[0])
    noise = random.Random(0).randbytes(MOST_PICTURE)
    many = MOST_PICTURE // 12 - 20
    yield Hostile("PNG of 50,000 x 50,000", IMAGE, PNG, bomb)
    yield Hostile("PNG of 50,000 x 50,000, 16 bits", IMAGE, PNG, _png(50_000, 50_000, bits=16))
    yield Hostile("JPEG of 50,000 x 50,000", IMAGE, JPEG, bytes(jpeg))
    yield Hostile("WebP of 16,383 x 16,383, lossless", IMAGE, WEBP, bytes(lossless))
    yield Hostile("WebP of 50,000 x 50,000, extended", IMAGE, WEBP, bytes(extended))
    yield Hostile("animated WebP", IMAGE, WEBP, _encoded("WEBP", *frames))
    yield Hostile("animated PNG", IMAGE, PNG, _encoded("PNG", *frames))
    yield Hostile(
        "PNG, a text of 1 GB", IMAGE, PNG, _png(8, 8, _chunk(b"zTXt", text[:3] + _gigabyte()))
    )
    yield Hostile("PNG, 60 texts of 1 MB", IMAGE, PNG, _png(8, 8, _chunk(b"zTXt", text) * 60))
    yield Hostile("PNG, 60 profiles of 1 MB", IMAGE, PNG, _png(8, 8, _chunk(b"iCCP", text) * 60))
    yield Hostile("PNG, a chunk of 2 GB", IMAGE, PNG, _png(8, 8, b"\x7f\xff\xff\xfftEXt"))
    yield Hostile("PNG, 1.4 million chunks", IMAGE, PNG, _png(8, 8, _chunk(b"tEXt", b"") * many))
    yield Hostile("PNG, pixels in 1.4 million", IMAGE, PNG, _png(8, 8, _chunk(b"IDAT", b"") * many))
    yield Hostile("JPEG, 4 million segments", IMAGE, JPEG, _between(small, b"\xff\xe5\0\2"))
    yield Hostile("JPEG, 16 MB of filling", IMAGE, JPEG, _between(small, b"\xff"))
    yield Hostile("JPEG, 1,000 scans", IMAGE, JPEG, flat[:-2] + scan * 1000 + b"\xff\xd9")
    yield Hostile("16 MB of noise", IMAGE, PNG, noise)
    yield Hostile("16 MB of noise as PNG", IMAGE, PNG, SIGNATURE + noise[8:])
    yield Hostile("16 MB of noise as JPEG", IMAGE, JPEG, small[:200] + noise[200:])
    webp = b"RIFF" + struct.pack("<I", len(noise) - 8) + b"WEBPVP8 " + noise[16:]
    yield Hostile("16 MB of noise as WebP", IMAGE, WEBP, webp)
    yield Hostile("17 MB", IMAGE, PNG, noise + bytes(1 << 20))


def _gigabyte() -> bytes:
    deflater = zlib.compressobj(1)
    return b"".join([deflater.compress(bytes(1 << 20)) for _ in range(1024)]) + deflater.flush()


def _between(jpeg: bytes, filling: bytes) -> bytes:
    return jpeg[:2] + filling * ((MOST_PICTURE - len(jpeg)) // len(filling)) + jpeg[2:]


def _forms() -> Iterator[Hostile]:
    for what, unit in (("line ends", b"\r\n"), ("half delimiters", b"\r\n--"), ("zeros", b"\0")):
        file = unit * (MOST_PICTURE // len(unit) - 100)
        yield Hostile(f"form, a file of {what}", IMAGE, FORM, PART % (b"a.png", b"", file))
    heads = b"a: b\r\n" * (MOST_PICTURE // 6 - 100)
    yield Hostile("form, 2.8 million headers", IMAGE, FORM, PART % (b"a.png", heads, b""))
    parts = PART.removesuffix(b"--\r\n") % (b"", b"", b"") * (MOST_PICTURE // 90)
    yield Hostile("form, 180,000 parts", IMAGE, FORM, parts)


def _json() -> Iterator[Hostile]:
    for path, before, after in (
        (SERIES, b'{"history":[', b"]}"),
        (TEXT, b'{"texts":[', b"]}"),
        *(
            (
                f"/v2/models/{task}/infer",
                b'{"inputs":[{"name":"%s","datatype":"%s","shape":%s,"data":[' % tensor,
                b"]}]}",
            )
            for task, tensor in (
                ("image", (b"image", b"UINT8", b"[1,28,28,1]")),
                ("sentiment", (b"text", b"BYTES", b"[1]")),
                ("forecast", (b"history", b"FP64", b"[1,72]")),
            )
        ),
    ):
        for what, unit, last in (
            ("2 million values", b"1,", b"1"),
            ("1.4 million strings", b'"",', b'""'),
            ("1.4 million lists", b"[],", b"[]"),
            ("a string of brackets", b"", b'"' + b"[{" * (MOST_JSON // 2) + b'"'),
            ("a string of quotes", b"", b'"' + b'\\"' * (MOST_JSON // 2) + b'"'),
            ("a string of \\u00e9", b"", b'"' + b"\\u00e9" * (MOST_JSON // 6) + b'"'),
            ("an integer of 4 MB", b"", b"1" * MOST_JSON),
            ("1e400", b"", b"1e400"),
        ):
            many = (MOST_JSON - len(last)) // len(unit) if unit else 0
            yield Hostile(what, path, JSON, before + unit * many + last + after)
        keys = b",".join(b'"%x":1' % number for number in range(330_000))
        yield Hostile("330,000 members", path, JSON, b"{" + keys + b"}")
        yield Hostile(
            "lists 100,000 deep", path, JSON, before + b"[" * 100_000 + b"]" * 100_000 + after
        )
        yield Hostile("objects 100,000 deep", path, JSON, b'{"":' * 100_000 + b"1" + b"}" * 100_000)
        yield Hostile("lists 4 million deep", path, JSON, b"[" * MOST_JSON)
        yield Hostile("5 MB", path, JSON, b" " * (5 << 20))
    binary = JSON | {"Inference-Header-Content-Length": "120"}
    lying = (
        b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],'
        b'"parameters":{"binary_data_size":1008}}]}'
    )
    for size in (0xFFFFFFFF, 1001, 0):
        body = lying.ljust(120) + struct.pack("<II", 0, size) + bytes(1000)
        yield Hostile(f"an element of {size} bytes", "/v2/models/sentiment/infer", binary, body)


def _compressed() -> Iterator[Hostile]:
    deflater = zlib.compressobj(9, wbits=31)
    bomb = b"".join([deflater.compress(bytes(1 << 20)) for _ in range(300)]) + deflater.flush()
    for coding in ("gzip", "deflate", "br", "zstd", "gzip, identity", "x-gzip"):
        for path, kind in ((TEXT, JSON), (IMAGE, PNG), ("/v2/models/forecast/infer", JSON)):
            yield Hostile(f"300 MB as {coding}", path, kind | {"Content-Encoding": coding}, bomb)


def _urls(trap: str) -> Iterator[Hostile]:
    """URLs in each place where a service might take one for a thing to fetch."""
    picture = base64.b64encode(_png(8, 8)).decode()
    urls = [f"http://{trap}/a.png", f"https://{trap}/a.png", f"ftp://{trap}/a.png"]
    urls += [f"gopher://{trap}/_x", f"s3://{trap}/a.png", f"//{trap}/a.png", f"ws://{trap}/"]
    urls += [f"http://user:password@{trap}/a.png", f"dict://{trap}/x", f"ldap://{trap}/x"]
    urls += ["file:///etc/passwd", "/etc/passwd", f"data:image/png;base64,{picture}"]
    for url in urls:
        raw = url.encode()
        yield Hostile(f"the body is {url[:40]}", IMAGE, PNG, raw)
        yield Hostile(f"the form's file is {url[:40]}", IMAGE, FORM, PART % (b"a.png", b"", raw))
    url, raw = urls[0], urls[0].encode()
    for kind in ("text/uri-list", "text/plain", "application/x-www-form-urlencoded"):
        yield Hostile(f"a URL as {kind}", IMAGE, {"Content-Type": kind}, raw)
    kind = {"Content-Type": f'message/external-body; access-type=URL; URL="{url}"'}
    yield Hostile("an external body", IMAGE, kind, b"")
    yield Hostile("a form's file by name", IMAGE, FORM, PART % (raw, b"", b""))
    located = b"Content-Location: %s\r\n" % raw
    yield Hostile("a form's file by place", IMAGE, FORM, PART % (b"a.png", located, b""))
    field = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n%s\r\n--b--\r\n' % raw
    yield Hostile("a form's field", IMAGE, FORM, field)
    yield Hostile("JSON with a URL", IMAGE, JSON, json.dumps({"image": url}).encode())
    for path in (TEXT, SERIES):
        for sent in ({"url": url}, {"image": {"url": url}}, {"text_url": url}, {"$ref": url}):
            yield Hostile(f"{next(iter(sent))} with a URL", path, JSON, json.dumps(sent).encode())
    for sent in ({"history": url}, {"history": [url] * 72}):
        yield Hostile("a history by URL", SERIES, JSON, json.dumps(sent).encode())
    for path, tensor in (
        ("image", {"name": "image", "datatype": "BYTES", "shape": [1], "data": [url]}),
        ("image", {"name": "image", "datatype": "UINT8", "shape": [1, 28, 28, 1], "data": url}),
        ("image", {"name": url, "datatype": "UINT8", "shape": [1], "data": [0]}),
        ("forecast", {"name": "history", "datatype": "FP64", "shape": [1, 1], "data": [url]}),
        (
            "forecast",
            {"name": "history", "datatype": "FP64", "shape": [1, 72], "parameters": {"url": url}},
        ),
    ):
        body = json.dumps({"inputs": [tensor], "parameters": {"url": url}}).encode()
        yield Hostile("a tensor by URL", f"/v2/models/{path}/infer", JSON, body)
