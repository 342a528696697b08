// The feed of how servers are: everything at first, then what changes. It is opened again whenever it breaks off, and the
// word `live` says whether this page hears of changes as they happen.
"use strict";

(() => {
  /* What the feed has no word for, a new name say, is seen within so many milliseconds at the latest. */
  const OLDEST = 60_000;
  let isLive = false;

  function dot() {
    const feed = document.getElementById("feed");
    if (!feed) return;
    feed.className = `state ${isLive ? "good" : "off"}`;
    feed.textContent = isLive ? "live" : "offline";
  }

  /**
   * `hear` is told states by path, and `lost` that what was heard may be old. `renew` is told when the page is older than it
   * may be: the feed is back, somebody turns to the page, or a minute has gone by.
   */
  function follow({ hear, lost, renew }) {
    let waits = 500;
    let isAgain = false;
    function listen() {
      const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/health_status`);
      let opened = false;
      socket.addEventListener("open", () => {
        opened = true;
        waits = 500;
        isLive = true;
        dot();
        if (isAgain) renew();
      });
      socket.addEventListener("message", (event) => {
        try {
          hear(JSON.parse(event.data));
        } catch { /* Not ours: the next one is. */ }
      });
      socket.addEventListener("close", () => {
        isLive = false;
        dot();
        isAgain = true;
        if (opened) lost?.();
        // Each wait is twice the one before, and no two pages come back at once.
        setTimeout(listen, waits * (0.75 + Math.random() / 2));
        waits = Math.min(waits * 2, 30_000);
      });
    }
    listen();
    const seen = () => document.hidden || renew();
    setInterval(seen, OLDEST);
    document.addEventListener("visibilitychange", seen);
  }

  follow.dot = dot;
  window.gatehouse.follow = follow;
})();
