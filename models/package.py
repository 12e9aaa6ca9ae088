"""Write the artifact of a trained model: only what was proven to answer like the model itself."""

import base64
import io
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from models import artifact, export
from models.examples import Inputs, Split, examples
from models.familiarity import Run
from models.inputs import MAX_CHARACTERS, decode_picture
from models.train import Fitted, predict

PARITY_ROWS = 512


def write(
    folder: Path,
    fitted: Fitted,
    splits: Mapping[str, Split],
    facts: Mapping,
    identity: Mapping,
    guard: Path | None = None,
) -> str:
    """Fill an empty folder with the artifact and return the sha256 of its manifest.

    splits: validation and test; up to 512 rows of each prove the ONNX graph equal to Keras.
    identity: task, dataset, dataset_hash, arch, fingerprint, parameters, seed.
    guard: the folder that `models.guard.write` filled for the dataset.
    Raises ExportMismatch; then there is no manifest, and the folder is no artifact.
    """
    folder = Path(folder)
    fitted.model.save(folder / "model.keras")
    export.to_onnx(fitted.model, folder / "model.onnx")
    run = export.runner(folder / "model.onnx")
    for name in ("validation", "test"):
        check_parity(fitted, run, splits[name], facts)
    artifact.write_inputs(folder, fitted.inputs)
    judge = None if guard is None else _guarded(folder, guard)
    golden = golden_entries(fitted.inputs, run, splits["test"], judge)
    (folder / "golden.json").write_bytes(artifact.to_json(golden))
    return artifact.write_manifest(folder, identity)


def golden_entries(
    inputs: Inputs, run: Run, split: Split, judge: Callable[..., list[dict]] | None = None
) -> list[dict]:
    """Return requests from the split, odd ones among them, with the answers to expect.

    judge: what the guard says of raw inputs, the model's inputs and the tensor that these give.
    """
    entries = []
    for request in _REQUESTS[inputs.kind](inputs, split):
        sent, options = artifact.payload(request)
        tensor = inputs.to_tensor([sent])
        [answer] = inputs.to_answers(run(tensor), **options)
        if judge is not None:
            answer |= judge([sent], inputs, tensor)[0]
        entries.append({"request": request, "answer": answer})
    return entries


def _guarded(folder: Path, guard: Path) -> Callable[..., list[dict]]:
    """Copy the guard into the artifact, and return what it says of an input."""
    for name in artifact.GUARD:
        shutil.copyfile(guard / name, folder / name)
    run = export.runner(folder / "familiarity.onnx")
    return partial(artifact.read_familiarity(folder).judge, run)


def check_parity(fitted: Fitted, run, split: Split, facts: Mapping) -> None:
    """Raise ExportMismatch unless `run` answers up to 512 rows of the split as the model does."""
    if fitted.inputs.kind != "series":  # whose windows are cut from unbroken rows
        split = {name: _spread(column) for name, column in split.items()}
    few = _spread(examples(fitted.inputs, split, facts.get("stride", 1)).tensor)
    expected, outputs = predict(fitted.model, few), run(few)
    export.check_parity(expected, outputs)
    if fitted.inputs.kind != "series":
        export.check_classes(expected, outputs)


def _spread(rows: np.ndarray) -> np.ndarray:
    """Return up to 512 of the rows, from the first to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(PARITY_ROWS, len(rows))).astype(int)]


def _image_requests(inputs: Inputs, split: Split) -> list[dict]:
    """Pictures as they are (small files), in another size, and transparent."""
    files = sorted((_png(image) for image in split["image"][:50]), key=len)[::9]
    size = 2 * inputs.width + 1, 3 * inputs.height
    picture = decode_picture(files[0], "L" if inputs.channels == 1 else "RGB", size)
    turned = picture.convert("RGBA").rotate(10)
    files += [_png(np.atleast_3d(np.asarray(one))) for one in (picture, turned)]
    return [{"image": base64.b64encode(file).decode("ascii")} for file in files]


def _png(image: np.ndarray | bytes) -> bytes:
    if isinstance(image, bytes):
        return image
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def _text_requests(inputs: Inputs, split: Split) -> list[dict]:
    """Texts as they are, a very long one, one without a known word, one of a single letter."""
    texts = [str(text) for text in split["text"][:5]]
    long = (texts[0] + " ") * (MAX_CHARACTERS // (10 * (len(texts[0]) + 1)) + 1)
    return [{"text": text} for text in (*texts, long[:MAX_CHARACTERS], "¡zxqv! 😀", "a")]


def _series_requests(inputs: Inputs, split: Split) -> list[dict]:
    """Histories as they are, a longer one, a flat one, and other horizons and levels."""
    known = inputs.windows(split).history
    histories = known[np.linspace(0, len(known) - 1, 6).astype(int)].tolist()
    flat = [histories[0][0]] * inputs.history
    options = {"horizon": 1, "level": min(0.5, inputs.check_options()[1])}
    requests = [
        {"history": history} for history in (*histories, histories[1][-9:] + histories[0], flat)
    ]
    return [*requests, {"history": histories[0], **options}]


_REQUESTS = {"image": _image_requests, "text": _text_requests, "series": _series_requests}
