// The theme's menu folds below an arrow; software that reads aloud needs its name.
addEventListener("DOMContentLoaded", () => {
  for (const fold of document.querySelectorAll("nav summary"))
    fold.ariaLabel = `Pages of ${fold.closest("li").querySelector("a").textContent.trim()}`;
});
