// What the figures to touch share: elements of SVG, sliders and choices with labels, colours that differ in dashes too.
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "currentColor"];
export const DASHES = ["", "6 3", "2 2", "8 2 2 2", "1 3", "10 4", "4 1 1 1"];
export const colour = number => COLOURS[number % COLOURS.length];

export const add = (parent, name, attributes = {}, text = "") => {
  const element = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
};

export const canvas = (stage, width, height, label, role = "img") =>
  add(stage, "svg", { viewBox: `0 0 ${width} ${height}`, role, "aria-label": label });

// Two halves of a picture, 320 wide: beside each other, or below each other where the page is narrow.
export const halves = (stage, height, label, role, below = height) => {
  const narrow = stage.clientWidth < 480, picture = canvas(stage, narrow ? 320 : 640, narrow ? height + below : height, label, role);
  return [add(picture, "g"), add(picture, "g", { transform: `translate(${narrow ? [0, height] : [320, 0]})` })];
};

const labelled = (form, text, input) => {
  const label = form.appendChild(document.createElement("label"));
  label.append(`${text} `, input);
  return input;
};

export const slider = (form, text, { min, max, step, value }, changed) => {
  const input = Object.assign(document.createElement("input"), { type: "range", min, max, step });
  input.value = value;
  labelled(form, text, input).addEventListener("input", () => changed(Number(input.value)));
  return input;
};

export const choice = (form, text, options, changed) => {
  const select = document.createElement("select");
  for (const option of options) select.add(new Option(option, option));
  labelled(form, text, select).addEventListener("change", () => changed(select.value));
};

export const switched = (form, text, changed) => {
  const input = Object.assign(document.createElement("input"), { type: "checkbox" });
  labelled(form, text, input).addEventListener("change", () => changed(input.checked));
};

export const says = (stage, seen = true) => {
  const output = stage.appendChild(document.createElement("output"));
  output.classList.toggle("visually-hidden", !seen);
  output.setAttribute("aria-live", "polite");
  return text => { output.textContent = text; };
};

export const random = seed => () => { // mulberry32: the same numbers in every browser
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
