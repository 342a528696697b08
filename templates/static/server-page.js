// The page of a server lives: what is said and drawn of it is what the gateway knows now. What waits for approval stays as
// it was loaded: nobody approves what they have not been shown.
"use strict";

(() => {
  const { follow, live } = window.gatehouse;
  const { path } = document.getElementById("live").dataset;
  const offers = document.getElementById("offers-part");

  const renew = live((fresh) => {
    const isOlder = fresh.getElementById("offers-part")?.dataset.fingerprint !== offers.dataset.fingerprint;
    document.getElementById("older").hidden = !isOlder;
    for (const form of document.querySelectorAll("form.held")) form.hidden = isOlder;
  });

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
