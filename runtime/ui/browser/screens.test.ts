import { expect, test } from "./test";

const SIZES = [
  { width: 1280, height: 900 },
  { width: 360, height: 740 },
  { width: 320, height: 640 },
];
const SCHEMES = ["light", "dark"] as const;

test("every screen is accessible and fits, in both themes and at every width", async ({ airline, visit }) => {
  const id = await airline.fileFlight("ANZ4376");
  const ada = await visit();
  const fits = async () => {
    for (const colorScheme of SCHEMES) {
      await ada.page.emulateMedia({ colorScheme });
      for (const size of SIZES) {
        await ada.page.setViewportSize(size);
        await ada.expectNoSidewaysScroll();
        await ada.expectAccessible();
      }
    }
  };
  await ada.page.goto("/sign-in");
  await ada.button("Sign in").waitFor();
  await fits();
  await ada.page.goto(airline.link);
  await ada.button("Continue").waitFor();
  await fits();
  await ada.enter();
  const screens: [string, string][] = [
    ["/", "Logbook"],
    ["/file", "File a flight"],
    ["/account", "Ada Lovelace"],
    [`/pireps/${id}`, "ANZ4376"],
  ];
  for (const [path, heading] of screens) {
    await ada.page.goto(path);
    await ada.heading(heading).waitFor();
    await ada.page.waitForLoadState("networkidle");
    await fits();
  }
  const font = await ada.page.evaluate(() => document.fonts.check("14px 'Inter Variable'"));
  expect(font).toBe(true);
});
