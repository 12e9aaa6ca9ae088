// A series, its forecast and the interval around it, as SVG.

import { drawn, element } from "./elements.js";

const HEIGHT = 280;
const MARGIN = { top: 8, right: 18, bottom: 40 };
const LETTER = 7.5; // about how wide a digit of the axis is

/**
 * Returns a figure that draws itself as wide as it stands, so that its letters keep their size.
 * series: { history, forecast, lower, upper, level }
 */
export function chart(series) {
  const svg = drawn("svg", { role: "img", "aria-label": described(series) });
  const figure = element("figure", { class: "chart" }, keys(series.level), svg);
  new ResizeObserver(() => draw(svg, series, figure.clientWidth)).observe(figure);
  return figure;
}

/** Returns the forecast as a table, to read or copy. */
export function table({ forecast, lower, upper, times }) {
  const head = [times ? "time" : "step", "lower", "forecast", "upper"].map((name) =>
    element("th", { scope: "col" }, name),
  );
  const span = (Math.max(...upper) - Math.min(...lower)) / 10; // one digit more than in the verdict
  const rows = forecast.map((value, step) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, times ? clock(times[step]) : `${step + 1}`),
      ...[lower[step], value, upper[step]].map((one) => element("td", {}, number(one, span))),
    ),
  );
  const thead = element("thead", {}, element("tr", {}, ...head));
  return element("table", {}, thead, element("tbody", {}, ...rows));
}

/** A time without the second where it is a whole minute: 2026-11-29 14:05 */
export function clock(time) {
  return time.replace("T", " ").replace(/(:\d\d):00(?=$|[+-])/, "$1");
}

/** A value with five digits; or as many decimals as mean something in a span of values. */
export function number(value, span) {
  if (!(span > 0)) return value.toLocaleString("en", { maximumSignificantDigits: 5 });
  const decimals = Math.min(Math.max(2 - Math.floor(Math.log10(span)), 0), 12);
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return value.toLocaleString("en", digits);
}

function described({ history, forecast, lower, upper, level }) {
  const end = forecast.length - 1;
  return (
    `Chart: ${history.length} observed values, the last ${number(history.at(-1))}; ` +
    `${forecast.length} forecast values, the last ${number(forecast[end])}, ` +
    `its ${100 * level} % interval from ${number(lower[end])} to ${number(upper[end])}.`
  );
}

function keys(level) {
  const key = (kind, words) => element("span", { class: kind }, element("i"), words);
  return element(
    "figcaption",
    { class: "keys" },
    key("known", "observed"),
    key("ahead", "forecast"),
    key("area", `its ${100 * level} % interval`),
  );
}

function draw(svg, { history, forecast, lower, upper }, width) {
  const ticks = ticksBetween(Math.min(...history, ...lower), Math.max(...history, ...upper), 5);
  const left = LETTER * Math.max(...ticks.map((tick) => number(tick).length)) + 8;
  const bottom = HEIGHT - MARGIN.bottom;
  // The last observed value is at 0, the first forecast at 1.
  const first = 1 - history.length;
  const x = scale(first, forecast.length, left, width - MARGIN.right);
  const y = scale(ticks[0], ticks.at(-1), bottom, MARGIN.top);
  const line = (values, from) => values.map((value, i) => `${x(from + i)},${y(value)}`).join(" ");

  // The forecast starts at the last observed value.
  const last = history.at(-1);
  const edge = line([last, ...upper], 0);
  const back = line([last, ...lower], 0).split(" ").reverse().join(" ");
  const known = ticksBetween(first, 0, width < 480 ? 3 : 6);
  const steps = [...known.filter((step) => Number.isInteger(step) && step >= first), forecast.length];

  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(
    ...ticks.flatMap((tick) => [
      drawn("line", { class: "grid", x1: left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
      words(number(tick), left - 8, y(tick) + 4, "end"),
    ]),
    ...steps.map((step) => words(ahead(step), x(step), bottom + 18, "middle")),
    words("steps from the last known value", (left + width) / 2, HEIGHT - 3, "middle"),
    drawn("line", { class: "now", x1: x(0), x2: x(0), y1: MARGIN.top, y2: bottom }),
    drawn("polygon", { class: "band", points: `${edge} ${back}` }),
    drawn("polyline", { class: "line history", points: line(history, first) }),
    drawn("polyline", { class: "line forecast", points: line([last, ...forecast], 0) }),
  );
}

function ahead(step) {
  return step > 0 ? `+${step}` : number(step);
}

function words(text, x, y, anchor) {
  return drawn("text", { x, y, "text-anchor": anchor }, text.replace("-", "−"));
}

function scale(from, to, start, end) {
  return (value) => round(start + ((value - from) / (to - from || 1)) * (end - start));
}

/** About `count` round numbers, the first at or below `low`, the last at or above `high`. */
function ticksBetween(low, high, count) {
  const rough = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks.length > 1 ? ticks : [ticks[0], ticks[0] + step];
}

function round(value) {
  return Math.round(value * 100) / 100;
}
