// From what a person pastes or loads to the numbers of a series.

import { Unreadable } from "./files.js";

/**
 * Returns the numbers in a text.
 *
 * A table is known by its header, or by a first column of words or times: its column "value"
 * counts, else the last column of numbers. Anything else is a list, in the order of reading.
 * Where semicolons or tabs part the fields, a comma is a decimal point.
 */
export function numbersOf(text) {
  const mark = /[;\t]/.test(text) ? /[;\t]/ : /,/.test(text) ? /,/ : /\s+/;
  const point = mark.source.includes(";");
  const rows = text
    .split(/\r\n|\r|\n/)
    .map((line, i) => ({ line: i + 1, fields: fieldsOf(line, mark, point) }))
    .filter(({ fields }) => fields.length > 0);
  if (rows.length === 0) throw new Unreadable("Enter at least one number.");
  return isTable(rows) ? column(rows) : list(rows);
}

function fieldsOf(line, mark, point) {
  const fields = line.trim().split(mark).map((field) => field.trim().replace(/^"(.*)"$/, "$1"));
  while (fields.at(-1) === "") fields.pop(); // a line that ends with a comma
  return point ? fields.map((field) => field.replace(/^([-+]?\d+),(\d+)$/, "$1.$2")) : fields;
}

function isNumber(field) {
  return field !== "" && Number.isFinite(Number(field));
}

function isTable(rows) {
  const stamped = rows.every(({ fields }) => fields.length > 1 && !isNumber(fields[0]));
  return rows.length > 1 && (isTitled(rows) || stamped);
}

function isTitled(rows) {
  return !rows[0].fields.some(isNumber);
}

function column(rows) {
  const titles = rows[0].fields.map((field) => field.toLowerCase());
  const body = isTitled(rows) ? rows.slice(1) : rows;
  const place = titles.includes("value") ? titles.indexOf("value") : lastOfNumbers(body);
  return body.map(({ line, fields }) => read(fields[place] ?? "", line));
}

/** The last column that holds numbers in the first row: a later row that does not is a mistake. */
function lastOfNumbers(body) {
  const place = body[0].fields.findLastIndex(isNumber);
  if (place < 0) throw new Unreadable("The table has no column of numbers.");
  return place;
}

function list(rows) {
  return rows.flatMap(({ line, fields }) =>
    fields.flatMap((field) => field.split(/\s+/)).map((field) => read(field, line)),
  );
}

function read(field, line) {
  if (!isNumber(field)) {
    const shown = field === "" ? "nothing" : `“${field.slice(0, 30)}”`;
    throw new Unreadable(`Line ${line} holds ${shown} where a number is needed.`);
  }
  return Number(field);
}
