"""The one file of a multipart form, read by Starlette's parser."""

import asyncio
import logging
from collections.abc import AsyncGenerator

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from serving.http.errors import Problem

MAX_FILES = MAX_FIELDS = 16
MAX_FIELD_BYTES = 4096
TURN_BYTES = 1 << 18  # parsed in one turn of the event loop, so that others are answered meanwhile

# It logs a line for each malformed form: a stranger could fill the disk.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


class InMemoryParser(MultiPartParser):
    """Starlette's parser without files on disk: the body is in memory already, and bounded."""

    spool_max_size = 0  # none is written out


async def only_file(body: bytearray, content_type: str) -> bytes:
    """Return the content of the one part that has a file's name.

    Args:
        body: the form, complete and bounded by who read it.
        content_type: the header, which names the boundary.

    Raises:
        Problem: 400 not_a_form; 422 not_one_file.
    """
    form = await _parse(body, content_type)
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if len(files) != 1:
        message = f"The form has {len(files)} files; exactly one picture is needed."
        raise Problem(422, "not_one_file", message)
    return files[0].file.read()


async def _parse(body: bytearray, content_type: str) -> FormData:
    parser = InMemoryParser(
        Headers({"content-type": content_type}),
        _turns(body),
        max_files=MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        return await parser.parse()
    except (MultiPartException, UnicodeError):  # its charset may be one that decodes nothing
        most = f"{MAX_FILES} files and {MAX_FIELDS} fields of up to {MAX_FIELD_BYTES:,} bytes"
        message = f"The body is not a multipart form of at most {most}."
        raise Problem(400, "not_a_form", message) from None


async def _turns(body: bytearray) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), TURN_BYTES):
        yield bytes(body[start : start + TURN_BYTES])
        await asyncio.sleep(0)
