// What is wider than the page scrolls, so keys must reach it; the theme sees to code, outputs and tables itself.
const watcher = new ResizeObserver(entries => {
  for (const {target} of entries) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
});
addEventListener("load", () => window.MathJax?.startup?.promise.then(() => {
  for (const wide of document.querySelectorAll('mjx-container[display="true"], .cell_output figure'))
    watcher.observe(wide);
}));
