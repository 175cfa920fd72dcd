// The page of `matrix -o html`, as its readers use it: what is wrong ends this with a sentence.
//
// node page.mjs BROWSER PAGE FOLDER: in the folder the screenshots are left.
import assert from "node:assert/strict";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(path.join(process.env.NODE_PATH, "x"))("playwright-core");
const [, , executablePath, file, folder] = process.argv;
const url = pathToFileURL(file).href;
// Nobody but this test talks to the browser, and in a container it may be root.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

const problems = [];
async function open(width, height, colorScheme, hash = "") {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => problems.push(message.text()));
  page.on("dialog", (dialog) => { problems.push("a dialog: " + dialog.message()); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith(url)) problems.push("asks for " + request.url()); });
  await page.goto(url + hash);
  return page;
}
const users = (page) => page.locator("tbody tr:visible th bdi").allTextContents();
const databases = (page) => page.locator("thead th.name:visible bdi").allTextContents();

for (const [name, width, height] of [["phone", 390, 844], ["desktop", 1280, 800]]) {
  const page = await open(width, height, "light");
  const fits = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  assert(fits, `${name}: only the table may be wider than the screen`);
  const before = await page.locator("tbody tr th").first().boundingBox();
  await page.locator(".scroll").evaluate((it) => it.scrollTo(10_000, 0));
  const after = await page.locator("tbody tr th").first().boundingBox();
  assert.equal(after.x, before.x, `${name}: the users stay where they are when the databases move`);
  assert(before.width < width * 0.5, `${name}: there is room beside the users`);
  const small = await page.locator("input, select, button").evaluateAll((all) =>
    all.filter((it) => it.getBoundingClientRect().height < 30).map((it) => it.outerHTML));
  assert.deepEqual(small, [], `${name}: what is touched is large enough`);
  await page.locator(".scroll").evaluate((it) => it.scrollTo(0, 0));
  await page.screenshot({ path: path.join(folder, name + ".png") });
  await page.close();
}

const page = await open(1280, 800, "light");
const [allUsers, allDatabases] = [await users(page), await databases(page)];
assert(allUsers.includes('<img src=x onerror=alert(1)>"\'&'), `names are shown as they are: ${allUsers}`);
assert.equal(await page.locator("tbody img").count(), 0, "and are no markup");

// By keys alone: to the search, to a cell, to the next one.
await page.keyboard.press("/");
await page.keyboard.type("shop-*");
assert.deepEqual(await users(page), ["shop-api", "shop-worker"], "a pattern");
assert.equal(await page.locator("#count").textContent(), `2 of ${allUsers.length} users, ${allDatabases.length} databases`);
await page.locator("#database").fill("SHOP");
assert.deepEqual(await databases(page), ["shop"], "a part of a name, capitals or not");
await page.locator("tbody tr:visible th").first().focus();
await page.keyboard.press("ArrowRight");
const said = () => page.locator("#detail").textContent();
assert.equal(await said(), "shop-api has rw on shop: by the right on shop; collections: customers none.");
await page.keyboard.press("ArrowDown");
assert.equal(await said(), "shop-worker has ro on shop: by the right on *.");
assert.match(page.url(), /#user=shop-\*&database=SHOP$/, "what is shown has an address");

// The address leads to the same.
const again = await open(1280, 800, "light", new URL(page.url()).hash);
assert.deepEqual([await users(again), await databases(again)], [["shop-api", "shop-worker"], ["shop"]]);
await again.close();

await page.locator("#user").fill("nobody of that name");
assert(await page.locator("#nobody").isVisible());
await page.getByRole("button", { name: "Show all" }).click();
await page.waitForFunction((all) => document.querySelectorAll("tbody tr:not([hidden])").length === all, allUsers.length);
assert.deepEqual(await databases(page), allDatabases);
await page.getByRole("button", { name: /administrators$/ }).click();
assert.deepEqual(await users(page), ["alice", "root"], "those who are marked");
await page.getByRole("button", { name: /administrators$/ }).click();
await page.locator("#level").selectOption("ro");
assert((await users(page)).includes("shop-worker") && !(await users(page)).includes("alice"), "by level");

// Assistive programs find a table with its headings.
await page.getByRole("button", { name: "Show all" }).click();
assert.equal(await page.getByRole("columnheader").count(), allDatabases.length + 1);
assert.equal(await page.getByRole("rowheader").count(), allUsers.length);
const named = await page.locator("input, select").evaluateAll((all) => all.every((it) => it.labels.length === 1));
assert(named, "every field has a label");

// Text is told from its ground in both schemes, as WCAG's level AA wants it.
for (const scheme of ["light", "dark"]) {
  await page.emulateMedia({ colorScheme: scheme });
  const weak = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    const rgb = (color, under) => {
      canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
      canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (color) => {
      const [r, g, b] = color.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (it) => {
      for (; it; it = it.parentElement) {
        const color = getComputedStyle(it).backgroundColor;
        if (color !== "rgba(0, 0, 0, 0)") return color;
      }
      return "white";
    };
    const found = [];
    for (const it of document.querySelectorAll("h1, header p, button, output, label span, bdi, .badge, td b, .legend li, #detail")) {
      const under = rgb(ground(it), "white");
      const over = rgb(getComputedStyle(it).color, `rgb(${under})`);
      const [a, b] = [light(over), light(under)].sort((x, y) => y - x);
      if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${it.className || it.tagName} ${it.textContent}: ${(a + 0.05) / (b + 0.05)}`);
    }
    return found;
  });
  assert.deepEqual(weak, [], `contrast, ${scheme}`);
  await page.screenshot({ path: path.join(folder, scheme + ".png") });
}

assert.deepEqual(problems, [], "no error, no word in the console, nothing loaded");
await browser.close();
