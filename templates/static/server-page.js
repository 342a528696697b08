// The page of a server lives: what is said and drawn of it is what the gateway knows now. What somebody has opened or is
// at stays as it is until they let go of it, and what waits for approval until the page is loaded again: nobody approves
// what they have not been shown.
"use strict";

(() => {
  const { enliven, follow } = window.gatehouse;
  const { path } = document.getElementById("live").dataset;
  const offers = document.getElementById("offers-part");

  const isSelected = (part) => {
    const selection = getSelection();
    return selection && !selection.isCollapsed && selection.containsNode(part, true);
  };
  const isHeld = (part) => part.querySelector("details[open]") !== null || part.contains(document.activeElement) || isSelected(part);

  let again = 0;
  let isOwed = false;
  function renew(soon = 250) {
    clearTimeout(again);
    again = setTimeout(async () => {
      if (document.querySelector("dialog[open]")) return renew(1000);
      const response = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
      // Whoever is not signed in any more is asked to be; a server that is gone, or is not theirs to see, says so.
      if (response?.redirected || [403, 404].includes(response?.status)) return location.reload();
      if (!response?.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      isOwed = false;
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        if (!next) continue;
        if (isHeld(part) || document.querySelector("dialog[open]")) {
          isOwed = true;
          continue;
        }
        part.replaceWith(next);
        enliven(next);
      }
      const isOlder = fresh.getElementById("offers-part")?.dataset.fingerprint !== offers.dataset.fingerprint;
      document.getElementById("older").hidden = !isOlder;
      for (const form of document.querySelectorAll("form.held")) form.hidden = isOlder;
    }, soon);
  }

  /* What was held while the rest was renewed follows when it is let go. */
  const settle = () => isOwed && renew();
  document.addEventListener("focusout", settle);
  document.addEventListener("selectionchange", settle);
  document.addEventListener("toggle", settle, true);

  let known = null;
  follow({
    hear(states) {
      const words = JSON.stringify(states[path]);
      if (words === undefined) return;
      // The page was rendered before the first words, and may be older than they are.
      if (words !== known) renew();
      known = words;
    },
    renew,
  });
})();
