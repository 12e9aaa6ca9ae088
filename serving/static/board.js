// The drawing board: strokes by finger, pen or mouse, or by the keys alone.

import { drawn } from "./elements.js";

export const SIDE = 280; // of the board's own coordinates; a stroke is a list of points [x, y]

const STEP = 10; // of one press of an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Makes `svg` a board. Returns { show(strokes), undo() }.
 * pen: the element that says to those who draw by keys whether the pen is down.
 * changed(strokes, byHand): called when a stroke has ended, byHand, or the board shows others.
 */
export function board(svg, pen, changed) {
  let strokes = [];
  let stroke = null; // the one that is being drawn
  let at = [SIDE / 2, SIDE / 4]; // where the pen of the keys stands

  const lines = drawn("g");
  const cursor = drawn("circle", { r: 9 });
  svg.replaceChildren(lines, cursor);

  function begin(point) {
    stroke = [point];
    strokes.push(stroke);
    draw();
  }

  function go(point) {
    stroke.push(point);
    draw();
  }

  function end() {
    if (!stroke) return;
    stroke = null;
    draw();
    changed(strokes, true);
  }

  function show(given) {
    stroke = null;
    strokes = given;
    draw();
    changed(strokes, false);
  }

  function draw() {
    // A dot is a line of no length: its round ends are what is seen.
    const all = strokes.map((points) => (points.length > 1 ? points : [points[0], points[0]]));
    lines.replaceChildren(...all.map((points) => drawn("polyline", { points: points.join(" ") })));
    cursor.setAttribute("cx", at[0]);
    cursor.setAttribute("cy", at[1]);
    cursor.classList.toggle("down", stroke !== null);
  }

  function place(event) {
    const box = svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((distance) =>
      kept((distance / box.width) * SIDE),
    );
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    end(); // of a stroke that the keys began
    svg.setPointerCapture(event.pointerId);
    begin(place(event));
  });
  svg.addEventListener("pointermove", (event) => {
    if (stroke && svg.hasPointerCapture(event.pointerId)) go(place(event));
  });
  svg.addEventListener("pointerup", end);
  svg.addEventListener("pointercancel", end);
  svg.addEventListener("blur", end);

  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ARROWS) {
      at = at.map((value, axis) => kept(value + STEP * ARROWS[event.key][axis]));
      if (stroke) go(at);
      else draw();
    } else if (event.key === " ") {
      if (stroke) end();
      else begin(at);
      pen.textContent = stroke ? "The pen is down." : "The pen is up.";
    } else if (event.key === "Backspace") {
      undo();
    } else {
      return;
    }
    event.preventDefault(); // the page must not scroll meanwhile
  });

  function undo() {
    show(strokes.slice(0, -1));
  }

  draw();
  return { show, undo };
}

function kept(value) {
  return Math.round(Math.min(Math.max(value, 0), SIDE));
}
