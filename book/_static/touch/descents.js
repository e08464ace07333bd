// Part I: seven descents in the plane; drag the start and the auxiliary task's goal, or move them with the arrow keys.
import { DASHES, add, colour, halves, says } from "./parts.js";

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

const STEPS = 5000, SECONDS = 4;

export const figure = stage => {
  const points = { start: [0, 2], goal: [2, 0] }, scale = 66, centre = [150, 160];
  const place = ([x, y]) => [centre[0] + scale * x, centre[1] - scale * y];
  const [plane, legend] = halves(stage, 315, "Seven paths in the plane, one for each rule", "group", 215), tell = says(stage, false);
  add(plane, "circle", { cx: centre[0], cy: centre[1], r: scale, class: "ring" });
  const rules = Object.keys(RULES).map((rule, number) => {
    const style = { stroke: colour(number), "stroke-dasharray": DASHES[number] }, y = 40.5 + 26 * number;
    add(legend, "line", { x1: 20, x2: 56, y1: y, y2: y, ...style });
    const line = add(plane, "polyline", style), end = add(plane, "circle", { r: 4, fill: colour(number) });
    return { rule, name: rule.replace("_", " "), line, end, label: add(legend, "text", { x: 64, y: y + 4.5 }) };
  });

  const show = step => { // the descents up to this step
    for (const { path, line, end } of rules) {
      const seen = path.slice(0, step + 1), last = place(seen[seen.length - 1]);
      const corners = [...seen.filter((_, each) => each % 20 === 0).map(place), last];
      line.setAttribute("points", corners.map(at => at.map(value => value.toFixed(1)).join()).join(" "));
      [["cx", 0], ["cy", 1]].forEach(([key, axis]) => end.setAttribute(key, last[axis].toFixed(1)));
    }
  };
  const draw = () => {
    const ends = rules.map(each => {
      each.path = descend(each.rule, points.start, points.goal, { steps: STEPS });
      const end = each.path[STEPS], at = `(${end.map(value => value.toFixed(2).replace(/^-(0\.00)$/, "$1")).join(", ")})`;
      each.label.textContent = `${each.name} ${at}`;
      return `${each.name} ${at}, main loss ${((Math.hypot(...end) - 1) ** 2).toFixed(3)}`;
    });
    show(STEPS);
    tell(`Ends after ${STEPS.toLocaleString("en")} steps: ${ends.join("; ")}.`);
  };

  let touched = matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const [name, label, caption] of [["start", "start of the descents", "start"], ["goal", "goal of the auxiliary task", "auxiliary goal"]]) {
    const words = add(plane, "text", { class: "small", "text-anchor": "middle" }, caption);
    const handle = add(plane, "circle", { r: 9, tabindex: 0, class: `handle ${name}`, role: "slider", "aria-label": label });
    const move = at => {
      points[name] = at.map(value => Math.min(2.1, Math.max(-2.1, value)));
      [["cx", 0], ["cy", 1]].forEach(([key, axis]) => handle.setAttribute(key, place(points[name])[axis]));
      [["x", 0], ["y", -14]].forEach(([key, off], axis) => words.setAttribute(key, place(points[name])[axis] + off));
      handle.setAttribute("aria-valuetext", points[name].map(value => value.toFixed(1)).join(", "));
      handle.setAttribute("aria-valuenow", points[name][0].toFixed(1));
    };
    const moved = at => { touched = true; move(at); draw(); };
    move(points[name]);
    handle.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key];
      if (!step) return;
      event.preventDefault();
      moved(mix(1, points[name], 1, step));
    });
    handle.addEventListener("pointerdown", event => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", event => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(plane.getScreenCTM().inverse());
      moved([(x - centre[0]) / scale, (centre[1] - y) / scale]);
    });
  }
  draw();

  // Once, the descents run: slowly at first, when steps are long; then a reader's hand is faster.
  let began;
  const run = now => {
    began ??= now;
    const done = Math.min((now - began) / (1000 * SECONDS), 1);
    if (touched) return;
    show(Math.round(STEPS * done ** 3));
    if (done < 1) requestAnimationFrame(run);
  };
  if (!touched) requestAnimationFrame(run);
};
