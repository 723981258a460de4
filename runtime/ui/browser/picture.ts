import { fileURLToPath } from "node:url";
import { test } from "./test";

const PICTURE = fileURLToPath(new URL("../../../docs/pirep.png", import.meta.url));

/** Takes the README's picture anew: `pnpm picture`. */
test("the page of one flight", async ({ visit }) => {
  const ada = await visit({ viewport: { width: 1280, height: 960 } });
  await ada.enter();
  await ada.page.getByRole("link", { name: /ELY1747.*Accepted/ }).click();
  const map = ada.page.getByRole("img", { name: "Map of the flown track" });
  await map.locator("path.fill-land").waitFor();
  const { width = 0, height = 0 } = (await map.boundingBox()) ?? {};
  await map.hover({ position: { x: width * 0.55, y: height * 0.75 } });
  await ada.page.screenshot({ path: PICTURE, animations: "disabled" });
});
