import { expect, test } from "./test";
import { PATIENCE_MS, type Visitor } from "./visitor";

const SIZES = [
  { width: 1280, height: 900 },
  { width: 360, height: 740 },
  { width: 320, height: 640 },
];
const SCHEMES = ["light", "dark"] as const;

/** The screens of one who is signed in, and what each is headed. */
function screens(flight: string): [string, string][] {
  return [
    ["/", "Logbook"],
    ["/?state=Rejected", "Logbook"],
    ["/file", "File a flight"],
    ["/account", "Ada Lovelace"],
    [`/pireps/${flight}/edit`, "Change ANZ4376"],
    [`/pireps/${flight}`, "ANZ4376"],
  ];
}

async function show(visitor: Visitor, path: string, heading: string): Promise<void> {
  await visitor.page.goto(path);
  await visitor.heading(heading).waitFor();
  await visitor.page.getByText("Live", { exact: true }).waitFor();
  await expect.poll(() => visitor.page.locator(".skeleton").count(), { timeout: PATIENCE_MS }).toBe(0);
}

test("every screen is accessible and fits, in both themes and at every width", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  const isFine = async () => {
    for (const colorScheme of SCHEMES) {
      await ada.page.emulateMedia({ colorScheme });
      for (const size of SIZES) {
        await ada.page.setViewportSize(size);
        await ada.expectFits();
        await ada.expectAccessible();
      }
    }
  };
  await ada.page.goto("/sign-in");
  await ada.button("Sign in").waitFor();
  await isFine();
  await ada.page.goto(airline.link);
  await ada.button("Continue").waitFor();
  await isFine();
  await ada.enter();
  for (const [path, heading] of screens(id)) {
    await show(ada, path, heading);
    for (const details of await ada.page.locator("summary").all()) await details.click();
    await isFine();
  }
  await ada.button("Ask…").click();
  await isFine();
  await ada.button("Back").click();
  await ada.page.setViewportSize({ width: 320, height: 640 });
  await ada.button("More actions").click();
  await isFine();
  expect(await ada.page.evaluate(() => document.fonts.check("14px 'Inter Variable'"))).toBe(true);
});

test("a finger hits every control", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 740 } });
  await ada.enter();
  for (const [path, heading] of screens(id)) {
    await show(ada, path, heading);
    await ada.expectTouchable();
  }
  await ada.button("More actions").click();
  await ada.expectTouchable();
  await ada.button("Comment…").click();
  await ada.expectTouchable();
});

test("dark and light differ", async ({ visit }) => {
  const ada = await visit();
  await ada.page.goto("/sign-in");
  const ground = async (colorScheme: "light" | "dark") => {
    await ada.page.emulateMedia({ colorScheme });
    return ada.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  };
  expect(await ground("dark")).not.toBe(await ground("light"));
});

test("what is not there says so, and leads back", async ({ visit }) => {
  const ada = await visit();
  await ada.enter();
  await ada.page.goto("/pireps/00000000-0000-4000-8000-000000000000");
  await ada.page.getByText("There is no such flight").waitFor();
  await ada.page.getByRole("link", { name: "Back to the logbook" }).click();
  await ada.heading("Logbook").waitFor();
  await ada.page.goto("/nowhere");
  await ada.page.getByText("There is nothing here").waitFor();
  await ada.expectAccessible();
  ada.forgive(/status of 404/);
});
