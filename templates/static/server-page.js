// The page of a server lives: what is said and drawn of it is what the gateway knows now. What somebody has opened or is
// at stays as it is until the page is loaded again.
"use strict";

(() => {
  const { enliven, follow } = window.gatehouse;
  const OLDEST = 60_000;
  const { path } = document.getElementById("live").dataset;

  let again = 0;
  function renew(soon = 250) {
    clearTimeout(again);
    again = setTimeout(async () => {
      if (document.querySelector("dialog[open]")) return renew(1000);
      const response = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
      // Whoever is not signed in any more is asked to be; a server that is gone, or is not theirs to see, says so.
      if (response?.redirected || [403, 404].includes(response?.status)) return location.reload();
      if (!response?.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        const isHeld = part.querySelector("details[open]") || part.contains(document.activeElement) || part.contains(getSelection()?.anchorNode);
        if (!next || isHeld || document.querySelector("dialog[open]")) continue;
        part.replaceWith(next);
        enliven(next);
      }
    }, soon);
  }

  let known = null;
  follow({
    hear(states) {
      const words = JSON.stringify(states[path]);
      if (words === undefined) return;
      // The page was rendered before the first words, and may be older than they are.
      if (words !== known) renew();
      known = words;
    },
    lost() {},
    again: () => renew(),
  });
  setInterval(() => document.hidden || renew(), OLDEST);
  document.addEventListener("visibilitychange", () => document.hidden || renew());
})();
