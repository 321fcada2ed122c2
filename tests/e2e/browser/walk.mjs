// Walks the page as a person would: upload, wait, ask, go to each citation, look where the player is.
//
//   node walk.mjs BASE_URL SAMPLE SCREENSHOT
//
// Prints one line of JSON; exits with 1 where anything is not as it should be. Nothing but BASE_URL may be called.
// CHROMIUM names another browser than Debian's.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const QUESTION = "When does the cat appear?";
const WATCHED_MS = 240_000;
const SHOWN_MS = 30_000;
const ANSWERED_MS = 120_000;
const NEAR_S = 1.0;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const [base, sample, screenshot] = process.argv.slice(2);
const faults = [];

const check = (isSo, what) => {
  if (!isSo) throw new Error(what);
};

const watchFor = (page) => {
  page.on("pageerror", (error) => faults.push(`error on the page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== new URL(base).origin) faults.push(`called ${url}`);
  });
};

const upload = async (page) => {
  const choosing = page.waitForEvent("filechooser");
  await page.locator("#upload").click();
  await (await choosing).setFiles(sample);
  const done = page.locator('#progress [data-status="ready"], #progress .problem');
  await done.first().waitFor({ timeout: WATCHED_MS });
  check((await page.locator("#progress .problem").count()) === 0, await page.locator("#progress").innerText());
  await page.locator("#timeline button.cube").first().waitFor({ timeout: SHOWN_MS });
  await page.waitForFunction(() => document.getElementById("player").readyState >= HTMLMediaElement.HAVE_METADATA);
};

const ask = async (page) => {
  await page.locator("#question textarea").fill(QUESTION);
  await page.keyboard.press("Tab");
  await page.locator("#ask").click();
  const done = page.locator('#answer [data-done="true"], #answer .problem');
  await done.first().waitFor({ timeout: ANSWERED_MS });
  check((await page.locator("#answer .problem").count()) === 0, await page.locator("#answer").innerText());
  return page.locator("#answer .said").innerText();
};

const inView = (page) =>
  page.evaluate(() => {
    const box = document.getElementById("player").getBoundingClientRect();
    return box.height > 0 && box.top >= -1 && box.bottom <= window.innerHeight + 1;
  });

// Where the player is at the moment it arrives, before playing on takes it further.
const follow = async (page, citation) => {
  const wanted = Number(await citation.getAttribute("data-seek"));
  const arrived = page.evaluate(
    () =>
      new Promise((tell) => {
        const player = document.getElementById("player");
        player.addEventListener("seeked", () => tell(player.currentTime), { once: true });
      }),
  );
  // With the keyboard, as everyone must be able to.
  await citation.focus();
  await page.keyboard.press("Enter");
  const at = await arrived;
  check(Math.abs(at - wanted) <= NEAR_S, `the player is at ${at} s, the citation at ${wanted} s`);
  await page.waitForFunction(() => !document.getElementById("player").paused);
  check(await inView(page), "the player is out of view");
  return { wanted_s: wanted, player_s: at };
};

const walk = async (page) => {
  await page.goto(base);
  await page.locator("#upload").waitFor();
  await upload(page);
  const answer = await ask(page);
  const citations = await page.locator("#citations button.citation").all();
  check(citations.length > 0, "the answer cites nothing");
  const places = [];
  for (const citation of citations) places.push(await follow(page, citation));
  await page.evaluate(() => document.getElementById("player").pause());
  await page.screenshot({ path: screenshot });
  check((await page.title()) === "Longwatch", "words of the video changed the page");
  check(faults.length === 0, faults.join("; "));
  return { answer, places, cubes: await page.locator("#timeline button.cube").count() };
};

const profile = mkdtempSync(join(tmpdir(), "longwatch-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: FLAGS,
  viewport: { width: 1280, height: 920 },
});
try {
  const page = context.pages()[0] ?? (await context.newPage());
  watchFor(page);
  try {
    console.log(JSON.stringify({ ok: true, ...(await walk(page)) }));
  } catch (error) {
    await page.screenshot({ path: screenshot });
    console.log(JSON.stringify({ ok: false, why: error.message, faults }));
    process.exitCode = 1;
  }
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
