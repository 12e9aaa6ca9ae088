"""The one file of a multipart form, found by cutting the body at its boundary.

A parser that looks at each byte takes 150 ms for some bodies of 16 MB, in which nobody else is
answered; this takes a few copies.
"""

from python_multipart.multipart import parse_options_header

from serving.errors import Problem

MAX_PARTS = 16
MAX_HEAD_BYTES = 4096  # of one part


def only_file(body: bytearray, content_type: str) -> bytes:
    """Return the content of the one part that has a file's name.

    Raises Problem: 400 not_a_form; 422 not_one_file.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    # The line's end before a delimiter belongs to it. Looked for from its last byte on, it is found
    # twice as fast among many that are none.
    _, *parts = (b"\n" + bytes(body)).split(b"\n--" + boundary, MAX_PARTS + 2)
    if not boundary or not body or not parts or not parts[-1].startswith(b"--"):
        raise _not_a_form()
    files = [content for head, content in map(_parted, parts[:-1]) if b"filename" in head]
    if len(files) != 1:
        message = f"The form has {len(files)} files; exactly one picture is needed."
        raise Problem(422, "not_one_file", message)
    return files[0]


def _parted(part: bytes) -> tuple[bytes, bytes]:
    """Return the head of a part, in lower case, and its content."""
    end = part.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if end < 0 or not part.lstrip(b" \t").startswith(b"\r\n"):
        raise _not_a_form()
    return part[:end].lower(), part[end + 4 :].removesuffix(b"\r")


def _not_a_form() -> Problem:
    message = f"The body is not a complete multipart form of at most {MAX_PARTS} parts."
    return Problem(400, "not_a_form", message)
