// Files that are chosen, or dropped on the part of the page that asks for them.

/** What cannot be read, in words for the person who gave it. */
export class Unreadable extends Error {}

/** take(file): called with each file that is chosen in `area` or dropped on it. */
export function takesFiles(area, take) {
  const field = area.querySelector("input[type=file]");
  field.addEventListener("change", () => {
    const [file] = field.files;
    if (file) take(file);
    field.value = ""; // so that the same file can be chosen again
  });
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) area.classList.remove("over");
  });
  area.addEventListener("drop", (event) => {
    area.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (!file) return; // dropped words are for the field below
    event.preventDefault();
    take(file);
  });
}

const MOST_BYTES = 16 << 20; // of a picture
// How files begin, by what they are; a point stands for any sign.
const KINDS = [
  [/^\x89PNG/, "image/png"],
  [/^\xff\xd8\xff/, "image/jpeg"],
  [/^RIFF.{4}WEBP/s, "image/webp"],
  [/^%PDF/, "a PDF document", "Save the picture that is in it as PNG or JPEG, and choose that."],
  [/^.{4}ftyp(hei|hev|mif|msf)/s, "a HEIC picture, as telephones take them", "Export it as JPEG, and choose that."],
  [/^.{4}ftypavi/s, "an AVIF picture", "Save it as PNG or JPEG, and choose that."],
  [/^GIF8/, "a GIF", "Save it as PNG, and choose that."],
  [/^BM.{4}\0{4}|^II\*\0|^MM\0\*/s, "a BMP or TIFF picture", "Save it as PNG, and choose that."],
  [/^\s*<(\?xml|svg)/, "a drawing in SVG", "Export it as PNG, and choose that."],
  [/^PK\x03\x04/, "a ZIP archive or an office document", "Choose what is in it: a picture, or a table saved as CSV."],
];

/** Returns a picture with its true type; throws an Unreadable for any other file. */
export async function pictureOf(file) {
  if (file.size > MOST_BYTES) throw new Unreadable("This file is too large: a picture may have 16 MiB.");
  const [type, remedy] = await kindOf(file);
  if (type?.startsWith("image/")) return file.slice(0, file.size, type);
  const words = "This file is no picture that can be read. Choose a PNG, JPEG or WebP.";
  throw new Unreadable(type ? `This is ${type}. ${remedy}` : words);
}

/** Returns the text of a file with numbers; throws an Unreadable for what is no text. */
export async function textOf(file, most) {
  if (file.size > most) throw new Unreadable(`This file is too large: at most ${most >> 20} MiB are allowed.`);
  const [type, remedy] = await kindOf(file);
  if (type?.startsWith("image/")) throw new Unreadable("This is a picture. Choose a table (CSV), or a text with numbers.");
  if (type) throw new Unreadable(`This is ${type}. ${remedy}`);
  const text = await file.text();
  if (text.includes("\0")) throw new Unreadable("This file is no text. Choose a table (CSV), or a text with numbers.");
  return text;
}

/** Returns what a file is by how it begins, and what to do about it. */
async function kindOf(file) {
  if (file.size === 0) throw new Unreadable("This file is empty.");
  const begin = String.fromCharCode(...new Uint8Array(await file.slice(0, 16).arrayBuffer()));
  return (KINDS.find(([form]) => form.test(begin)) ?? [null, null]).slice(1);
}
