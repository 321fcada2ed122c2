// Moves the player to where a button points, and marks the cube that is playing.
// Buttons say where in seconds since the first frame (data-seek) and in which video (data-video).
(() => {
  // What the player's clock shows at the first frame. data-offset is that frame's own timestamp in the file. Chromium 156
  // counts the file's timestamps (MP4, WebM and Matroska files that begin at 5 s, with and without sound before: all
  // seek by them, whatever `seekable` and `duration` say); a browser that counts from the first frame shows 0 there.
  // The first picture tells which, where the browser tells its time at all.
  const clockAtFirstFrame = (player) => Number(player.dataset.base ?? player.dataset.offset);

  const learnClock = (player) => {
    player.requestVideoFrameCallback?.((_now, frame) => {
      const untouched = player.played.length === 0 && player.dataset.sought === undefined;
      if (untouched) player.dataset.base = frame.mediaTime;
    });
  };

  const seek = (player, seconds) => {
    player.dataset.sought = "true";
    player.currentTime = seconds + clockAtFirstFrame(player);
    player.scrollIntoView({ block: "nearest" });
    player.play().catch((error) => {
      // A browser may forbid playing by itself, and a second click interrupts the first: the picture is there anyway.
      if (error.name !== "NotAllowedError" && error.name !== "AbortError") throw error;
    });
  };

  const markPlaying = (player) => {
    const now = player.currentTime - clockAtFirstFrame(player);
    for (const cube of document.querySelectorAll("button.cube")) {
      const playing = Number(cube.dataset.seek) <= now && now < Number(cube.dataset.end);
      if (playing) cube.setAttribute("aria-current", "true");
      else cube.removeAttribute("aria-current");
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-seek]") : null;
    const player = document.getElementById("player");
    if (!button || !player || player.dataset.video !== button.dataset.video) return;
    const go = () => seek(player, Number(button.dataset.seek));
    if (player.readyState >= HTMLMediaElement.HAVE_METADATA) go();
    else player.addEventListener("loadedmetadata", go, { once: true });
  });

  // Media events do not bubble, hence `true`: they are caught on their way down to whichever player there is.
  const onPlayer = (name, act) =>
    document.addEventListener(name, (event) => event.target.id === "player" && act(event.target), true);
  onPlayer("loadedmetadata", learnClock);
  onPlayer("timeupdate", markPlaying);
})();
