// Part I: seven descents in the plane; drag the start and the auxiliary task's goal, or move them with the arrow keys.
import { DASHES, add, canvas, colour, says } from "./parts.js";

const dot = ([a, b], [c, d]) => a * c + b * d;
const mix = (a, u, b, v) => [a * u[0] + b * v[0], a * u[1] + b * v[1]];
const ratio = (over, under) => (under === 0 ? 0 : over / under);

// What is kept of the auxiliary gradient u beside the main gradient v; u itself where v is zero and the rule compares.
export const RULES = {
  single_task: () => [0, 0],
  multitask: u => u,
  unweighted_cosine: (u, v) => (dot(u, v) > 0 ? u : [0, 0]),
  weighted_cosine: (u, v) => mix(ratio(Math.max(dot(u, v), 0), Math.sqrt(dot(u, u) * dot(v, v))), u, 0, v),
  projection: (u, v) => mix(1, u, ratio(Math.max(-dot(u, v), 0), dot(v, v)), v),
  orthogonal: (u, v) => mix(1, u, ratio(-dot(u, v), dot(v, v)), v),
  parameterwise: (u, v) => u.map((x, i) => (x * (Math.sign(x) * Math.sign(v[i]) + 1)) / 2),
};

export const descend = (rule, start, goal, { weight = 0.1, rate = 0.01, steps = 5000 } = {}) => {
  const path = [start];
  for (let step = 0; step < steps; step++) {
    const x = path[path.length - 1], norm = Math.hypot(...x), u = mix(2, x, -2, goal);
    const v = norm === 0 ? [0, 0] : mix((2 * (norm - 1)) / norm, x, 0, x);
    const kept = rule === "single_task" || dot(v, v) > 0 ? RULES[rule](u, v) : u;
    path.push(mix(1, x, -rate, mix(1, v, weight, kept)));
  }
  return path;
};

export const figure = stage => {
  const points = { start: [0, 2], goal: [2, 0] }, size = 400, scale = 85, centre = [205, 200];
  const place = ([x, y]) => [centre[0] + scale * x, centre[1] - scale * y];
  const picture = canvas(stage, 640, size, "Seven paths in the plane, one for each rule", "group"), tell = says(stage);
  const paths = add(picture, "g");

  const draw = () => {
    paths.replaceChildren();
    const [x, y] = place([0, 0]);
    add(paths, "circle", { cx: x, cy: y, r: scale, class: "ring" });
    const ends = Object.keys(RULES).map((rule, number) => {
      const path = descend(rule, points.start, points.goal), style = { stroke: colour(number), "stroke-dasharray": DASHES[number] };
      const line = path.filter((_, step) => step % 20 === 0).map(place).map(at => at.map(value => value.toFixed(1)));
      add(paths, "polyline", { points: line.map(at => at.join()).join(" "), ...style });
      add(paths, "line", { x1: 455, x2: 485, y1: 40 + 24 * number, y2: 40 + 24 * number, ...style });
      add(paths, "text", { x: 492, y: 45 + 24 * number }, rule.replace("_", " "));
      const end = path[path.length - 1], loss = (Math.hypot(...end) - 1) ** 2;
      return `${rule.replace("_", " ")} (${end.map(value => value.toFixed(2)).join(", ")}), main loss ${loss.toFixed(3)}`;
    });
    tell(`Ends after 5,000 steps: ${ends.join("; ")}.`);
  };

  for (const [name, label] of [["start", "start of the descents"], ["goal", "goal of the auxiliary task"]]) {
    const caption = add(picture, "text", { class: "small", "text-anchor": "middle" }, name === "start" ? "start" : "auxiliary goal");
    const handle = add(picture, "circle", { r: 9, tabindex: 0, class: `handle ${name}`, role: "slider", "aria-label": label });
    const move = at => {
      points[name] = at.map(value => Math.min(2.1, Math.max(-2.1, value)));
      [["cx", 0], ["cy", 1]].forEach(([key, axis]) => handle.setAttribute(key, place(points[name])[axis]));
      [["x", 0], ["y", -14]].forEach(([key, off], axis) => caption.setAttribute(key, place(points[name])[axis] + off));
      handle.setAttribute("aria-valuetext", points[name].map(value => value.toFixed(1)).join(", "));
      handle.setAttribute("aria-valuenow", points[name][0].toFixed(1));
    };
    move(points[name]);
    handle.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key];
      if (!step) return;
      event.preventDefault();
      move(mix(1, points[name], 1, step));
      draw();
    });
    handle.addEventListener("pointerdown", event => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", event => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = picture.getBoundingClientRect(), unit = 640 / box.width;
      move([((event.clientX - box.left) * unit - centre[0]) / scale, (centre[1] - (event.clientY - box.top) * unit) / scale]);
      draw();
    });
  }
  draw();
};
