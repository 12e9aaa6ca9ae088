// Ten digits as strokes, for the example: what a visitor could have drawn.

import { SIDE } from "./board.js";

// Points on a field of 100 x 100; a stroke is a smooth curve through its points.
const DIGITS = {
  3: [
    [[28, 20], [48, 10], [70, 22], [64, 40], [44, 48]],
    [[44, 48], [70, 54], [74, 74], [54, 90], [26, 82]],
  ],
  8: [
    [[70, 22], [50, 10], [32, 22], [38, 40], [60, 54], [72, 74]],
    [[72, 74], [50, 90], [28, 74], [40, 54], [62, 40], [70, 22]],
  ],
  5: [[[74, 12], [36, 12]], [[36, 12], [30, 46]], [[30, 46], [54, 40], [74, 54], [72, 78], [48, 90], [24, 80]]],
  2: [[[26, 30], [34, 14], [54, 10], [72, 22], [70, 42], [48, 66], [24, 88]], [[24, 88], [78, 88]]],
  7: [[[24, 14], [76, 14]], [[76, 14], [44, 90]]],
  4: [[[30, 10], [22, 52], [78, 50]], [[66, 12], [60, 90]]],
  9: [[[70, 30], [52, 12], [32, 24], [34, 46], [54, 50], [70, 30]], [[70, 30], [68, 60], [58, 90]]],
  6: [[[66, 12], [40, 30], [26, 58], [32, 84], [54, 90], [72, 74], [64, 56], [44, 54], [28, 68]]],
  0: [[[50, 10], [28, 24], [20, 50], [28, 78], [50, 90], [72, 78], [80, 50], [72, 24], [50, 10]]],
  1: [[[56, 10], [46, 90]]],
};
const ORDER = [3, 8, 5, 2, 7, 4, 9, 6, 0, 1];
const PARTS = 8; // of a curve, between two of its points

/** The strokes of the example with this number; after the last comes the first again. */
export function example(number) {
  return DIGITS[ORDER[number % ORDER.length]].map((points) => curve(points).map(onBoard));
}

/** A Catmull-Rom spline through the points: each span bends towards the neighbours of its ends. */
function curve(points) {
  const point = (i) => points[Math.min(Math.max(i, 0), points.length - 1)];
  const inside = points.slice(1).flatMap((_, i) => {
    const four = [i - 1, i, i + 1, i + 2].map(point);
    return Array.from({ length: PARTS }, (_, part) =>
      [0, 1].map((axis) => bent(part / PARTS, ...four.map((one) => one[axis]))),
    );
  });
  return [...inside, points.at(-1)];
}

/** Where a span from b to c is after its share t; a and d are the neighbours of its ends. */
function bent(t, a, b, c, d) {
  return b + (t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))) / 2;
}

function onBoard(point) {
  return point.map((value) => Math.round((0.15 + 0.007 * value) * SIDE));
}
