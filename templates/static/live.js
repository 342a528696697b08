// Parts of a page that are what the gateway knows now (`data-live`, with an id). What somebody has opened or is at stays as
// it is until they let go of it.
"use strict";

(() => {
  const { enliven } = window.gatehouse;

  const isSelected = (part) => {
    const selection = getSelection();
    return selection && !selection.isCollapsed && selection.containsNode(part, true);
  };
  const isHeld = (part) => part.querySelector("details[open]") !== null || part.contains(document.activeElement) || isSelected(part);
  const isAsked = () => document.querySelector("dialog[open]") !== null;

  /* What came last of each part: one that is the same is left alone, and nothing in it is read out again. */
  const known = new Map();
  for (const part of document.querySelectorAll("[data-live]")) known.set(part.id, part.outerHTML);

  /** What renews the parts, a moment after it is called; `seen` is told the page as it is now. */
  function live(seen = () => {}) {
    let again = 0;
    let isOwed = false;
    function renew(soon = 250) {
      clearTimeout(again);
      again = setTimeout(async () => {
        if (isAsked()) return renew(1000);
        const response = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
        // Whoever is not signed in any more is asked to be; what is gone, or is not theirs to see, says so.
        if (response?.redirected || [403, 404].includes(response?.status)) return location.reload();
        if (!response?.ok) return;
        const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
        isOwed = false;
        for (const part of document.querySelectorAll("[data-live]")) {
          const next = fresh.getElementById(part.id);
          const words = next?.outerHTML;
          if (!next || words === known.get(part.id)) continue;
          if (isHeld(part) || isAsked()) {
            isOwed = true;
            continue;
          }
          known.set(part.id, words);
          part.replaceWith(next);
          enliven(next);
        }
        seen(fresh);
      }, soon);
    }
    /* What was held while the rest was renewed follows when it is let go. */
    const settle = () => isOwed && renew();
    document.addEventListener("focusout", settle);
    document.addEventListener("selectionchange", settle);
    document.addEventListener("toggle", settle, true);
    return () => renew();
  }

  window.gatehouse.live = live;

  /* Where no feed tells of changes the page says how often it is renewed, in seconds. */
  const { every } = document.querySelector("[data-every]")?.dataset ?? {};
  if (every) {
    const renew = live();
    const seen = () => document.hidden || renew();
    setInterval(seen, every * 1000);
    document.addEventListener("visibilitychange", seen);
  }
})();
