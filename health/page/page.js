"use strict";
// Every two seconds, while somebody looks: fetch what the page shows and put in
// place the regions that have changed. When no answer comes, say so; what is
// old must not look new.
(() => {
  const every = 2000;
  const lost = document.getElementById("lost");
  let timer = 0;
  let asking = false;
  let heard = Date.now();

  // A region in which somebody is selecting, say the command of a fix, stays
  // for that long as it is.
  function selecting(region) {
    const s = document.getSelection();
    return s && !s.isCollapsed && region.contains(s.anchorNode);
  }

  function show(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    const now = parsed.getElementById("main");
    const main = document.getElementById("main");
    if (!now) throw new Error("no page in the answer");
    if (now.dataset.build !== main.dataset.build) {
      location.reload(); // another version of the agent
      return;
    }
    for (const region of main.querySelectorAll("[data-region]")) {
      const next = parsed.getElementById(region.id);
      if (next && next.innerHTML !== region.innerHTML && !selecting(region)) {
        region.innerHTML = next.innerHTML;
      }
    }
    Object.assign(main.dataset, now.dataset);
    main.querySelector(".node").textContent = now.querySelector(".node").textContent;
    document.title = now.dataset.title;
    const icon = document.getElementById("icon");
    if (icon.getAttribute("href") !== now.dataset.icon) icon.setAttribute("href", now.dataset.icon);
  }

  function alive(yes) {
    document.body.classList.toggle("lost", !yes);
    lost.hidden = yes;
    if (!yes) {
      const s = Math.round((Date.now() - heard) / 1000);
      lost.textContent = "No answer from the agent for " + s + " s. What is below is that old.";
    }
  }

  async function turn() {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await fetch("?fragment", { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.text());
      heard = Date.now();
      alive(true);
    } catch {
      alive(false);
    }
    asking = false;
    timer = setTimeout(turn, every);
  }

  document.addEventListener("visibilitychange", turn);
  timer = setTimeout(turn, every);
})();
