// Figures to touch: each page names its module; until it has run, and without scripts, the still picture stays.
const touchScripts = document.currentScript.src;
for (const stage of document.querySelectorAll(".touch .stage"))
  import(new URL(`touch/${stage.dataset.module}.js`, touchScripts)).then(({ figure }) => {
    stage.replaceChildren();
    figure(stage);
  });
