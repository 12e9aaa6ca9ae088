// Class probabilities as bars.

import { percent } from "./answer.js";
import { element } from "./elements.js";

const SHOWN = 12;

/** A list of bars: every class in its own order, or of many the likeliest. */
export function bars(probabilities, label) {
  let rows = Object.entries(probabilities);
  const left = rows.length - SHOWN;
  if (left > 0) rows = rows.sort((one, other) => other[1] - one[1]).slice(0, SHOWN);
  const lines = rows.map(([name, share]) => bar(name, share, name === label));
  const list = element("ol", { class: "bars" }, ...lines);
  const rest = element("p", { class: "quiet small" }, `and ${left} more classes`);
  return left > 0 ? [list, rest] : [list];
}

function bar(name, share, best) {
  const filled = element("i");
  filled.style.width = `${100 * share}%`;
  return element(
    "li",
    best ? { class: "best" } : {},
    element("span", {}, name),
    element("span", { class: "rail", "aria-hidden": "true" }, filled),
    element("span", { class: "share" }, percent(share)),
  );
}
