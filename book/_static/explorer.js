// Explorers: radio buttons move through the cells of a study, every run is a dot. The page brings numbers and words.
for (const explorer of document.querySelectorAll(".explorer")) {
  const { axis, controls, cells } = JSON.parse(explorer.querySelector("script").textContent);
  const [form, output, picture, held] = ["form", "output", "svg", ".held"].map(part => explorer.querySelector(part));
  const groups = [...form.querySelectorAll("fieldset")];

  // a cell's place says of each control which option; options hold undefined where no run is
  const chosen = () => groups.map(group => Number(group.querySelector(":checked").value));
  const apart = (one, other) => one.filter((option, control) => option !== other[control]).length;
  const options = (at, control) => controls[control].options.map((_, option) =>
    cells.find(cell => apart(cell.at, Object.assign([...at], { [control]: option })) === 0));

  const reach = ({ mean, deviation }) => [mean - deviation, mean + deviation];
  const measured = groups.map((_, control) => options(chosen(), control).filter(Boolean).length);
  let along = measured.indexOf(Math.max(...measured)); // the control whose options are the rows of the picture

  const nearest = at => {
    const candidates = cells.filter(cell => cell.at[along] === at[along]);
    const [near] = candidates.sort((one, other) => apart(one.at, at) - apart(other.at, at));
    const names = controls.map(({ label, options }, control) => `${label} ${options[(near?.at ?? at)[control]]}`);
    const others = names.filter((_, control) => near && near.at[control] !== at[control]);
    return near ? `The nearest cell with runs has ${others.join(", ")}.` : `No run has ${names[along]}.`;
  };

  const add = (name, attributes, text = "", parent = picture) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return parent.appendChild(element);
  };

  const addSpread = (numbers, x, y) => {
    const [from, to] = reach(numbers).map(x);
    add("line", { x1: from, x2: to, y1: y, y2: y, class: "spread" });
  };

  const addCell = ({ seeds, values, mean, published, ...cell }, x, y) => {
    values.forEach((value, run) =>
      add("title", {}, `seed ${seeds[run]}: ${value.toFixed(4)}`, add("circle", { cx: x(value), cy: y, r: 4.5 })));
    addSpread({ mean, ...cell }, x, y);
    add("line", { x1: x(mean), x2: x(mean), y1: y - 8, y2: y + 8, class: "mean" });
    if (!published) return;
    addSpread(published, x, y + 14);
    add("path", { d: `M${x(published.mean) - 5} ${y + 14}l5-5 5 5-5 5z`, class: "published" });
  };

  const draw = () => {
    const at = chosen(), rows = options(at, along), { label, options: names } = controls[along];
    const numbers = rows.filter(Boolean)
      .flatMap(cell => [...cell.values, ...reach(cell), ...reach(cell.published ?? cell)]);
    const margin = (Math.max(...numbers) - Math.min(...numbers)) / 20 || 0.01;
    const low = Math.min(...numbers) - margin, high = Math.max(...numbers) + margin;
    const top = 20, height = 38, bottom = top + height * rows.length, width = form.clientWidth;
    const left = 16 + 7.5 * Math.max(...names.map(name => name.length)); // pixels of a letter, about
    const x = value => left + (width - left - 8) * (value - low) / (high - low);

    picture.replaceChildren();
    picture.setAttribute("width", width);
    picture.setAttribute("height", bottom + 44);
    picture.setAttribute("aria-label", `${axis} by ${label}, the other choices as they stand`);
    add("text", { x: 4, y: 13, class: "title" }, label);
    for (const value of numbers.length ? ticks(low, high, (width - left) / 90) : []) {
      add("line", { x1: x(value), x2: x(value), y1: top, y2: bottom, class: "grid" });
      add("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, value);
    }
    add("text", { x: (left + width) / 2, y: bottom + 36, "text-anchor": "middle", class: "title" }, axis);
    rows.forEach((cell, option) => {
      const y = top + height * option, here = option === at[along];
      if (here) add("rect", { x: 0, y, width, height, class: "here" });
      add("text", { x: 4, y: y + 20, class: here ? "title" : "" }, names[option]);
      if (cell) addCell(cell, x, y + 15);
      else add("text", { x: left, y: y + 20, class: "none" }, "not measured");
    });
  };

  const show = () => {
    const at = chosen(), here = options(at, along)[at[along]];
    output.textContent = here ? here.words : `Not measured. ${nearest(at)}`;
    held.textContent = here ? `Held fixed: ${here.held}.` : "";
    groups.forEach((group, control) => options(at, control).forEach((cell, option) =>
      group.querySelectorAll("label")[option].classList.toggle("unmeasured", !cell)));
    draw();
  };

  form.addEventListener("change", ({ target }) => {
    along = groups.indexOf(target.closest("fieldset"));
    show();
  });
  form.addEventListener("submit", event => event.preventDefault()); // the Enter key
  new ResizeObserver(draw).observe(form);
  explorer.hidden = false;
  explorer.nextElementSibling.open = false;
  show();
}

// round numbers between the two, about so many
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(step => step >= rough);
  const first = Math.ceil(low / step), last = Math.floor(high / step);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from({ length: last - first + 1 }, (_, number) => ((first + number) * step).toFixed(digits));
}
